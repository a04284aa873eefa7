"""The Dask engine runs tasks on the workers of a cluster; a task that a dead worker had runs on another.

The job goes to each worker once, as a plugin, which workers get too that start later. Tasks
return their errors as values, and what Dask shows of a task (its key, its function, its arguments)
holds nothing of a home, so neither do its logs and its dashboard.
"""

import logging
import pickle
import queue
import sys
import time
import traceback
import uuid
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from typing import Any, Generic, NamedTuple

from distributed import Client, KilledWorker, LocalCluster, Security, WorkerPlugin, get_worker
from distributed.comm.addressing import get_address_host_port
from distributed.comm.registry import get_backend

from openwatt import __version__
from openwatt.portfolio.engines.engine import Job, Result, Runner, Task, TaskResult
from openwatt.portfolio.engines.local_engine import without_ctrl_c
from openwatt.portfolio.errors import PortfolioError

# Its records of what comes and goes are those of a cluster, not of a run; what is wrong is said by errors.
logging.getLogger("distributed").setLevel(logging.ERROR)

#: Tasks handed out for each thread of the cluster; the rest wait unread.
_AHEAD = 2
#: How often the cluster is looked at while no task ends.
_LOOK_S = 1.0
_LOCAL = "local:"
#: Of processes that are ours alone: none is profiled, and memory that is freed stays with the process.
_SETTINGS_OF_LOCAL = {
    "distributed.worker.profile.enabled": False,
    "distributed.nanny.pre-spawn-environ.MALLOC_TRIM_THRESHOLD_": 1 << 27,
}
_PYTHON = f"{sys.version_info.major}.{sys.version_info.minor}"


class TaskFailure(NamedTuple):
    """The error of a task as a value, so that Dask logs nothing of it.

    `memory` says that there was too little.
    """

    text: str
    memory: bool = False


class JobPlugin(WorkerPlugin):
    """Gives a job to each worker, those that start later included; packed, so that Dask shows nothing."""

    def __init__(self, name: str, packed: bytes) -> None:
        self.name = name
        self._packed = packed

    def setup(self, worker: Any) -> None:  # noqa: ARG002 (jobs are the process's)
        """Unpacks the job once."""
        _jobs[self.name] = pickle.loads(self._packed)  # noqa: S301 (it comes from the client that runs the tasks)

    def teardown(self, worker: Any) -> None:  # noqa: ARG002
        """Drops the job."""
        _jobs.pop(self.name, None)


#: The jobs of this worker process, by the names of their plugins.
_jobs: dict[str, Job] = {}
#: Those whose source this process has seen.
_checked: set[str] = set()


class ConnectionLostError(Exception):
    """The scheduler went away, and with it what it knew of the tasks."""


class DaskEngine:
    """The workers of a scheduler (`tcp://host:8786`, `tls://…`), or so many processes here (`local:4`).

    `timeout_s` is how long a scheduler or a worker may be away before the run stops.
    """

    def __init__(self, cluster: str, *, timeout_s: float) -> None:
        self.cluster = cluster
        self.timeout_s = timeout_s
        self.workers = 1

    @contextmanager
    def start(self, job: Job) -> Iterator[Runner]:
        """Connects, checks every worker, and hands the job to each."""
        name = f"openwatt-{uuid.uuid4().hex[:12]}"
        with self._address() as address:
            runner = _Cluster(self, address, JobPlugin(name, pickle.dumps(job)), job)
            try:
                runner.connect()
                yield runner
            finally:
                runner.close()

    @contextmanager
    def _address(self) -> Iterator[str]:
        if not self.cluster.startswith(_LOCAL):
            _refuse_address(self.cluster)
            yield self.cluster
            return
        count = self.cluster.removeprefix(_LOCAL)
        if not count.isdecimal() or not 1 <= int(count) <= 512:
            raise PortfolioError(
                f"{self.cluster} names no number of processes from 1 to 512, as local:4 does"
            )
        cluster_type: Any = LocalCluster  # it has no types
        with without_ctrl_c():
            cluster = cluster_type(
                n_workers=int(count), threads_per_worker=1, dashboard_address=None, silence_logs=50
            )
        with cluster:
            yield cluster.scheduler_address


