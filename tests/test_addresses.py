"""Addresses: each has one reading, that of every library; what has none is refused without a part of it."""

import re
import socket
from collections.abc import Callable
from urllib.parse import quote

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from redis.connection import parse_url
from sentry_sdk.utils import Dsn

from openwatt.addresses import (
    Address,
    AddressError,
    BindAddress,
    parse_address,
    parse_bind,
    parse_dsn,
    parse_log_receiver,
    parse_redis_address,
    parse_web_address,
)
from openwatt.store.conninfo import OptionError, check_options

PASSWORD = st.text(
    st.one_of(st.sampled_from("@:/?#[]%&=+ \\^é"), st.characters(codec="utf-8", exclude_categories=["Cc"])),
    min_size=1,
    max_size=12,
)


@pytest.mark.parametrize(
    "password", ["pa@S3cret", "a:b", "[x", "x]y[", "sp ace", "é€", '^{|}"<>`\\', "$&+,;="]
)
def test_a_sign_that_can_only_belong_to_the_password_is_understood(password: str) -> None:
    address = parse_address(f"postgresql://me:{password}@db.example.org:5433/prices")
    assert (address.user, address.password) == ("me", password)
    assert (address.host, address.port, address.path) == ("db.example.org", 5433, "/prices")


@pytest.mark.parametrize(
    ("password", "says"),
    [
        ("pa/SECRETx", "no @ after the host"),
        ("pa?SECRETx", "no @ after the host"),
        ("pa#SECRETx", "no @ after the host"),
        ("SEC@RET/x", "no @ after the host"),
        ("50%off", "a % followed by two hexadecimal digits"),
        ("SECRET%", "a % followed by two hexadecimal digits"),
        ("SECRET%ff", "text in UTF-8"),
        ("SECRET%00", "no %-code of a control character"),
        ("SEC\nRET", "one line of text"),
        ("SEC\udcffRET", "one line of text"),
    ],
)
def test_a_sign_that_could_be_something_else_is_refused_with_what_to_write(password: str, says: str) -> None:
    with pytest.raises(AddressError) as caught:
        parse_address(f"http://me:{password}@127.0.0.1:5999")
    assert says in str(caught.value)
    assert not re.search("SEC|RET|50|off", str(caught.value))


@given(PASSWORD, PASSWORD)
def test_every_library_reads_the_parts_that_we_read(user: str, password: str) -> None:
    """Whatever stands in them, encoded or, where that has one reading, as it is."""
    for written in (f"{quote(user, safe='')}:{quote(password, safe='')}", f"{user}:{password}"):
        try:
            address = parse_address(f"postgresql://{written}@h:5433/d")
        except AddressError:
            assert written == f"{user}:{password}"  # encoded, everything can be said
            continue
        parts = (address.user, address.password)
        if written != f"{user}:{password}":
            assert parts == (user, password)
        read = conninfo_to_dict(address.text)
        assert (read.get("user", ""), read.get("password", "")) == parts
        told = parse_url(address.text.replace("postgresql:", "redis:").replace("@h:5433/d", "@h:5433/0"))  # type: ignore[no-untyped-call]
        assert (told.get("username", ""), told.get("password", "")) == parts
        url = httpx.URL(address.text.replace("postgresql:", "https:"))
        assert (url.username, url.password) == parts
        assert (read["host"], told["host"], url.host) == ("h", "h", "h")


@given(PASSWORD)
def test_an_address_shows_no_secret(password: str) -> None:
    address = parse_address(f"https://xuserx:{quote(password + 'SECRET', safe='')}@h/p?q=xqueryx")
    assert "SECRET" not in repr(address) + address.base
    assert "xuserx" not in repr(address) + address.base
    assert address.base == "https://h/p"
    assert password + "SECRET" in address.secrets()


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("https://token@h", {"token"}),
        ("postgresql://user@h/d", set()),
        ("postgresql://user@h/d?password=p%40ss", {"p@ss", "p%40ss"}),
        ("redis://:p%2Fs@h", {"p/s", "p%2Fs"}),
        ("redis://h/0?password=abcdef", {"abcdef"}),
    ],
)
def test_what_is_secret_in_an_address(text: str, secrets: set[str]) -> None:
    assert parse_address(text).secrets() == secrets


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("postgresql://u:p@h1:5432,h2:5433,h3/d?target_session_attrs=read-write&load_balance_hosts=random",
         (("h1", 5432), ("h2", 5433), ("h3", None))),
        ("postgresql://[2001:db8::1]:5433/d", (("[2001:db8::1]", 5433),)),
        ("postgresql://u@[::1]/d", (("[::1]", None),)),
        ("postgresql:///d?host=/run/postgresql", ()),
        ("postgresql:///d?host=/run/a@b&user=me", ()),
        ("postgresql://%2Frun%2Fpostgresql/d", (("%2Frun%2Fpostgresql", None),)),
        ("postgres://u@/d", ()),
        ("postgresql://:5433/d", (("", 5433),)),
        ("postgresql://h/d?sslmode=verify-full&sslrootcert=/ca.pem&options=-c%20a%3Dx", (("h", None),)),
    ],
)  # fmt: skip
def test_every_form_of_a_databases_address_is_taken_as_it_is(
    text: str, hosts: tuple[tuple[str, int | None], ...]
) -> None:
    address = parse_address(text, "postgresql", "postgres")
    check_options(address.text)
    assert (address.text, address.hosts) == (text, hosts)


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ("sslmod=SECRET", "did you mean sslmode?"),
        ("surprise=SECRET", "no option that PostgreSQL does not know"),
        ("SECRET", "no option that PostgreSQL does not know"),
        ("sslmode=SECRET", "another value of its option sslmode"),
        ("target_session_attrs=SECRET", "another value of its option target_session_attrs"),
        ("ssl_min_protocol_version=SECRET", "another value of its option ssl_min_protocol_version"),
        ("connect_timeout=SECRET", "a whole number as its option connect_timeout"),
        ("keepalives_idle=SECRET", "a whole number as its option keepalives_idle"),
        ("service=SECRET", "another value of its option service"),
        ("application_name=%zzSECRET", "no option that PostgreSQL does not know, each as name=value"),
    ],
)
def test_an_option_that_postgresql_refuses_is_named_and_its_value_is_not(query: str, says: str) -> None:
    with pytest.raises(OptionError) as caught:
        check_options(f"postgresql://me:hunter2@h1,h2/d?{query}")
    assert says in str(caught.value)
    assert "SECRET" not in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_looking_at_options_reaches_no_server() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        check_options(f"postgresql://me@127.0.0.1:{port}/d?hostaddr=127.0.0.1&connect_timeout=1")
        server.settimeout(0.2)
        with pytest.raises(TimeoutError):
            server.accept()


