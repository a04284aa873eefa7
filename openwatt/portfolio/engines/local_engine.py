"""The local engine runs tasks in processes of this machine, or in this process."""

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from itertools import islice
from multiprocessing import forkserver, resource_tracker
from typing import Any

from openwatt.portfolio.engines.engine import Result, Runner, Task, TaskResult
from openwatt.portfolio.errors import PortfolioError

#: Tasks handed out beyond those in work; the rest wait unread.
_AHEAD = 2


class LocalEngine:
    """So many processes of this machine; one is this process itself."""

    def __init__(self, workers: int) -> None:
        self.workers = workers

    @contextmanager
    def start(self, job: Any) -> Iterator[Runner]:
        """The processes start with the first tasks and end with the block."""
        if self.workers == 1:
            yield _Here(job)
            return
        # Processes that are not copies of this one hold neither its lock nor its threads.
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(["__main__", "openwatt.portfolio.billing.kernel"])
        with without_ctrl_c():
            forkserver.ensure_running()  # The process that workers come from.
        pool = ProcessPoolExecutor(
            self.workers, mp_context=context, initializer=_become_worker, initargs=(job,)
        )
        try:
            yield _Pool(pool, self.workers)
        except BrokenProcessPool:
            raise PortfolioError(
                "a process ended unasked (was there too little memory?): add --resume to go on, "
                "with fewer --jobs if it comes again"
            ) from None
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


class _Here:
    """Runs tasks one by one in this process."""

    def __init__(self, job: Any) -> None:
        self._job = job

    def run(
        self, function: Callable[[Any, Task], Result], tasks: Iterable[Task]
    ) -> Iterator[TaskResult[Result]]:
        return (TaskResult(function(self._job, task), _this_process()) for task in tasks)


class _Pool:
    """Runs tasks in the processes of a pool."""

    def __init__(self, pool: ProcessPoolExecutor, workers: int) -> None:
        self._pool, self._workers = pool, workers

    def run(
        self, function: Callable[[Any, Task], Result], tasks: Iterable[Task]
    ) -> Iterator[TaskResult[Result]]:
        coming = iter(tasks)
        # The first tasks start the processes: half started, they would miss what they share with the pool.
        with _ctrl_c_later():
            first = islice(coming, self._workers * _AHEAD)
            waiting = {self._pool.submit(_run_task, function, task) for task in first}
        try:
            while waiting:
                ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                with _ctrl_c_later():
                    waiting |= {
                        self._pool.submit(_run_task, function, task) for task in islice(coming, len(ready))
                    }
                for future in ready:
                    yield future.result()
        finally:
            for future in waiting:
                future.cancel()


@contextmanager
def without_ctrl_c() -> Iterator[None]:
    """Processes and threads that start in the block, and what starts from them, get no Ctrl-C.

    It is for the parent alone, who lets the tasks in work end.
    """
    resource_tracker.ensure_running()  # It lets signals through again, so it comes first.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _ctrl_c_later() -> Iterator[None]:
    """Lets Ctrl-C have its effect at the end of the block, not within it."""
    if threading.current_thread() is not threading.main_thread():
        yield  # Python tells only the main thread of signals
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if came:
            signal.raise_signal(signal.SIGINT)


#: The job of this worker process.
_job: Any = None


def _become_worker(job: Any) -> None:
    """Takes the job; a worker ends with its parent, however that ends: there is no caller left."""
    global _job  # noqa: PLW0603 (a process of a pool has no other place that outlives a task)
    _job = job
    parent = multiprocessing.parent_process()

    def follow() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _run_task(function: Callable[[Any, Task], Result], task: Task) -> TaskResult[Result]:
    return TaskResult(function(_job, task), _this_process())


def _this_process() -> str:
    return f"pid {os.getpid()}"
