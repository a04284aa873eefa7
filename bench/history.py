"""How the statements behind /v1/tariffs keep their time while the history grows: run by path, see --help."""

import argparse
import datetime as dt
import itertools
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, LiteralString, NamedTuple

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from openwatt.store.embedded.postgres import EmbeddedPostgres
from openwatt.store.migrate import migrate
from openwatt.store.sql import statement
from openwatt.store.tariffs import HORIZON_PARAMETERS, RELIABLE_PARAMETERS

BUDGET = 1.5  # of the time at the smallest size
CONTRACTS = 400
FIRST_DAY = dt.date(2013, 2, 1)
HISTORY_DAYS = 5000  # periods of equal length share them: the last one has begun in 2026
TODAY, PAST_DAY = dt.date(2026, 11, 22), dt.date(2019, 7, 1)
PAST_INSTANT = dt.datetime(2018, 3, 1, 12, tzinfo=dt.UTC)
FOR_EVER = dt.datetime.max.replace(tzinfo=dt.UTC)
WARMING = 12  # psycopg prepares a statement at its 6th execution, PostgreSQL keeps a plan 5 later

CONTRACTS_SQL: LiteralString = """
insert into suppliers (name) select 'Supplier ' || s from generate_series(1, 5) s;
insert into offers (supplier_id, name, regulated)
    select s, 'Offer ' || o, s = 1 and o = 1 from generate_series(1, 5) s, generate_series(1, 5) o;
insert into contracts (offer_id, option, power_kva)
    select o.offer_id, option, power_kva
    from offers o, unnest(array['BASE', 'HPHC']) option, unnest(array[3, 6, 9, 12, 15, 18, 24, 30]) power_kva;
insert into documents (reference, title) select 'sheet ' || d, 'A sheet' from generate_series(1, 25) d;
insert into sightings (document_id, seen_at)
    select d, '2013-01-01'::timestamptz + look * interval '50 days'
    from generate_series(1, 25) d, generate_series(0, 100) look;
"""

# Every contract has the same periods, each observed equally often from its first day to its last:
# only the price moves. Rows lie in the order in which they were observed, as a real history does.
HISTORY_SQL: LiteralString = """
insert into tariffs (contract_id, applies_from, observed_at, opens_period, subscription_eur_per_year_ttc,
                     prices_eur_per_kwh_ttc, document_id, reader)
select contract, %(first_day)s::date + period * %(days)s,
       (%(first_day)s::date + period * %(days)s)::timestamptz + observation * %(step)s,
       observation = 0,
       100 + period, jsonb_build_object('BASE', 0.1 + observation / 1e6), 1 + contract %% 25, 'bench'
from generate_series(0, %(periods)s - 1) period,
     generate_series(0, %(observations)s - 1) observation,
     generate_series(1, 400) contract
"""

DISTINCT_ON: LiteralString = """
select c.power_kva, t.applies_from, t.observed_at, t.prices_eur_per_kwh_ttc
from contracts c join (
    select distinct on (contract_id) * from tariffs
    where applies_from <= %(on)s and observed_at <= %(known_at)s
    order by contract_id, applies_from desc, observed_at desc
) t using (contract_id)
"""

ROW_NUMBER: LiteralString = """
select c.power_kva, t.applies_from, t.observed_at, t.prices_eur_per_kwh_ttc
from contracts c join (
    select *, row_number() over (
        partition by contract_id order by applies_from desc, observed_at desc) as place
    from tariffs where applies_from <= %(on)s and observed_at <= %(known_at)s
) t using (contract_id) where t.place = 1
"""


class Question(NamedTuple):
    """Something the API is asked: the statement, its parameters, and how many rows it must answer."""

    name: str
    sql: LiteralString
    parameters: Mapping[str, object]
    rows: int
    on: dt.date | None = None
    """Set where every row is the one tariff of a day, which is then checked by arithmetic."""
    known_at: dt.datetime = FOR_EVER
    of_product: bool = True

    def named(self, name: str, sql: LiteralString) -> "Question":
        """The same question asked with another statement, for comparison."""
        return self._replace(name=f"{self.name}, {name}", sql=sql, of_product=False)


NO_FILTER: dict[str, object] = dict.fromkeys(
    (
        "supplier",
        "offer",
        "option",
        "power_kva",
        "regulated",
        "after_regulated",
        "after_supplier",
        "after_offer",
        "after_option",
        "after_power_kva",
        "after_applies_from",
        "in_force",
        *HORIZON_PARAMETERS,
        *RELIABLE_PARAMETERS,
    )
)


