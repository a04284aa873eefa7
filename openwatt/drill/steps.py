"""The steps of an exercise, each with its status and the time since the fault."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from openwatt.doctor.context import CheckContext
from openwatt.doctor.results import CheckFailedError, CheckSkippedError

T = TypeVar("T")

_POLL_S = 1.0


@dataclass(frozen=True, slots=True)
class Step:
    """One step of an exercise; `after_s` counts from the fault (or from its end, for what ends with it)."""

    exercise: str
    message: str
    status: Literal["ok", "failed", "skipped"]
    after_s: float
    remedy: str = ""


class StepFailedError(Exception):
    """Raised when an expected step did not come; the exercise ends there."""

    def __init__(self, step: Step) -> None:
        self.step = step
        super().__init__(step.message)


@dataclass
class DrillRun:
    """The run of one exercise: its clock, and the end of the drill."""

    exercise: str
    context: CheckContext
    until: float
    """The Unix time after which nothing is provoked or waited for."""
    began: float = field(default_factory=time.monotonic)

    def left_s(self) -> float:
        """Seconds until the drill's end."""
        return self.until - time.time()

    def passed(self, message: str) -> Step:
        """Makes a step that came."""
        return Step(self.exercise, message, "ok", time.monotonic() - self.began)

    def skipped(self, message: str) -> Step:
        """Makes a step that cannot be observed here, with the reason."""
        return Step(self.exercise, message, "skipped", time.monotonic() - self.began)

    def failed(self, message: str, remedy: str) -> Step:
        """Makes a step that did not come, with what fixes that."""
        return Step(self.exercise, message, "failed", time.monotonic() - self.began, remedy)

    def again(self) -> None:
        """Restarts the clock: the fault begins or is over."""
        self.began = time.monotonic()

    def wait(
        self,
        probe: Callable[[], T | None],
        what: str,
        remedy: str,
        *,
        seconds: float | None = None,
        every_s: float = _POLL_S,
    ) -> T:
        """Calls a probe until it returns something.

        Raises:
            StepFailedError: it gave nothing in `seconds`, or until the drill's end.
        """
        deadline = time.monotonic() + min(self.left_s(), self.left_s() if seconds is None else seconds)
        last = ""
        while True:
            try:
                if (found := probe()) is not None:
                    return found
                last = ""
            except (CheckFailedError, CheckSkippedError) as error:
                last = f" ({error})"
            if time.monotonic() + every_s > deadline:
                raise StepFailedError(self.failed(f"{what}: not seen in time{last}", remedy))
            time.sleep(every_s)
