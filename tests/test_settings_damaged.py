"""Settings with damaged values: never a traceback, never a part of a secret, whatever shows or uses them."""

import os
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import limits
import pytest
from click.testing import CliRunner
from gunicorn.util import parse_address as gunicorn_address
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from psycopg.conninfo import conninfo_to_dict
from sentry_sdk.utils import Dsn

from openwatt.cli import main
from openwatt.observability import telemetry_config
from openwatt.settings import PREFIX, Settings, SettingsError, read_settings, setting_fields, variable_of
from openwatt.telemetry.shipping.transports import Peer
from openwatt.web.http.rate_limit_storage import redis_storage
from tests.chaos.running import PROGRAMS, REPOSITORY

SECRETS = sorted(variable_of(one.name) for one in setting_fields() if one.metadata["secret"])
OTHERS = sorted(variable_of(one.name) for one in setting_fields() if not one.metadata["secret"])
#: No word of ours has three of these beside each other.
_LETTERS = "QXZJKVW"
_SCHEMES = (
    "postgresql",
    "postgres",
    "redis",
    "rediss",
    "unix",
    "redis+unix",
    "tcp",
    "http",
    "https",
    "mysql",
)

pieces = st.text(_LETTERS, min_size=3, max_size=6)
sign = st.one_of(
    st.sampled_from("@:/?#[]%&=+ \\'\"$,;{}|^~é€"),
    st.sampled_from(["%41", "%ff", "%00", "%0a", "://", "%%", "\t"]),
    st.characters(codec="utf-8", exclude_characters="\0"),
)
signs = st.lists(sign, max_size=3).map("".join)


@st.composite
def secrets(draw: st.DrawFn) -> str:
    """A password in pieces of letters, with signs between them that mean something elsewhere."""
    parts = [draw(pieces)]
    for _ in range(draw(st.integers(0, 3))):
        parts += [draw(signs), draw(pieces)]
    return draw(st.sampled_from(["", "/", "%", "#", "[", "@"])) + "".join(parts)


@st.composite
def values(draw: st.DrawFn, secret: str) -> str:
    """A secret where it belongs, or beside that."""
    scheme = draw(st.sampled_from(_SCHEMES))
    form = draw(
        st.sampled_from(
            [
                "{scheme}://me:{secret}@127.0.0.1:1/0",
                "{scheme}://:{secret}@127.0.0.1/0",
                "{scheme}://{secret}@127.0.0.1:1/1",
                "{scheme}://me:{secret}",
                "{scheme}://me:{secret}@",
                "{scheme}://me:{secret}@h1:1,h2:2/d?target_session_attrs=any",
                "{scheme}:///d?host=/tmp&password={secret}",
                "{scheme}://h:1/0?{secret}",
                "{scheme}://h:1/0?sslmode={secret}",
                "{scheme}://h:1/0?db={secret}",
                "{scheme}://h:{secret}/0",
                "{scheme}://h:1/0#{secret}",
                "{scheme}://[{secret}",
                "{scheme}:/me:{secret}@h",
                "host=127.0.0.1 user=me password={secret}",
                "{secret}",
                "  {secret}  ",
            ]
        )
    )
    return form.format(scheme=scheme, secret=secret)


def parts_of(secret: str) -> set[str]:
    """Every part of four signs that is no word of ours: most of it is letters of the secret."""
    parts = {secret[start : start + 4] for start in range(len(secret) - 3)}
    return {part for part in parts if sum(sign in _LETTERS for sign in part) >= 3}


def assert_discreet(text: str, secret: str) -> None:
    """No part of a secret stands in a text; a traceback of Python's neither."""
    found = {part for part in parts_of(secret) if part in text}
    assert not found, f"{found} in {text!r}"
    assert "Traceback" not in text


