"""An engine runs tasks, in this process or in others; every task has one job in common."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class Runner(Protocol):
    """Runs functions of a job that its processes have."""

    def run(self, function: Callable[[Any, Task], Result], tasks: Iterable[Task]) -> Iterator[Result]:
        """The results of `function(job, task)`, each as it comes, in any order.

        A bounded number of tasks is handed out ahead. The caller's end cancels what has not begun and
        waits for what has.

        Raises:
            PortfolioError: what a task raises, or when no process can go on.
        """


class Engine(Protocol):
    """What runs the tasks of one job at a time."""

    @property
    def workers(self) -> int:
        """How many tasks run at once."""

    def start(self, job: Any) -> AbstractContextManager[Runner]:
        """Hands the job to every process, until the end of the block; it goes there once."""
