"""The parser of server addresses in settings; its messages repeat no part of a wrong address."""

import re
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, quote, unquote

from openwatt.store.conninfo import check_options

_SCHEME = re.compile(r"([a-z][a-z+]*)://")
#: The authority ends at the first of these: RFC 3986, section 3.2.
_AUTHORITY = re.compile(r"[^/?#]*")
#: What may stand in a user name or password as it is; everything else is percent-encoded: RFC 3986, 3.2.1.
_USERINFO = re.compile(r"[A-Za-z0-9._~!$&'()*+,;=%-]*")
_ENCODED = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
#: A name, an IPv4 address, or an IPv6 address in brackets. libpq takes a folder of sockets too: %2Frun%2Fx.
_HOST = re.compile(r"[\w.~%-]+|\[[0-9A-Fa-f:.]+(?:%25[\w.~-]+)?\]")

_SIGNS = "the signs @ : / ? # [ ] % in a user name or password are written %40 %3A %2F %3F %23 %5B %5D %25"
#: Options of PostgreSQL's and of Redis' libraries that hold a secret.
_SECRET_OPTIONS = frozenset({"password", "sslpassword", "ssl_password"})
_LONGEST_SOCKET_PATH = 107


class AddressError(ValueError):
    """Raised for a text that is no address of the wanted kind; the message says what to write instead."""


@dataclass(frozen=True, slots=True)
class Address:
    """The parts of `scheme://user:password@host:port/path?query`, and the text in its one form.

    User and password are decoded here; in `text` every sign of theirs that could be
    read in two ways is percent-encoded, so that all libraries read the same parts.
    `repr` shows where the server is and none of what may be secret.
    """

    scheme: str
    hosts: tuple[tuple[str, int | None], ...]
    """Host and port, several where PostgreSQL has standbys; none in the address of a socket."""
    path: str = field(repr=False)
    query: str = field(repr=False)
    user: str | None = field(repr=False)
    password: str | None = field(repr=False)
    text: str = field(repr=False)

    @property
    def host(self) -> str | None:
        """The first host, an IPv6 address without its brackets."""
        return self.hosts[0][0].strip("[]") if self.hosts else None

    @property
    def port(self) -> int | None:
        """The port of the first host, where it is written."""
        return self.hosts[0][1] if self.hosts else None

    @property
    def base(self) -> str:
        """The address without user, password and query: it may be shown."""
        hosts = ",".join(host if port is None else f"{host}:{port}" for host, port in self.hosts)
        return f"{self.scheme}://{hosts}{self.path}".rstrip("/")

    def secrets(self) -> frozenset[str]:
        """The passwords, plain and percent-encoded; without one the user name, which is then a token."""
        found = {value for name, value in parse_qsl(self.query) if name in _SECRET_OPTIONS}
        if self.password is not None:
            found.add(self.password)
        elif self.user and not self.scheme.startswith("postgres"):
            found.add(self.user)
        return frozenset({form for one in found if one for form in (one, quote(one, safe=""), quote(one))})


