"""Connection strings: their options as libpq takes them, and changed copies."""

import difflib
import re

from psycopg import ProgrammingError, pq
from psycopg.conninfo import conninfo_to_dict, make_conninfo

#: There is no such folder of sockets, so an attempt to connect ends at once and reaches no server.
_NO_SOCKETS = "/openwatt/there-is-no-such-folder"
#: libpq reads these when it waits or has connected, the others before it connects.
_WHOLE_NUMBERS = frozenset(
    {"connect_timeout", "keepalives", "keepalives_count", "keepalives_idle", "keepalives_interval",
     "tcp_user_timeout"}
)  # fmt: skip


class OptionError(ValueError):
    """An option of a database's address cannot be used. The message repeats neither it nor its value."""


def check_options(url: str) -> None:
    """Refuses an address whose options PostgreSQL's library does not know or take.

    The library itself checks them, with a server that does not exist instead of the real one:
    the options that it knows depend on its version.

    Raises:
        OptionError: naming the option where it is one of the library's own.
    """
    try:
        read = conninfo_to_dict(url)
    except ProgrammingError:
        raise OptionError(_unreadable(url)) from None
    for option in sorted(_WHOLE_NUMBERS & read.keys()):
        text = str(read[option])
        if not text.lstrip("+-").isdigit() or not text.isascii():
            raise OptionError(f"must have a whole number as its option {option}")
    hosts = str(read.get("host") or read.get("hostaddr") or "").count(",") + 1
    elsewhere = make_conninfo(
        url,
        host=",".join([_NO_SOCKETS] * hosts),
        hostaddr="",
        user=read.get("user") or "anybody",  # else the library looks up the name of the process's account
    )
    message = pq.PGconn.connect_start(elsewhere.encode()).error_message.decode(errors="replace")
    if _NO_SOCKETS not in message:
        named = [option for option in _options() & read.keys() if option in message.replace('"', " ").split()]
        which = f"another value of its option {named[0]}" if len(named) == 1 else "other options"
        raise OptionError(f"must have {which}: PostgreSQL's library refuses it; {_REFERENCE}")


def preferring(conninfo: str, host: str, port: str) -> str:
    """The same address, with one of its several servers named first; the order of the others stays.

    Where the order of the servers is not that of the attempts, or the one is not among them,
    nothing is changed.
    """
    wanted = conninfo_to_dict(conninfo)
    lists = {name: str(wanted[name]).split(",") for name in ("host", "hostaddr", "port") if name in wanted}
    names = lists.get("host") or lists.get("hostaddr") or []
    several = {name: each for name, each in lists.items() if len(each) == len(names)}
    ports = several.get("port", [port] * len(names))
    if "load_balance_hosts" in wanted or wanted.get("target_session_attrs") == "prefer-standby":
        return conninfo
    if len(names) < 2 or (host, port) not in (servers := list(zip(names, ports, strict=True))):
        return conninfo
    first = servers.index((host, port))
    return make_conninfo(
        conninfo,
        **{
            name: ",".join([each[first], *each[:first], *each[first + 1 :]]) for name, each in several.items()
        },
    )


def acting_as(role: str, conninfo: str) -> str:
    """The same address, with sessions that act as a role from their first statement."""
    escaped = re.sub(r"([\\\s])", r"\\\1", role)
    given = str(conninfo_to_dict(conninfo).get("options") or "")
    return make_conninfo(conninfo, options=f"{given} -c role={escaped}".strip())


def variables_of(conninfo: str) -> dict[str, str]:
    """The environment variables by which PostgreSQL's own programs connect, with all options."""
    wanted = conninfo_to_dict(conninfo)
    return {
        option.envvar.decode(): str(wanted[keyword])
        for option in pq.Conninfo.get_defaults()
        if option.envvar and (keyword := option.keyword.decode()) in wanted
    }


_REFERENCE = (
    "see https://www.postgresql.org/docs/current/libpq-connect.html, under Parameter Key Words; "
    "signs such as & = % in a value are written %26 %3D %25"
)


def _unreadable(url: str) -> str:
    names = [pair.partition("=")[0] for pair in url.partition("?")[2].split("&")]
    for name in names:
        if name not in _options() and (close := difflib.get_close_matches(name, _options(), n=1)):
            return f"must have no option that PostgreSQL does not know: did you mean {close[0]}?"
    return f"must have no option that PostgreSQL does not know, each as name=value; {_REFERENCE}"


def _options() -> frozenset[str]:
    return frozenset(option.keyword.decode() for option in pq.Conninfo.get_defaults())
