"""The command as a user runs it: real processes, real files, and everything that may end it."""

import csv
import errno
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, NamedTuple

import psutil
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result

from openwatt.cli import main
from openwatt.domain.legal_time import instant_of
from openwatt.portfolio.results.output import FinishedPart, Output
from openwatt.portfolio.results.results import CsvResults
from tests.conftest import Server
from tests.portfolio.village import curve, export, folder_of_homes, write_table

POWER = ("--power-kva", 6)
#: Long enough for a machine that is busy with other things; a test that passes never waits for it.
PATIENCE_S = 120


def parts_folder_path(out: Path) -> Path:
    """Where the parts of a file lie until it is whole."""
    return out.with_name(f"{out.name}.parts")


def command(*arguments: object) -> list[str]:
    """The command line, with the package of this tree whatever is installed."""
    return [sys.executable, "-c", "from openwatt.cli import main; main()", "portfolio", *map(str, arguments)]


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command(*arguments), capture_output=True, text=True, check=False, timeout=PATIENCE_S
    )


def run_here(*arguments: object) -> Result:
    """In this process, for what needs none of its own."""
    return CliRunner().invoke(main, ["portfolio", *map(str, arguments), "--jobs", "1"])


def lines(out: Path) -> list[dict[str, str]]:
    with out.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def test_what_is_of_today_s_prices_alone_has_its_columns_with_them_alone(tmp_path: Path) -> None:
    homes = folder_of_homes(tmp_path / "homes", 2)
    of_today = ["outdated", "last_seen_on", "overtaken_on", "source_kind"]
    for form in ("csv", "parquet"):
        columns = []
        for prices in ("now", "then"):
            out = tmp_path / f"{prices}.{form}"
            assert run_here(homes, "--out", out, "--prices", prices, *POWER).exit_code == 0
            columns.append(list(lines(out)[0]) if form == "csv" else pq.read_schema(out).names)
        assert columns[0] == [*columns[1], *of_today]
    rows = lines(tmp_path / "now.csv")
    outdated = {row["outdated"] for row in rows if row["total_ttc_eur"]}
    assert outdated <= {"true", "false"}
    assert "true" in outdated
    assert pq.read_table(tmp_path / "now.parquet")["outdated"].to_pylist() == [
        {"true": True, "false": False, "": None}[row["outdated"]] for row in rows
    ]


