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


class Job(Protocol):
    """What all tasks have in common; it goes to each process once."""

    def check_source(self) -> None:
        """Looks, in a process of another machine, whether the source is the same there.

        Raises:
            PortfolioError: when it is not, with the remedy.
        """

    def probe(self, worker: str) -> None:
        """Writes to the output, in a process of another machine, what `take_probes` looks for.

        Raises:
            PortfolioError: when nothing can be written.
        """

    def take_probes(self, workers: Iterable[str]) -> None:
        """Looks for what each process wrote, in the first process.

        Raises:
            PortfolioError: when one does not write to the same output.
        """


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

    def start(self, job: Job) -> AbstractContextManager[Runner]:
        """Hands the job to every process, until the end of the block; it goes there once."""