def parse_address(text: str, *schemes: str) -> Address:
    """Parses an address of one of some schemes, or of any where none is named.

    A sign in a password that can only be meant as one is understood (`p@ss`, `p[ss`, a
    space); one that could end the password or begin a code is refused (`p/ss`, `50%off`).

    Raises:
        AddressError: saying what to write instead.
    """
    found = _SCHEME.match(text)
    if not found or (schemes and found[1] not in schemes):
        begins = " or ".join(f"{scheme}://" for scheme in schemes) or "http:// or https://"
        raise AddressError(f"must be an address that begins with {begins}")
    if _CONTROL.search(text):
        raise AddressError("must be one line of text in UTF-8, without tabs or other control characters")
    authority = _AUTHORITY.match(text, found.end())
    assert authority is not None  # noqa: S101 - the pattern matches the empty text too
    userinfo, at, hosts = authority[0].rpartition("@")
    rest = text[authority.end() :]
    path, question, query = rest.partition("?")
    # Only where there is no host, as in postgresql:///prices?user=me@there, can no password have gone astray.
    if "@" in path or ("@" in query and (authority[0] or not path)):
        raise AddressError(f"must have no @ after the host: {_SIGNS}")
    user, colon, password = userinfo.partition(":")
    if "#" in rest:
        raise AddressError(f"must have no # after the host: {_SIGNS}")
    if re.search(r"\s", hosts + rest):
        raise AddressError("must have no space after the user name and password")
    written = "".join([_encoded(user), colon, _encoded(password), at])
    return Address(
        scheme=found[1],
        hosts=tuple(_host_and_port(host) for host in hosts.split(",")) if hosts else (),
        path=path,
        query=query,
        user=_decoded(user) if at else None,
        password=_decoded(password) if colon else None,
        text=f"{found[0]}{written}{hosts}{path}{question}{query}",
    )


def _encoded(part: str) -> str:
    """Encodes a user name or password so that every library reads the same; one so encoded stays as it is."""
    return part if _USERINFO.fullmatch(part) else quote(_decoded(part), safe="")


def _decoded(part: str) -> str:
    if _ENCODED.search(part):
        raise AddressError(f"must have a % followed by two hexadecimal digits: {_SIGNS}")
    try:
        decoded = unquote(part, errors="strict")
    except UnicodeDecodeError:
        raise AddressError(f"must have %-codes that are text in UTF-8: {_SIGNS}") from None
    if _CONTROL.search(decoded):
        raise AddressError("must have no %-code of a control character in its user name or password")
    return decoded


def _host_and_port(text: str) -> tuple[str, int | None]:
    """Parses one host, which may be empty where only a port is given, and its port."""
    host, colon, port = text, "", ""
    if not text.endswith("]"):
        host, colon, port = text.rpartition(":") if ":" in text else (text, "", "")
    if host and not _HOST.fullmatch(host):
        raise AddressError(
            f"must have a host as db.example.org, 192.0.2.1 or [2001:db8::1] before its port; {_SIGNS}"
        )
    if colon and (not re.fullmatch(r"[0-9]{1,5}", port) or not 1 <= int(port) <= 65535):
        raise AddressError(f"must have a port from 1 to 65535 behind the last colon of its host; {_SIGNS}")
    return host, int(port) if colon else None


def parse_web_address(text: str) -> Address:
    """Parses the address of an HTTP API: it may have a path, before that of the API, and no query.

    Raises:
        AddressError: saying what to write instead.
    """
    address = parse_address(text, "http", "https")
    _refuse_hosts_but_one(address)
    _refuse_query(address)
    return address


def parse_log_receiver(text: str) -> Address:
    """Parses the address of Logstash: `tcp://host:port`, or `http://[user:password@]host[:8080][/path]`.

    Raises:
        AddressError: saying what to write instead.
    """
    address = parse_address(text, "tcp", "http", "https")
    _refuse_hosts_but_one(address)
    _refuse_query(address)
    if address.scheme != "tcp":
        return address
    if address.port is None:
        raise AddressError("must name the port of Logstash's tcp input, as tcp://logstash.example.org:5000")
    if address.user is not None or address.path not in {"", "/"}:
        raise AddressError(
            "must be tcp://host:port alone: a user name, a password and a path need http:// or https://"
        )
    return address


def parse_dsn(text: str) -> Address:
    """Parses a Sentry DSN: `https://key@host/project`; the user is the key.

    Raises:
        AddressError: saying what to write instead.
    """
    address = parse_address(text, "http", "https")
    _refuse_hosts_but_one(address)
    key = re.fullmatch(r"[\w-]+", address.user or "", re.ASCII)
    secret = re.fullmatch(r"[\w-]*", address.password or "", re.ASCII)
    if not (key and secret) or address.query or not re.search(r"/[0-9]{1,19}$", address.path, re.ASCII):
        raise AddressError(
            "must be a DSN like https://key@sentry.example.org/1, with the key before the @ and the number "
            "of the project at its end; copy it again: in Sentry from Settings > Projects > Client Keys"
        )
    return address