def use(read: Settings) -> None:
    """Reads every address as the library that will use it does, and connects to nothing."""
    if read.database_url is not None:
        conninfo_to_dict(read.database_url)
    if read.redis_url is not None:
        redis_storage(read.redis_url)
    if read.sentry_dsn is not None:
        Dsn(read.sentry_dsn)
    shipping = telemetry_config(read, multiprocess=True).shipping
    if shipping is not None:
        Peer.of(shipping.url)
    for limit in (read.limit_api, read.limit_bills, read.limit_pages):
        limits.parse(limit)
    if not read.bind.startswith("fd://"):
        gunicorn_address(read.bind)
    for token in (read.admin_token, read.drill_token, read.sentry_token):
        assert token is None or token.isascii()  # it goes into a header
    f"{read.environment} {read.revision} {read.data_dir} {read.log_file} {read.backup_dir}".encode()


def said_by(*arguments: str, **environment: str) -> str:
    """All that a command printed; an exception that it does not turn into a sentence is raised."""
    done = CliRunner().invoke(main, arguments, env=environment)
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done.output


def given_as_variable(variable: str, value: str, _folder: Path) -> dict[str, str]:
    return {variable: value}


def given_in_a_file(variable: str, value: str, folder: Path) -> dict[str, str]:
    (folder / "secret").write_bytes(value.encode())
    return {f"{variable}_FILE": str(folder / "secret")}


def given_instead_of_a_file(variable: str, value: str, _folder: Path) -> dict[str, str]:
    return {f"{variable}_FILE": value}


def given_in_env_file(variable: str, value: str, folder: Path) -> dict[str, str]:
    (folder / ".env").write_bytes(f"{variable}={value}\n".encode())
    return {}


def given_askew(variable: str, value: str, folder: Path) -> dict[str, str]:
    (folder / ".env").write_bytes(
        f"{variable}: {value}==\n{variable}:{value}=\n{variable}{value}=x\n".encode()
    )
    return {}


Way = Callable[[str, str, Path], dict[str, str]]
WAYS: tuple[Way, ...] = (
    given_as_variable,
    given_in_a_file,
    given_instead_of_a_file,
    given_in_env_file,
    given_askew,
)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder, which is the working directory."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def outcome(environment: Mapping[str, str]) -> Settings | SettingsError:
    """The settings, or why there are none."""
    with pytest.MonkeyPatch.context() as patch:
        for name, text in environment.items():
            patch.setenv(name, text)
        try:
            return read_settings()
        except SettingsError as error:
            return error


def check(variable: str, way: Way, value: str, secret: str) -> None:
    """A damaged value is refused in a sentence or can be used, and repeats no part of a secret anywhere."""
    Path(".env").unlink(missing_ok=True)
    environment = way(variable, value, Path.cwd())
    read = outcome(environment)
    if isinstance(read, Settings):
        use(read)
        assert_discreet(repr(read), secret)
    else:
        assert PREFIX in str(read)
        assert len(str(read)) < 2000
        assert_discreet(f"{read} {read!r} {read.__cause__!r} {read.__context__!r}", secret)
    assert_discreet(said_by("settings", **environment), secret)
    assert_discreet(said_by("doctor", "--json", "--only", "settings", **environment), secret)


_patient: dict[str, Any] = {"deadline": None, "suppress_health_check": list(HealthCheck)}
secret_cases = st.tuples(st.sampled_from(SECRETS), st.sampled_from(WAYS), secrets()).flatmap(
    lambda case: st.tuples(st.just(case[0]), st.just(case[1]), values(case[2]), st.just(case[2]))
)
other_cases = st.tuples(
    st.sampled_from(OTHERS),
    st.sampled_from([given_as_variable, given_in_env_file]),
    st.one_of(
        st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=20),
        st.sampled_from(["9" * 5000, "1e999", "nan", "-1", "0x10", "٣", "127.0.0.1:99999", "[::1", "unix:"]),
        secrets().flatmap(values),
    ),
    st.just(""),
)
Case = tuple[str, Way, str, str]


