"""Refusals of a meter's file by what a customer reads of them."""

import contextlib
import re
from collections.abc import Iterator

import pytest

from openwatt.domain.errors import MeterFileError
from openwatt.sentences.catalogue import sentence


@contextlib.contextmanager
def refused(said: str, kind: type[MeterFileError] = MeterFileError) -> Iterator[None]:
    """What is done within is refused, in English with these words (a pattern)."""
    with pytest.raises(kind) as refusal:
        yield
    assert re.search(said, sentence(refusal.value)), sentence(refusal.value)