def wait_until(asked: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not asked():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@pytest.fixture(scope="module", autouse=True)
def _database(server: Server, filled: str) -> Iterator[None]:
    """Every command of this module reads the shipped catalogue from one database."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("OPENWATT_DATABASE_URL", server.url(server.create(filled)))
        yield


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred files of a week and some that are none of a meter."""
    folder = folder_of_homes(tmp_path_factory.mktemp("village") / "homes", 200)
    (folder / "empty").touch()
    (folder / "photo.jpg").write_bytes(b"\xff\xd8\xff\x00" * 500)
    (folder / "gone").symlink_to(folder / "nowhere")
    (folder / ".hidden").write_text("no home")
    os.mkfifo(folder / "pipe")
    return folder


@pytest.fixture(scope="module")
def whole(homes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a run that nothing ended writes."""
    out = tmp_path_factory.mktemp("whole") / "out.csv"
    done = run(homes, "--out", out, *POWER, "--jobs", 2)
    assert done.returncode == 3, done.stderr
    assert "200 of 204 homes billed" in done.stderr
    assert "4 homes failed: column reason of out.csv says why" in done.stderr
    assert done.stdout == ""
    # What files hold, and which homes there are, is for the output alone.
    assert not any(word in done.stderr for word in ("home 0", "photo", "empty", "Courbe"))
    return out


def test_bad_files_are_rows_with_their_reasons_among_the_rest(whole: Path) -> None:
    rows = lines(whole)
    assert {row["home"]: row["reason"] for row in rows if not row["supplier"]} == {
        "empty": "the file is empty",
        "photo.jpg": "the file is binary, not an export of a meter",
        "gone": "the file cannot be read: No such file or directory",
        "pipe": "it is no plain file",
    }
    assert len({row["home"] for row in rows}) == 204
    assert [row["home"] for row in rows] == sorted(row["home"] for row in rows)
    assert sum(row["total_ttc_eur"] != "" for row in rows) >= 200 * 30
    assert not parts_folder_path(whole).exists()


def test_however_many_processes_the_rows_are_the_same(homes: Path, whole: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert run_here(homes, "--out", out, *POWER).exit_code == 3
    assert out.read_bytes() == whole.read_bytes()


def test_parquet_in_and_out_holds_the_same_as_files_and_csv(tmp_path: Path) -> None:
    folder = folder_of_homes(tmp_path / "homes", 21)
    names = sorted(path.relative_to(folder) for path in folder.rglob("*.csv"))
    made = [(str(name), curve(int(name.stem.split()[1]), gap=int(name.stem[5:]) % 5 == 0)) for name in names]
    table = write_table(tmp_path / "homes.parquet", made, rows_per_group=1000)
    by_files, by_table = tmp_path / "files.csv", tmp_path / "table.parquet"
    assert run_here(folder, "--out", by_files, *POWER).exit_code == 0
    assert run(table, "--out", by_table, *POWER, "--jobs", 2).returncode == 0
    found = pq.read_table(by_table)
    assert str(found.schema.field("total_ttc_eur").type) == "decimal128(14, 2)"
    told = [
        {
            name: "" if cell is None else str(cell).lower() if isinstance(cell, bool) else str(cell)
            for name, cell in row.items()
        }
        for row in found.to_pylist()
    ]
    assert len(told) > 21 * 30
    assert told == lines(by_files)


class Begun(NamedTuple):
    """A run that has kept some parts and is still at work, for each of its two processes waits for a home."""

    process: subprocess.Popen[str]
    out: Path
    held: Sequence[BinaryIO]

    def release(self) -> None:
        """Ends the wait."""
        for file in self.held:
            file.close()


@contextmanager
def leased(paths: Sequence[Path]) -> Iterator[Sequence[BinaryIO]]:
    """These files, opened with a lease of Linux: whoever else opens one waits until it is closed here."""
    before = signal.signal(signal.SIGIO, signal.SIG_IGN)  # by which the kernel says that somebody waits
    files = [path.open("rb") for path in paths]
    try:
        for file in files:
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        yield files
    finally:
        for file in files:
            file.close()
        signal.signal(signal.SIGIO, before)


@pytest.fixture
def begun(homes: Path, tmp_path: Path) -> Iterator[Begun]:
    """Such a run, on a machine of any speed: the two homes are of two parts, and neither of the first."""
    out = tmp_path / "out.csv"
    arguments = command(homes, "--out", out, *POWER, "--jobs", 2)
    with leased([homes / "home 00088.csv", homes / "home 00133.csv"]) as held:
        process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, start_new_session=True)
        wait_until(lambda: len(list(parts_folder_path(out).glob("part-*"))) >= 2)
        assert not out.exists()
        yield Begun(process, out, held)
    if process.poll() is None:
        process.kill()
    process.communicate()


def kept_homes(out: Path) -> int:
    parts = [FinishedPart.of(path.name) for path in parts_folder_path(out).glob("part-*")]
    return sum(part.homes for part in parts if part)


def children(process: subprocess.Popen[str]) -> list[psutil.Process]:
    found = psutil.Process(process.pid).children(recursive=True)
    assert len(found) >= 2
    return found


def assert_resumes(homes: Path, out: Path, whole: Path) -> None:
    """The next run takes what is kept as it is, and its result is that of a run that nothing ended."""
    before = kept_homes(out)
    assert 0 < before < 204
    done = run_here(homes, "--out", out, *POWER, "--resume")
    assert done.exit_code == 3, done.stderr
    assert f"{before} of them were done by an earlier run" in done.stderr
    assert out.read_bytes() == whole.read_bytes()
    assert not parts_folder_path(out).exists()


def test_a_killed_run_is_gone_on_with_and_no_home_is_costed_twice(
    homes: Path, whole: Path, begun: Begun
) -> None:
    process, out, _ = begun
    workers = children(process)
    process.kill()
    process.wait()
    begun.release()
    wait_until(lambda: not any(one.is_running() and one.status() != "zombie" for one in workers))
    refused = run_here(homes, "--out", out, *POWER)
    assert refused.exit_code == 1
    assert f"{kept_homes(out)} homes of an unfinished run lie in" in refused.stderr
    other = run_here(homes, "--out", out, *POWER, "--resume", "--prices", "then", "--top", 3)
    assert other.exit_code == 1
    assert "was of other prices, another number of contracts: ask the same again" in other.stderr
    assert_resumes(homes, out, whole)


def test_ctrl_c_ends_a_run_cleanly_and_keeps_what_is_done(homes: Path, whole: Path, begun: Begun) -> None:
    process, out, _ = begun
    workers = children(process)
    os.killpg(process.pid, signal.SIGINT)
    begun.release()
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    *records, last = told.splitlines()
    assert last == "stopped; what is done is stored, --resume goes on from it"
    # A worker writes its part before the parent writes the record, and Ctrl-C may come between.
    assert {json.loads(record)["event"] for record in records} <= {"partition billed"}
    wait_until(lambda: not any(one.is_running() and one.status() != "zombie" for one in workers))
    assert_resumes(homes, out, whole)


def test_ctrl_c_at_the_very_start_is_as_clean(homes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    arguments = command(homes, "--out", out, *POWER, "--jobs", 2)
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, start_new_session=True)
    wait_until((parts_folder_path(out) / "_run.json").exists)
    os.killpg(process.pid, signal.SIGINT)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    # Parts that were in work are kept; without any, no folder stays.
    stopped = told.endswith("stopped; what is done is stored, --resume goes on from it\n")
    assert stopped == parts_folder_path(out).exists()
    assert stopped == bool(list(parts_folder_path(out).glob("part-*")))


@pytest.mark.parametrize(
    ("most_kib", "kept"),
    [(20, 0), (1900, 204)],  # Not even a part fits; the market and every part fit, but not the whole.
)
def test_a_full_disk_is_said_and_the_run_can_go_on(
    homes: Path, whole: Path, tmp_path: Path, most_kib: int, kept: int
) -> None:
    out = tmp_path / "out.csv"
    ended = subprocess.run(
        [
            "bash",
            "-c",
            f'ulimit -f {most_kib}; exec "$@"',
            "-",
            *command(homes, "--out", out, *POWER, "--jobs", 2),
        ],
        capture_output=True,
        text=True,
        check=False,
        timeout=PATIENCE_S,
    )
    assert ended.returncode == 1
    assert ended.stderr.splitlines()[-1] == f"Error: {out} cannot be written: File too large"
    assert not out.exists()
    assert kept_homes(out) == kept
    done = run_here(homes, "--out", out, *POWER, "--resume")
    assert (f"{kept} of them were done by an earlier run" in done.stderr) == bool(kept)
    assert out.read_bytes() == whole.read_bytes()


def test_parts_of_homes_that_changed_since_are_not_mixed_with_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = folder_of_homes(tmp_path / "homes", 5), tmp_path / "out.csv"

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(CsvResults, "join", full)
        ended = run_here(folder, "--out", out, *POWER)
    assert ended.stderr == f"Error: {out} cannot be written: No space left on device\n"
    (folder / "home 00001.csv").write_bytes(export(curve(99)))
    refused = run_here(folder, "--out", out, *POWER, "--resume")
    assert refused.exit_code == 1
    assert "was of other homes or changed files: ask the same again" in refused.stderr
    other = run_here(folder, "--out", out, "--power-kva", 9, "--resume")
    assert "was of other homes or changed files, other powers or off-peak hours" in other.stderr
    assert not out.exists()


def test_what_files_leave_open_is_said_by_options_as_to_compare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = tmp_path / "homes", tmp_path / "out.csv"
    folder.mkdir()
    lines_of = (f"{instant_of(start):%Y-%m-%d %H:%M};1.2" for start in curve(1).starts_min.tolist())
    (folder / "sensor.csv").write_text("\n".join(["timestamp;Valeur", *lines_of]))
    assert run_here(folder, "--out", out, *POWER).exit_code == 3
    assert "say which with stamps (start or end; --stamps in the command)" in lines(out)[0]["reason"]
    options = ("--stamps", "start", "--unit")
    kwh = {}
    for unit in ("kW", "kWh"):
        assert run_here(folder, "--out", out, *POWER, *options, unit).exit_code == 0
        kwh[unit] = {row["kwh"] for row in lines(out)}
    # The week has 169 hours: 338 half hours of 1.2 kW or 1.2 kWh.
    assert kwh == {"kW": {"202.800"}, "kWh": {"405.600"}}

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patched:
        patched.setattr(CsvResults, "join", full)
        assert run_here(folder, "--out", out, *POWER, *options, "kW").exit_code == 1
    other = run_here(folder, "--out", out, *POWER, *options, "kWh", "--resume")
    assert "was of other stamps, units or directions of files: ask the same again" in other.stderr
    assert run_here(folder, "--out", out, *POWER, *options, "kW", "--resume").exit_code == 0


def test_a_terminal_sees_a_bar_with_rate_and_rest(homes: Path, tmp_path: Path) -> None:
    terminal, end = os.openpty()
    arguments = command(homes, "--out", tmp_path / "out.csv", *POWER, "--jobs", 1)
    with subprocess.Popen(
        arguments, stderr=end, env={**os.environ, "TERM": "xterm", "COLUMNS": "120"}
    ) as process:
        os.close(end)
        shown = b""
        with suppress(OSError):  # how Linux says that the other end is closed
            while some := os.read(terminal, 4096):
                shown += some
    os.close(terminal)
    assert process.returncode == 3
    assert b"billing" in shown
    assert b"204/204" in shown
    assert b"homes/s" in shown
    assert b"4 failed" in shown


def test_two_runs_at_once_to_one_output_are_refused(homes: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    output = Output.at(str(out))
    with output.locked():
        refused = run_here(homes, "--out", out, *POWER)
    assert refused.exit_code == 1
    assert (
        refused.stderr == f"Error: another run is writing {out}: wait for its end, or name another output\n"
    )
    with (
        output.locked(),
        (parts_folder_path(out) / "_lock").open() as lock,
        pytest.raises(BlockingIOError),
    ):
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize(
    ("out", "reason"),
    [
        ("out.xlsx", "ends neither in .csv nor in .parquet"),
        ("nowhere/out.csv", "cannot be written: No such file or directory"),
        ("homes.csv", "cannot be written: it is a folder"),
        ("file/out.csv", "cannot be written: Not a directory"),
    ],
)
def test_an_output_that_cannot_be_is_refused_before_anything_is_read(
    tmp_path: Path, out: str, reason: str
) -> None:
    (tmp_path / "homes.csv").mkdir()
    (tmp_path / "file").touch()
    refused = run_here(tmp_path, "--out", tmp_path / out, *POWER)
    assert refused.exit_code == 1
    assert reason in refused.stderr
    assert "Traceback" not in refused.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "homes.csv"]


def test_an_output_in_the_folder_itself_is_no_home(tmp_path: Path) -> None:
    (tmp_path / "one").write_bytes(export(curve(1)))
    for _ in range(2):
        done = run_here(tmp_path, "--out", tmp_path / "out.csv", *POWER, "--top", 1)
        assert done.exit_code == 0, done.stderr
        assert [row["home"] for row in lines(tmp_path / "out.csv")] == ["one"]


def test_a_name_that_is_no_utf_8_is_written_escaped(tmp_path: Path) -> None:
    folder = tmp_path / "homes"
    folder.mkdir()
    Path(os.fsdecode(os.fsencode(folder) + b"/caf\xe9")).write_bytes(export(curve(1)))
    assert run_here(folder, "--out", tmp_path / "out.csv", *POWER, "--top", 1).exit_code == 0
    assert [row["home"] for row in lines(tmp_path / "out.csv")] == ["caf\\xe9"]


def test_each_home_has_the_power_and_hours_of_the_settings_file(tmp_path: Path) -> None:
    folder = folder_of_homes(tmp_path / "homes", 4)
    settings = tmp_path / "settings.csv"
    settings.write_text(
        "home;power_kva;off_peak_hours\nhome 00001.csv;9;\nhome 00002.csv;;HC (1H30-9H30)\n"
        "street/home 00000.csv;12;winter 22:00-06:00 | summer 12:00-20:00\nhome 1.csv;9;\n"
    )
    out = tmp_path / "out.csv"
    done = run_here(folder, "--out", out, "--settings", settings)
    assert done.exit_code == 3
    assert "1 homes of the file of settings are not there: are their names right?" in done.stderr
    powers = {row["home"]: row["power_kva"] for row in lines(out)}
    assert powers == {
        "home 00001.csv": "9",
        "home 00002.csv": "",
        "street/home 00000.csv": "12",
        "street/home 00003.csv": "",
    }
    assert run_here(folder, "--out", out, "--settings", settings, *POWER).exit_code == 0
    set_so, bare = lines(out), tmp_path / "bare.csv"
    assert run_here(folder, "--out", bare, *POWER).exit_code == 0
    of_two = [[row for row in rows if row["home"] == "home 00002.csv"] for rows in (set_so, lines(bare))]
    base, hphc = (
        [[r for r in rows if r["option"] == option] for rows in of_two] for option in ("BASE", "HPHC")
    )
    assert base[0] == base[1]
    assert hphc[0] != hphc[1]


def highest_memory_kb(source: Path, out: Path) -> int:
    """The most memory that the one process of a run had at once; `ru_maxrss` would count that of our own."""
    code = (
        "from pathlib import Path; from openwatt.cli import main\n"
        "try: main()\n"
        "finally: print(Path('/proc/self/status').read_text().partition('VmHWM:')[2].split()[0])"
    )
    arguments = ["portfolio", source, "--out", out, *POWER, "--jobs", 1, "--top", 1]
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)], capture_output=True, text=True, check=True
    )
    return int(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc tells the memory of a process")
def test_ten_times_the_homes_need_no_more_memory(tmp_path: Path) -> None:
    homes = [(f"home {seed:05}", curve(seed)) for seed in range(400)]
    many = [(f"home {number:05}", homes[number % 400][1]) for number in range(4000)]
    used = [
        highest_memory_kb(write_table(tmp_path / f"{name}.parquet", some, 100_000), tmp_path / f"{name}.csv")
        for name, some in (("few", homes), ("many", many))
    ]
    assert len(lines(tmp_path / "many.csv")) == 4000
    # Kept in memory, the rows of 3,600 homes more would be 95 MB at least.
    assert used[1] < used[0] + 40_000, used