@pytest.mark.usefixtures("folder")
@settings(max_examples=100, **_patient)
@given(secret_cases)
@example(("OPENWATT_DATABASE_URL", given_as_variable, "postgresql://o:QXZ%JKV@127.0.0.1:1/o", "QXZ%JKV"))
@example(("OPENWATT_REDIS_URL", given_in_a_file, "redis://:QXZ/JKV@127.0.0.1:1/0", "QXZ/JKV"))
@example(("OPENWATT_LOGSTASH_URL", given_as_variable, "http://me:QXZ/JKVx@127.0.0.1:1", "QXZ/JKVx"))
@example(("OPENWATT_ADMIN_TOKEN", given_instead_of_a_file, "QXZJKVWQXX", "QXZJKVWQXX"))
@example(("OPENWATT_ADMIN_TOKEN", given_askew, "QXZJKVWQXX", "QXZJKVWQXX"))
def test_no_damage_to_a_secret_shows_a_part_of_it(case: Case) -> None:
    check(*case)


@pytest.mark.usefixtures("folder")
@settings(max_examples=60, **_patient)
@given(other_cases)
def test_no_damage_to_a_setting_ends_in_a_traceback(case: Case) -> None:
    check(*case)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.usefixtures("folder")
@settings(max_examples=3000, **_patient)
@given(st.one_of(secret_cases, other_cases))
def test_no_damage_to_any_setting_does_either(case: Case) -> None:
    check(*case)


@pytest.mark.parametrize("content", [b"OPENWATT_WORKERS=2\n\xff\xfe", b"OPENWATT_ADMIN_TOKEN=a\0b\n"])
def test_an_env_file_that_is_no_text_is_named(folder: Path, content: bytes) -> None:
    (folder / ".env").write_bytes(content)
    said = said_by("settings")
    assert ".env" in said or "OPENWATT_ADMIN_TOKEN must be 32 to 512 signs" in said


#: What a process of its own is given: the program, the variables, the sentence.
PROCESSES: dict[str, tuple[list[str], Mapping[str, str], list[str]]] = {
    "many": (
        ["gunicorn", "--check-config", "wsgi:app"],
        {
            "DATABASE_URL": "postgresql://openwatt:50%offQXZJKV@127.0.0.1:1/openwatt",
            "REDIS_URL": "redis://:QXZJ/KVWQ@127.0.0.1:1/0",
            "SENTRY_DSN": "https://sentry.example.org/1",
            "LOGSTASH_URL": "tcp://localhost",
            "GRAFANA_URL": "http://me:QXZJ#KVWQ@127.0.0.1",
            "BIND": "127.0.0.1:99999",
            "ADMIN_TOKEN_FILE": "QXZJKVWQ",
        },
        ["DATABASE_URL must", "REDIS_URL must", "SENTRY_DSN must", "LOGSTASH_URL must", "GRAFANA_URL must",
         "BIND must", "ADMIN_TOKEN_FILE cannot be read"],
    ),
    "understood": (
        ["gunicorn", "wsgi:app"],
        {"DATABASE_URL": "postgresql://openwatt:QX@ZJKV[WQ@127.0.0.1:1/openwatt"},
        ["OpenWatt cannot start: the database does not answer: ", 'server at "127.0.0.1", port 1 failed'],
    ),
    "doctor": (
        ["openwatt", "doctor", "--only", "database"],
        {"DATABASE_URL": "postgresql://openwatt:QX@ZJKV[WQ@127.0.0.1:1/openwatt"},
        ["the database does not answer: ", "fix OPENWATT_DATABASE_URL"],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROCESSES)
def test_a_real_process_ends_with_a_sentence(tmp_path: Path, name: str) -> None:
    program, variables, sentences = PROCESSES[name]
    done = subprocess.run(
        [PROGRAMS / program[0], *program[1:]],
        cwd=REPOSITORY,
        env=os.environ
        | {"OPENWATT_DATA_DIR": str(tmp_path / "data"), "OPENWATT_BIND": "127.0.0.1:0"}
        | {f"{PREFIX}{variable}": value for variable, value in variables.items()},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said = " ".join((done.stdout + done.stderr).split())
    assert done.returncode == 1, said
    for sentence in sentences:
        assert sentence in said
    for secret in ("50%offQXZJKV", "QXZJ/KVWQ", "QXZJ#KVWQ", "QX@ZJKV[WQ", "QXZJKVWQ"):
        assert_discreet(said, secret)
