"""Which internals of Gunicorn are overridden or read: a version of it without one of them fails here."""

import ast
import inspect
import re
import tomllib
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

import gunicorn
import gunicorn.arbiter
import gunicorn.http.unreader
import gunicorn.util
import gunicorn.workers.base
import gunicorn.workers.gthread
import pytest
from gunicorn.workers.gthread import PollableMethodQueue, TConn, ThreadWorker
from gunicorn.workers.workertmp import WorkerTmp
from packaging.requirements import Requirement

from openwatt.web.http import connections, worker
from openwatt.web.http.connections import ClientConnection
from openwatt.web.http.heartbeat import Heartbeat
from openwatt.web.http.worker import Worker

PYPROJECT = Path(__file__).resolve().parents[3] / "pyproject.toml"

#: Our class, Gunicorn's, and the methods of it that ours take the place of.
OVERRIDDEN: list[tuple[type, type, set[str]]] = [
    (
        Worker,
        ThreadWorker,
        {
            "__init__",
            "_keepalive_after",
            "accept",
            "check_config",
            "enqueue_req",
            "finish_request",
            "get_thread_pool",
            "handle",
            "init_process",
            "murder_keepalived",
            "murder_pending",
            "notify",
            "on_client_socket_readable",
            "run",
        },
    ),
    (ClientConnection, TConn, {"__init__"}),
    (Heartbeat, WorkerTmp, {"__init__"}),
]
#: What Gunicorn's own classes set or define, and we read.
READ: list[tuple[ModuleType, type, set[str]]] = [
    (
        worker,
        ThreadWorker,
        {
            "alive",
            "cfg",
            "handle_error",
            "keepalived_conns",
            "max_keepalived",
            "method_queue",
            "nr_conns",
            "poller",
            "worker_connections",
        },
    ),
    (connections, TConn, {"cfg", "close", "init", "parser", "sock"}),
]
#: What is replaced in, or called of, other parts of Gunicorn.
USED: list[tuple[Any, str]] = [
    (gunicorn.util, "write_error"),
    (gunicorn.workers.base, "WorkerTmp"),
    (gunicorn.workers.gthread, "STOP_KEEPALIVE_LINGER"),
    (gunicorn.http.unreader.Unreader, "take_buffered"),
    (gunicorn.http.unreader.Unreader, "unread"),
    (PollableMethodQueue, "defer"),
    (TConn, "set_timeout"),
    (gunicorn.arbiter.Arbiter, "WORKERS"),
]


def defined(cls: type) -> set[str]:
    """Functions that a class defines itself."""
    found = {name: getattr(member, "__func__", member) for name, member in vars(cls).items()}
    return {name for name, member in found.items() if isinstance(member, FunctionType)}


def own_attributes(cls: type) -> set[str]:
    """What a class and its bases define, or set in one of their methods."""
    names: set[str] = set()
    for base in cls.__mro__[:-1]:
        names |= vars(base).keys() | set(re.findall(r"self\.(\w+)(?:, [\w.]+)* = ", inspect.getsource(base)))
    return names


def read_of_self(module: ModuleType, cls: type) -> set[str]:
    """The attributes of `self` in a class of a module."""
    tree = ast.parse(inspect.getsource(module))
    (node,) = [node for node in tree.body if isinstance(node, ast.ClassDef) and node.name == cls.__name__]
    return {
        part.attr
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name) and part.value.id == "self"
    }


@pytest.mark.parametrize(("ours", "theirs", "methods"), OVERRIDDEN)
def test_each_method_that_is_overridden_is_there(ours: type, theirs: type, methods: set[str]) -> None:
    inherited: set[str] = {name for base in theirs.__mro__[:-1] for name in defined(base)}
    assert methods - inherited == set(), "Gunicorn calls these no more"
    assert defined(ours) & inherited == methods, "the list above is whole"
    for name in methods - {"__init__"}:
        mine, base = (list(inspect.signature(getattr(cls, name)).parameters) for cls in (ours, theirs))
        assert len(mine) == len(base), f"{name} is called with {base}"


@pytest.mark.parametrize(("module", "theirs", "names"), READ)
def test_each_attribute_that_is_read_is_there(module: ModuleType, theirs: type, names: set[str]) -> None:
    assert names - own_attributes(theirs) == set(), "Gunicorn has these no more"
    ours = Worker if module is worker else ClientConnection
    inherited = read_of_self(module, ours) & own_attributes(theirs)
    overridden = {name for cls, _, methods in OVERRIDDEN if cls is ours for name in methods}
    assert inherited - overridden == names, "the list above is whole"


@pytest.mark.parametrize(("where", "name"), USED)
def test_each_function_that_is_replaced_or_called_is_there(where: Any, name: str) -> None:
    assert hasattr(where, name)


def test_the_file_of_a_heartbeat_is_where_ours_puts_it() -> None:
    assert "self._tmp" in inspect.getsource(WorkerTmp.notify)
    assert "self._tmp" in inspect.getsource(WorkerTmp.last_update)


def test_no_other_version_of_gunicorn_is_installed_unseen() -> None:
    dependencies = map(Requirement, tomllib.loads(PYPROJECT.read_text())["project"]["dependencies"])
    (bound,) = [dependency.specifier for dependency in dependencies if dependency.name == "gunicorn"]
    major, minor = map(int, gunicorn.__version__.split(".")[:2])
    assert gunicorn.__version__ in bound
    assert f"{major}.{minor + 1}.0" not in bound