def of_a_day(
    name: str,
    on: dt.date,
    known_at: dt.datetime | None = None,
    *,
    rows: int = CONTRACTS,
    limit: int = 1001,
    wanted: Mapping[str, object] | None = None,
) -> Question:
    """What GET /v1/tariffs asks, in the parameters of `openwatt.store.tariffs.tariffs_on`."""
    parameters = (
        NO_FILTER | dict(wanted or {}) | {"on": on, "known_at": known_at or "infinity", "limit": limit}
    )
    return Question(name, statement("tariffs/on_day"), parameters, rows, on, known_at or FOR_EVER)


def questions(periods: int) -> list[Question]:
    """The product's questions, beside the usual ways of asking the first of them and its dated form."""
    latest = of_a_day("latest", TODAY)
    as_of = of_a_day("as of a past day", PAST_DAY)
    known = of_a_day("as known at a past instant", TODAY, PAST_INSTANT)
    one: dict[str, object] = {"supplier": "supplier 2", "offer": "OFFER 3", "option": "HPHC", "power_kva": 9}
    third_page: dict[str, object] = {
        "after_regulated": False,
        "after_supplier": "Supplier 2",
        "after_offer": "Offer 5",
        "after_option": "HPHC",
        "after_power_kva": 30,
    }
    whole_span = NO_FILTER | {"since": dt.date.min, "until": TODAY}
    every_history = whole_span | {"limit": 101}
    whole_history = whole_span | one | {"limit": 1001}
    begun = -(-((TODAY - FIRST_DAY).days + 1) // (HISTORY_DAYS // periods))
    return [
        latest,
        as_of,
        known,
        of_a_day("both", PAST_DAY, PAST_INSTANT),
        of_a_day("latest, first page of 100", TODAY, rows=101, limit=101),
        of_a_day("latest, third page of 100", TODAY, rows=101, limit=101, wanted=third_page),
        of_a_day("latest, one option and power", TODAY, rows=25, wanted={"option": "BASE", "power_kva": 6}),
        of_a_day("latest, one contract", TODAY, rows=1, wanted=one),
        Question("history of one contract", statement("tariffs/history"), whole_history, min(begun, periods)),
        Question("history, first page of 100", statement("tariffs/history"), every_history, 101),
        latest.named("DISTINCT ON", DISTINCT_ON),
        latest.named("row_number()", ROW_NUMBER),
        known.named("DISTINCT ON", DISTINCT_ON),
    ]


class History(NamedTuple):
    """A database filled with a history, and how it was filled."""

    connection: psycopg.Connection[dict[str, Any]]
    rows: int
    periods: int

    @property
    def days(self) -> int:
        """How long a period is."""
        return HISTORY_DAYS // self.periods

    @property
    def observations(self) -> int:
        """How often each period of each contract was observed."""
        return self.rows // CONTRACTS // self.periods

    @property
    def step(self) -> dt.timedelta:
        """The time between two observations of a period."""
        return dt.timedelta(days=self.days) / self.observations

    def expected(self, on: dt.date, known_at: dt.datetime) -> tuple[dt.date, dt.datetime]:
        """The period and the instant of the observation that every contract must show, by arithmetic."""
        for period in reversed(range(self.periods)):
            first = FIRST_DAY + dt.timedelta(days=period * self.days)
            seen = dt.datetime.combine(first, dt.time(), dt.UTC)
            if first <= on and seen <= known_at:
                return first, seen + min(self.observations - 1, (known_at - seen) // self.step) * self.step
        raise AssertionError(f"nothing applies on {on} as known at {known_at}")


def fill(conninfo: str, rows: int, periods: int) -> History:
    """A migrated database with a history of so many rows, vacuumed and analysed."""
    connection = psycopg.connect(conninfo, autocommit=True, row_factory=dict_row)
    migrate(psycopg.connect(conninfo, autocommit=True))
    history = History(connection, rows, periods)
    assert history.observations * periods * CONTRACTS == rows, (
        f"{rows} is no multiple of {CONTRACTS * periods}"
    )
    began = time.monotonic()
    connection.execute(CONTRACTS_SQL)
    connection.execute(
        HISTORY_SQL,
        {
            "first_day": FIRST_DAY,
            "days": history.days,
            "step": history.step,
            "periods": periods,
            "observations": history.observations,
        },
    )
    progress(f"{rows:,} rows written in {time.monotonic() - began:.0f} s; vacuuming")
    connection.execute("vacuum analyze")
    counted = connection.execute("select count(*) as rows from tariffs").fetchone()
    assert counted == {"rows": rows}, counted
    return history


def ask(history: History, question: Question) -> float | None:
    """Seconds until every row was fetched, after checking the rows; None when the time limit cut it."""
    began = time.perf_counter()
    try:
        rows = history.connection.execute(question.sql, question.parameters).fetchall()
    except psycopg.errors.QueryCanceled:
        return None
    seconds = time.perf_counter() - began
    assert len(rows) == question.rows, f"{question.name}: {len(rows)} rows instead of {question.rows}"
    if question.on:
        found = {(row["applies_from"], row["observed_at"]) for row in rows}
        wanted = {history.expected(question.on, question.known_at)}
        assert found == wanted, f"{question.name}: {found} instead of {wanted}"
    return seconds


def measure(
    histories: Sequence[History], asked: Sequence[Question], repetitions: int, timeout_s: float
) -> dict[str, list[float | None]]:
    """Milliseconds (median) of each question at each size: sizes and questions take turns."""
    for history in histories:
        history.connection.execute(f"set statement_timeout = '{timeout_s}s'".encode())
    times: dict[tuple[str, int], list[float]] = {
        (question.name, history.rows): [] for question in asked for history in histories
    }
    cut: set[tuple[str, int]] = set()
    rounds = WARMING + repetitions
    for turn in range(rounds):
        progress(f"round {turn + 1} of {rounds}", end="\r")
        for question, history in itertools.product(asked, histories):
            key = (question.name, history.rows)
            slow = bool(times[key]) and times[key][-1] > 1 and len(times[key]) >= 3
            if key in cut or slow or (not question.of_product and 3 <= turn < WARMING):
                continue
            seconds = ask(history, question)
            if seconds is None:
                cut.add(key)
            elif turn >= WARMING or not question.of_product:
                times[key].append(seconds)
    return {
        question.name: [
            None if (key := (question.name, history.rows)) in cut else statistics.median(times[key]) * 1e3
            for history in histories
        ]
        for question in asked
    }


def show(
    sizes: Sequence[int], asked: Sequence[Question], medians: Mapping[str, Sequence[float | None]]
) -> None:
    """Prints milliseconds at each size, and after each the ratio to the smallest."""
    print(f"{'ms (median), × the smallest':34}" + "".join(f"{size:>20,}" for size in sizes))
    over = []
    for question in asked:
        first, cells = medians[question.name][0], []
        for size, median in zip(sizes, medians[question.name], strict=True):
            ratio = median / first if median and first else None
            cells.append("cut".rjust(20) if median is None else f"{median:12.1f}" + f"{ratio or 0:6.2f} ×")
            if question.of_product and (ratio is None or ratio > BUDGET):
                over.append(f"{question.name} at {size:,}")
        print(f"{question.name:34}" + "".join(cells))
    print(f"budget: {BUDGET} × for the product's own; beyond it: {', '.join(over) or 'nothing'}")


def explain(history: History, question: Question) -> None:
    """Prints how PostgreSQL answers: what it does, what it reads, and how long it planned."""
    print(f"\n{question.name} at {history.rows:,} rows")
    plan = history.connection.execute(
        b"explain (analyze, buffers) " + question.sql.encode(), question.parameters
    )
    for line in plan:
        print(*line.values())


@contextmanager
def server() -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL of its own, in a folder that an unprivileged account may enter, removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="ow-bench-"))
    folder.chmod(0o755)
    try:
        with EmbeddedPostgres(folder / "data", fallback_root=folder / "fallback") as postgres:
            yield postgres
    finally:
        shutil.rmtree(folder)