@pytest.mark.parametrize(
    ("parse", "text", "says"),
    [
        (parse_log_receiver, "tcp://SECRET", "name the port"),
        (parse_log_receiver, "tcp://:5000", "one host"),
        (parse_log_receiver, "http://", "one host"),
        (parse_log_receiver, "tcp://h:5000/SECRET", "alone"),
        (parse_log_receiver, "tcp://SECRET@h:5000", "alone"),
        (parse_log_receiver, "http://h:8080/?SECRET=1", "no ? after the host"),
        (parse_log_receiver, "udp://h:1", "begins with tcp:// or http:// or https://"),
        (parse_log_receiver, "http://h1,h2", "one host"),
        (parse_log_receiver, "http://h:SECRET", "a port from 1 to 65535"),
        (parse_log_receiver, "http://h:0", "a port from 1 to 65535"),
        (parse_log_receiver, "http://h:", "a port from 1 to 65535"),
        (parse_log_receiver, "http://h:99999", "a port from 1 to 65535"),
        (parse_log_receiver, "http://[::1", "a host as"),
        (parse_log_receiver, "http://a b/", "no space"),
        (parse_web_address, "https://h/x#SECRET", "no # after the host"),
        (parse_web_address, "https://h?x", "no ? after the host"),
        (parse_web_address, "//h", "begins with http:// or https://"),
        (parse_dsn, "https://sentry.example.org/1", "the key before the @"),
        (parse_dsn, "https://SECRET@sentry.example.org", "the number of the project"),
        (parse_dsn, "https://SECRET@sentry.example.org/SECRET", "the number of the project"),
        (parse_dsn, "https://SEC%20RET@sentry.example.org/1", "the key before the @"),
        (parse_dsn, "https://SECRET@h/1?x", "a DSN like"),
        (parse_redis_address, "redis://:SECRET@h/SECRET", "the number of a database"),
        (parse_redis_address, "redis://:SECRET", "a port from 1 to 65535"),
        (parse_redis_address, "redis:///0", "one host"),
        (parse_redis_address, "redis://h1,h2", "one host"),
        (parse_redis_address, "unix://x", "three strokes"),
    ],
)
def test_an_address_that_its_server_cannot_have_is_refused_with_what_to_write(
    parse: Callable[[str], Address], text: str, says: str
) -> None:
    with pytest.raises(AddressError) as caught:
        parse(text)
    assert says in str(caught.value)
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_log_receiver, "tcp://127.0.0.1:5000"),
        (parse_log_receiver, "http://me:p%40ss@logs.example.org/in"),
        (parse_web_address, "https://glsa_x@grafana.example.org/grafana/"),
        (parse_web_address, "http://[::1]:9090"),
        (parse_dsn, "https://key@o1.ingest.sentry.io/456"),
        (parse_dsn, "https://key:secret@sentry.example.org:8443/prefix/456"),
        (parse_redis_address, "redis://127.0.0.1:6379/0"),
        (parse_redis_address, "rediss://user:pass@h?ssl_cert_reqs=none"),
        (parse_redis_address, "unix:///run/redis/redis.sock?db=1"),
        (parse_redis_address, "unix://:pass@/run/redis/redis%401.sock"),
        (parse_redis_address, "redis+unix:///run/redis/redis.sock"),
    ],
)
def test_an_address_that_its_server_can_have_stays_as_it_is(
    parse: Callable[[str], Address], text: str
) -> None:
    address = parse(text)
    assert address.text == text
    if parse is parse_dsn:
        assert Dsn(text).public_key == address.user


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:8000", BindAddress("127.0.0.1", 8000)),
        ("[::1]:80", BindAddress("[::1]", 80)),
        (":8000", BindAddress("", 8000)),
        ("0.0.0.0", BindAddress("0.0.0.0", 8000)),  # noqa: S104 - a text
        ("unix:/run/x.sock", BindAddress(socket="/run/x.sock")),
        ("unix:///run/x.sock", BindAddress(socket="/run/x.sock")),
        ("unix:x.sock", BindAddress(socket="x.sock")),
        ("fd://3", BindAddress(descriptor=3)),
    ],
)
def test_the_service_listens_where_gunicorn_would(text: str, address: BindAddress) -> None:
    assert parse_bind(text) == address


@pytest.mark.parametrize(
    "text",
    ["127.0.0.1:99999", "::1:8000", "h:80:90", "h:x", "http://h:80", "unix:", "unix:/" + "x" * 107, "fd://x",
     "a b:80", " ", "h:\n80"],
)  # fmt: skip
def test_where_nobody_can_listen_is_refused(text: str) -> None:
    with pytest.raises(AddressError, match="must be"):
        parse_bind(text)
