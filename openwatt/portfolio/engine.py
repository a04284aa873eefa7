"""An engine runs tasks, in this process or in others; every task has one job in common."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Generic, NamedTuple, Protocol, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")


class TaskResult(NamedTuple, Generic[Result]):
    """What a task returned, the process that ran it, and how often it was begun."""

    value: Result
    worker: str
    attempts: int = 1


class Runner(Protocol):
    """Runs functions of a job that its processes have."""

    def run(
        self, function: Callable[[Any, Task], Result], tasks: Iterable[Task]
    ) -> Iterator[TaskResult[Result]]:
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