def progress(text: str, end: str = "\n") -> None:
    """Says on stderr how far it is."""
    print(text, end=end, file=sys.stderr, flush=True)


def main() -> None:
    """Fills one database for each size, then asks them in turn."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows",
        type=int,
        nargs="+",
        default=[100_000, 1_000_000],
        help="sizes of the history, smallest first",
    )
    parser.add_argument("--periods", type=int, default=25, help="periods of each contract (default 25)")
    parser.add_argument("--repetitions", type=int, default=15, help="rounds that count (default 15)")
    parser.add_argument("--timeout", type=float, default=15, help="seconds after which a statement is cut")
    parser.add_argument("--explain", action="store_true", help="print the plans at the largest size too")
    arguments = parser.parse_args()
    asked = questions(arguments.periods)
    with server() as postgres:
        histories = []
        for rows in sorted(arguments.rows):
            name = f"history_{rows}"
            with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
                connection.execute(f"create database {name}".encode())
            histories.append(fill(make_conninfo(postgres.conninfo(), dbname=name), rows, arguments.periods))
        # The usual ways come afterwards: they read the whole history and would push the rest out of memory.
        medians: dict[str, list[float | None]] = {}
        for group in ([q for q in asked if q.of_product], [q for q in asked if not q.of_product]):
            medians |= measure(histories, group, arguments.repetitions, arguments.timeout)
        show([history.rows for history in histories], asked, medians)
        if arguments.explain:
            for question in asked:
                if question.of_product:
                    explain(histories[-1], question)
        for history in histories:
            history.connection.close()


if __name__ == "__main__":
    main()
