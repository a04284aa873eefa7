"""What a raised error says to customers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from openwatt.domain.errors import OpenWattError
from openwatt.sentences.catalogue import sentence


@contextmanager
def refused(error: type[OpenWattError], match: str) -> Iterator[None]:
    """Expects an error whose English sentence holds a pattern."""
    with pytest.raises(error) as refusal:
        yield
    assert re.search(match, sentence(refusal.value)), sentence(refusal.value)