def _refuse_address(address: str) -> None:
    """Refuses what no connection can be made with; Dask leaves half a client behind, which ends badly.

    Raises:
        PortfolioError: naming the remedy.
    """
    if not address:
        raise PortfolioError("no cluster is named: give its scheduler's address, tcp://host:8786, or local:4")
    scheme, part, _ = address.rpartition("://")
    try:
        get_backend(scheme if part else "tcp")
        get_address_host_port(address)  # A port is needed.
    except ValueError as error:
        raise PortfolioError(f"the cluster {address} cannot be used: {error}") from None
    if address.startswith("tls://"):
        try:
            security_type: Any = Security  # its functions have no types
            certificates = security_type().get_connection_args("client").get("ssl_context")
        except OSError as error:
            raise PortfolioError(
                f"the certificates of Dask's configuration cannot be read: {error}"
            ) from None
        if certificates is None:
            raise PortfolioError(
                f"{address} needs certificates: name them in Dask's configuration, distributed.comm.tls "
                "(https://distributed.dask.org/en/stable/tls.html)"
            )


class _Cluster:
    """The connection to a scheduler and what it runs for one job."""

    def __init__(self, engine: DaskEngine, address: str, plugin: JobPlugin, job: Job) -> None:
        self._engine, self._address, self._plugin, self._job = engine, address, plugin, job
        self._client: Any = None
        self._attempts: Counter[int] = Counter()
        self._numbers = iter(range(sys.maxsize))

    def connect(self) -> None:
        """Finds the scheduler and a worker, checks all workers, and gives them the job.

        Raises:
            PortfolioError: when there is none, or when a worker cannot do the work.
        """
        engine = self._engine
        client_type: Any = Client  # its functions have no types
        deadline = time.monotonic() + engine.timeout_s
        try:
            self._client = client_type(self._address, timeout=engine.timeout_s, set_as_default=False)
        except (ValueError, TypeError, ImportError) as error:
            raise PortfolioError(f"the cluster {self._address} cannot be used: {error}") from None
        except OSError:
            raise self._away("scheduler answers") from None
        try:
            self._client.wait_for_workers(1, timeout=max(1.0, deadline - time.monotonic()))
        except TimeoutError:
            raise self._away("worker is connected to the scheduler") from None
        _refuse_other_versions(self._client)
        self._client.register_plugin(self._plugin)
        self._check_workers()
        self._client.subscribe_topic(self._plugin.name, self._count_attempt)
        self._look()

    def close(self) -> None:
        """Takes the job from the workers and leaves; tasks in work end, and are not waited for."""
        if self._client is not None:
            with suppress(Exception):  # The scheduler may be gone, and nothing is left to be done.
                if self._client.status == "running":
                    self._client.unregister_worker_plugin(self._plugin.name)
            with suppress(Exception):
                self._client.close(timeout=5)
            self._client = None

    def run(
        self, function: Callable[[Any, Task], Result], tasks: Iterable[Task]
    ) -> Iterator[TaskResult[Result]]:
        """The results as they come; tasks that end their workers are named when the rest is done."""
        return _Tasks(self, function, tasks).results()

    def submit(self, function: Callable[..., Any], task: Any) -> tuple[int, Any]:
        """Hands a task out; its number is one of this job's."""
        number = next(self._numbers)
        name = self._plugin.name
        key = f"{name}-{number}"
        future = self._client.submit(_run_task, name, number, function, _Hidden(task), key=key, pure=False)
        return number, future

    def cancel(self, futures: Sequence[Any]) -> None:
        """Takes back what has not begun."""
        with suppress(Exception):  # The scheduler may be gone, and its tasks with it.
            self._client.cancel(futures, force=True)

    @property
    def most_ahead(self) -> int:
        """How many tasks are handed out at once."""
        return self._engine.workers * _AHEAD

    def attempts(self, number: int) -> int:
        """How often a task was begun, as far as is known."""
        return max(1, self._attempts.pop(number, 1))

    def next_ended(self, ended: "queue.SimpleQueue[Any]") -> Any:
        """The next future that ended, while the cluster is looked at."""
        since = time.monotonic()
        while True:
            try:
                return ended.get(timeout=_LOOK_S)
            except queue.Empty:
                if self._look():
                    since = time.monotonic()
                elif time.monotonic() - since > self._engine.timeout_s:
                    raise self._away("worker is connected to the scheduler") from None

    def _away(self, what: str) -> PortfolioError:
        return PortfolioError(
            f"no {what} at {self._address}, for {self._engine.timeout_s:.0f} s: start one (dask scheduler, "
            "dask worker), then add --resume"
        )

    def _look(self) -> int:
        """How many threads of workers there are now.

        Raises:
            ConnectionLostError: when the scheduler is away.
        """
        if self._client.status != "running":
            raise ConnectionLostError
        try:
            threads: int = sum(self._client.nthreads().values())
        except (OSError, TimeoutError, AttributeError):
            raise ConnectionLostError from None
        if threads:
            self._engine.workers = threads
        return threads

    def value(self, future: Any) -> Any:
        """What a future's task returned.

        Raises:
            ConnectionLostError: when the scheduler is away, or another one is there that knows nothing of it.
        """
        if future.status == "error":
            error = future.exception()
            if isinstance(error, KilledWorker):
                return TaskFailure("", memory=True)
            _refuse_other_versions(self._client)
            return TaskFailure(f"a worker cannot run a task: {type(error).__name__}")
        if future.status != "finished":
            raise ConnectionLostError
        try:
            return future.result(timeout=self._engine.timeout_s)
        except KilledWorker:
            return TaskFailure("", memory=True)
        except Exception:  # noqa: BLE001 (of any kind when the scheduler goes just now)
            raise ConnectionLostError from None

    def reconnect(self) -> None:
        """Connects to the scheduler that is there now, which may be another one."""
        with suppress(Exception):  # It may know nothing any more.
            self._client.close(timeout=5)
        self._client = None
        self.connect()

    def _check_workers(self) -> None:
        """Lets each worker show that it reads the source and writes to the output.

        Raises:
            PortfolioError: naming the first that does not.
        """
        found: Mapping[str, Any] = self._client.run(_check, self._plugin.name, __version__, on_error="return")
        for worker, fault in sorted(found.items()):
            if fault is not None:
                text = fault if isinstance(fault, str) else type(fault).__name__
                raise PortfolioError(f"worker {worker} cannot do the work: {text}")
        self._job.take_probes(map(_probe_name, found))

    def _count_attempt(self, event: tuple[float, Any]) -> None:
        self._attempts[event[1]] += 1