def parse_database_address(text: str) -> Address:
    """Parses the address of a PostgreSQL, of several where it has standbys, or of a folder of sockets.

    Raises:
        ValueError: saying what to write instead; its options are tried with PostgreSQL's library.
    """
    address = parse_address(text, "postgresql", "postgres")
    check_options(address.text)
    return address


def parse_redis_address(text: str) -> Address:
    """Parses the address of Redis: `redis://[[user]:password@]host[:6379][/0]`, rediss, or a unix socket.

    Raises:
        AddressError: saying what to write instead.
    """
    address = parse_address(text, "redis", "rediss", "unix", "redis+unix")
    if address.scheme.endswith("unix"):
        if address.hosts or len(address.path) < 2:
            raise AddressError("must name a socket with three strokes, as unix:///run/redis/redis.sock?db=0")
    else:
        _refuse_hosts_but_one(address)
        if not re.fullmatch(r"/?|/[0-9]{1,6}", address.path):
            raise AddressError(f"must end like @host:6379/0, with the number of a database; {_SIGNS}")
    from redis import ConnectionPool  # noqa: PLC0415 - it loads slowly, and most commands need no Redis

    try:  # it connects to nothing, yet refuses what the library does not know
        ConnectionPool.from_url(address.text.removeprefix("redis+")).make_connection()
    except Exception:  # noqa: BLE001 - the library raises all kinds, and their texts may hold the password
        raise AddressError(
            "must have behind its ? only options of redis-py, as ?db=0 or ?ssl_ca_certs=/etc/ssl/ca.pem"
        ) from None
    return address


def _refuse_hosts_but_one(address: Address) -> None:
    if len(address.hosts) != 1 or not address.hosts[0][0] or "%" in address.hosts[0][0].partition("[")[0]:
        raise AddressError("must name one host behind :// and what user name and password there are")


def _refuse_query(address: Address) -> None:
    if address.query:
        raise AddressError(f"must have no ? after the host: nothing there is used; {_SIGNS}")


@dataclass(frozen=True, slots=True)
class BindAddress:
    """The address on which the service listens: host and port, a unix socket, or an inherited descriptor."""

    host: str = ""
    port: int | None = None
    socket: str | None = None
    descriptor: int | None = None


def parse_bind(text: str) -> BindAddress:
    """Parses an address to listen on, as Gunicorn does.

    Raises:
        AddressError: saying what to write instead.
    """
    if _CONTROL.search(text) or not text.strip():
        raise AddressError("must be one line of text in UTF-8, without tabs or other control characters")
    if found := re.match(r"unix:(?://)?", text):
        path = text[found.end() :]
        if not path or len(path.encode()) > _LONGEST_SOCKET_PATH:
            raise AddressError(
                f"must be unix: and the path of a socket, of {_LONGEST_SOCKET_PATH} bytes at most"
            )
        return BindAddress(socket=path)
    if found := re.fullmatch(r"fd://([0-9]{1,6})", text):
        return BindAddress(descriptor=int(found[1]))
    found = re.fullmatch(r"(?:tcp://)?([\w.-]*|\[[0-9A-Fa-f:.]+\])(?::([0-9]{1,5}))?", text)
    if not found or not 0 <= int(found[2] or 8000) <= 65535:
        raise AddressError(
            "must be an address of this machine and a port from 1 to 65535, as 127.0.0.1:8000 or [::1]:8000, "
            "or a socket, as unix:/run/openwatt/openwatt.sock"
        )
    return BindAddress(host=found[1], port=int(found[2] or 8000))
