"""Files of the metrics that a process makes or enlarges while another one reads them."""

import itertools
import os
import struct
import sys
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from openwatt.telemetry.metrics.shared_values import used_bytes

#: What a process does to a new file, one step after the other; the last one enlarges it.
STEPS: tuple[Callable[[Path], None], ...] = (
    lambda path: path.touch(),
    lambda path: os.truncate(path, 1 << 16),
    lambda path: _write_header(path, 8),
    lambda path: _write_header(path, 1 << 16),
    lambda path: os.truncate(path, 1 << 17),
    lambda path: _write_header(path, (1 << 16) + 80),
)


def _write_header(path: Path, used: int) -> None:
    with path.open("r+b") as file:
        file.write(struct.pack("i", used))


class Meanwhile:
    """Takes steps before an instruction of a function, counted from 1, is executed."""

    def __init__(self, code: Any, instruction: int, steps: Iterable[Callable[[], None]]) -> None:
        self._code, self._left, self._steps = code, instruction, steps

    def __call__(self, frame: FrameType, event: str, _argument: object) -> "Meanwhile | None":
        if frame.f_code is not self._code:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            self._left -= 1
            if self._left == 0:
                for step in self._steps:
                    step()
        return self

    @property
    def done(self) -> bool:
        return self._left <= 0


@pytest.mark.parametrize(("before", "after"), list(itertools.combinations(range(1, len(STEPS) + 1), 2)))
def test_a_file_that_is_made_or_enlarged_during_the_look_is_not_damaged(
    tmp_path: Path, before: int, after: int
) -> None:
    for instruction in itertools.count():  # none is 0: Python 3.12 tells of no instruction the first time
        path = tmp_path / f"counter_1.5-{instruction}.db"
        steps = [partial(step, path) for step in STEPS]
        for step in steps[:before]:
            step()
        meanwhile = Meanwhile(used_bytes.__code__, instruction, steps[before:after])
        traced = sys.gettrace()
        sys.settrace(meanwhile)
        try:
            used = used_bytes(path)  # would raise, and the file of a living worker be set aside
        finally:
            sys.settrace(traced)
        if not meanwhile.done:
            break
        assert used in {0, 8, 1 << 16, (1 << 16) + 80}
    assert instruction > 20, "the look was never interrupted"