class _Handed(NamedTuple):
    """A task that was handed out, and its number; `alone` when no other is at the same time."""

    task: Any
    number: int
    future: Any
    alone: bool


class _Tasks(Generic[Task, Result]):
    """Hands out tasks and takes their results.

    Dask gives a task up when the workers that had it ended, four times over. That may have
    been another task's doing, so such a task is tried once more, when it is alone.
    """

    def __init__(
        self, cluster: _Cluster, function: Callable[[Any, Task], Result], tasks: Iterable[Task]
    ) -> None:
        self._cluster, self._function, self._coming = cluster, function, iter(tasks)
        self._waiting: dict[str, _Handed] = {}
        self._suspects: deque[Task] = deque()
        self._lost: list[str] = []
        self._ended: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def results(self) -> Iterator[TaskResult[Result]]:
        """Each as it comes."""
        try:
            self._hand_out()
            while self._waiting:
                try:
                    yield from self._next_result()
                except ConnectionLostError:
                    self._hand_out_again()
                self._hand_out()
        finally:
            if self._waiting:
                self._cluster.cancel([handed.future for handed in self._waiting.values()])
        if self._lost:
            raise PortfolioError(
                f"the workers that had {', '.join(self._lost[:10])} ended each time, as with too little "
                "memory; what else there was is done. Give each worker more memory (dask worker "
                "--memory-limit, fewer --nthreads), then add --resume"
            )

    def _next_result(self) -> Iterator[TaskResult[Result]]:
        """The result that comes next, if it is one."""
        future = self._cluster.next_ended(self._ended)
        handed = self._waiting.get(future.key)
        if handed is None or handed.future is not future:
            return  # It is of a connection that was lost.
        value = self._cluster.value(future)
        del self._waiting[future.key]
        future.release()  # Else Dask would run it again when its worker ends.
        if not isinstance(value, TaskFailure):
            yield value._replace(attempts=self._cluster.attempts(handed.number))
        elif not value.memory:
            raise PortfolioError(value.text)
        elif handed.alone:
            self._lost.append(str(handed.task))
        else:
            self._suspects.append(handed.task)

    def _hand_out(self) -> None:
        """Hands out as many as the cluster takes; at the end, alone, those that ended their workers."""
        while len(self._waiting) < self._cluster.most_ahead:
            try:
                self._submit(next(self._coming))
            except StopIteration:
                break
        if not self._waiting and self._suspects:
            self._submit(self._suspects.popleft(), alone=True)

    def _hand_out_again(self) -> None:
        """What was handed out before the connection was lost, after the cluster is there again."""
        before = list(self._waiting.values())
        self._waiting.clear()
        self._cluster.reconnect()
        for handed in before:
            self._submit(handed.task, alone=handed.alone)

    def _submit(self, task: Task, *, alone: bool = False) -> None:
        number, future = self._cluster.submit(self._function, task)
        self._waiting[future.key] = _Handed(task, number, future, alone)
        future.add_done_callback(self._ended.put)


class _Hidden(NamedTuple):
    """A task as an argument of which Dask shows nothing."""

    task: Any

    def __repr__(self) -> str:
        return "<task>"


def _run_task(
    job: str, number: int, function: Callable[[Any, Task], Result], hidden: _Hidden
) -> TaskResult[Result] | TaskFailure:
    """What a worker runs."""
    worker = get_worker()
    worker.log_event(job, number)
    found = _jobs.get(job)
    if found is None:
        return TaskFailure(f"worker {worker.address} has not the job: is it of another version?")
    try:
        if job not in _checked:  # A worker that started later was not there for the check.
            found.check_source()
            _checked.add(job)
        return TaskResult(function(found, hidden.task), worker.address)
    except PortfolioError as error:
        return TaskFailure(str(error))
    except MemoryError:
        return TaskFailure("", memory=True)
    except Exception as error:  # noqa: BLE001 (Dask would log it with its text)
        places = traceback.extract_tb(error.__traceback__)
        where = " < ".join(f"{place.name}:{place.lineno}" for place in reversed(places))
        return TaskFailure(f"a fault on worker {worker.address}: {type(error).__name__} in {where}")


def _check(job: str, expected: str, dask_worker: Any) -> str | None:
    """What keeps a worker from the work, None when nothing does."""
    if expected != __version__:  # A checkout, whose package says another one.
        return f"it has OpenWatt {__version__}, this is {expected}: {_remedy(expected)}"
    try:
        _jobs[job].check_source()
        _jobs[job].probe(_probe_name(dask_worker.address))
    except PortfolioError as error:
        return str(error)
    return None


def _probe_name(address: str) -> str:
    """A worker's address as a part of a file's name."""
    return address.rpartition("/")[2].replace(":", "-")


def _remedy(wanted: str) -> str:
    return f"pip install 'openwatt[cluster]=={wanted}' there, with Python {_PYTHON}"


def _installed() -> str | None:
    """The version that Python's installer knows, as it does on the workers; none of a bare checkout."""
    try:
        return version("openwatt")
    except PackageNotFoundError:
        return None


def _refuse_other_versions(client: Any) -> None:
    """Refuses a cluster with a worker of another OpenWatt or Python, or without the extra.

    Raises:
        PortfolioError: naming the worker and the remedy.
    """
    wanted = ("openwatt", "fsspec", "pyarrow")
    found = client.get_versions(packages=list(wanted))["workers"]
    for worker, versions in sorted(found.items()):
        has, fault = versions["packages"], ""
        if not str(has["python"]).startswith(f"{_PYTHON}."):
            fault = f"runs Python {has['python']}, this is {_PYTHON}"
        elif has["openwatt"] != _installed():
            what = f"OpenWatt {has['openwatt']}" if has["openwatt"] else "no OpenWatt installed"
            fault = f"has {what}, this is {__version__}"
        else:
            fault = " and ".join(f"lacks {package}" for package in wanted[1:] if not has[package])
        if fault:
            raise PortfolioError(f"worker {worker} {fault}: {_remedy(__version__)}")
