"""Tariffs in the database: read as of a day and as known at an instant, published only when they changed."""

import datetime as dt
from collections.abc import Collection, Iterable, Mapping, Sequence
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
import psycopg
from msgspec.structs import asdict
from psycopg.rows import kwargs_row

from openwatt.domain.freshness import STALE_AFTER
from openwatt.domain.legal_time import PARIS
from openwatt.domain.tariff import OPTIONS, Confidence, SourceKind, Tariff
from openwatt.store.database import Database
from openwatt.store.errors import CorrectionError
from openwatt.store.sql import statement


class SourceDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A source document of figures. `reference` is its identity: a hash, or a name in the catalogue."""

    reference: str
    kind: SourceKind
    title: str
    url: str | None = None
    sha256: str | None = None


class PublishedTariff(msgspec.Struct, frozen=True, kw_only=True):
    """A tariff as the database holds it, with where it comes from and when it was seen.

    Its fields are the columns of `tariffs/on_day`, `tariffs/history`, `tariffs/known` and
    `tariffs/export`: a list of tariffs makes no other object of a row. Figures are those of `Tariff`.
    The document is the one of the prices with all taxes; `ht_reference` is set where the prices
    without taxes come from another one.
    """

    supplier: str
    offer: str
    regulated: bool
    option: str
    power_kva: int
    applies_from: dt.date
    applies_to: dt.date | None
    subscription_eur_per_year_ht: Decimal | None
    subscription_eur_per_year_ttc: Decimal | None
    prices_eur_per_kwh_ht: dict[str, Decimal]
    prices_eur_per_kwh_ttc: dict[str, Decimal]
    closed_to_new_customers: bool
    note: str | None
    observed_at: dt.datetime
    last_seen_at: dt.datetime
    reader: str
    sheet_url: str | None
    confidence: Confidence | None
    reference: str
    kind: SourceKind
    title: str
    url: str | None
    sha256: str | None
    ht_reference: str | None
    ht_kind: SourceKind | None
    ht_title: str | None
    ht_url: str | None
    ht_sha256: str | None

    def __post_init__(self) -> None:
        registers = OPTIONS.get(self.option, ())
        if len(registers) > 1:  # jsonb keeps keys in an order of its own
            for side in (self.prices_eur_per_kwh_ht, self.prices_eur_per_kwh_ttc):
                for register in registers:
                    if register in side:
                        side[register] = side.pop(register)

    @property
    def tariff(self) -> Tariff:
        """The tariff itself. Raises TariffError for one that contradicts itself."""
        return Tariff(
            supplier=self.supplier,
            offer=self.offer,
            option=self.option,
            power_kva=self.power_kva,
            applies_from=self.applies_from,
            applies_to=self.applies_to,
            subscription_eur_per_year_ht=self.subscription_eur_per_year_ht,
            subscription_eur_per_year_ttc=self.subscription_eur_per_year_ttc,
            prices_eur_per_kwh_ht=self.prices_eur_per_kwh_ht,
            prices_eur_per_kwh_ttc=self.prices_eur_per_kwh_ttc,
            closed_to_new_customers=self.closed_to_new_customers,
            note=self.note,
        )

    @property
    def document(self) -> SourceDocument:
        """The document of the prices with all taxes."""
        return SourceDocument(
            reference=self.reference, kind=self.kind, title=self.title, url=self.url, sha256=self.sha256
        )

    @property
    def ht_document(self) -> SourceDocument | None:
        """The document of the prices without taxes, if it is another one."""
        if self.ht_reference is None or self.ht_kind is None or self.ht_title is None:
            return None
        return SourceDocument(
            reference=self.ht_reference,
            kind=self.ht_kind,
            title=self.ht_title,
            url=self.ht_url,
            sha256=self.ht_sha256,
        )


#: Far more periods than the regulated tariff will have in a lifetime.
_MOST_REGULATED = 100_000


class TariffFilter(NamedTuple):
    """Which contracts are read; None selects all. Supplier and offer match in any case of letters."""

    supplier: str | None = None
    offer: str | None = None
    option: str | None = None
    power_kva: int | None = None
    regulated: bool | None = None


class Horizon(NamedTuple):
    """The last rows of a version of the data, by their numbers: all pages of a list read up to these."""

    tariff_id: int
    confirmation_id: int
    sighting_id: int


def read_horizon(database: Database) -> Horizon:
    """The last rows that there are now."""
    (horizon,) = database.read("tariffs/horizon", {}, Horizon)
    return horizon


class Cursor(NamedTuple):
    """The position in a list of tariffs: the sort key of a page's last row."""

    regulated: bool
    supplier: str
    offer: str
    option: str
    power_kva: int
    applies_from: dt.date | None = None
    horizon: Horizon | None = None
    """Up to where the pages before were read."""


class Reliable(NamedTuple):
    """What makes a tariff neither `stale` nor `broken` by `openwatt.domain.freshness.data_status`.

    `now` is when somebody looks, `changes` are the days on which duties or the network tariff change,
    and `failing` the offers, by supplier and name, whose source fails.
    """

    now: dt.datetime
    changes: Sequence[dt.date]
    failing: Collection[tuple[str, str]]


#: The names of a horizon's parts in the statements of lists; null reads everything.
HORIZON_PARAMETERS = ("last_tariff", "last_confirmation", "last_sighting")
#: The names of its parts in the statement `tariffs/on_day`; all are null where it does not matter.
RELIABLE_PARAMETERS = ("reliable_on", "stale_seen_at", "failing_suppliers", "failing_offers", "change_days")


def cursor_after(
    published: PublishedTariff, *, horizon: Horizon | None = None, in_history: bool = False
) -> Cursor:
    """The cursor after which the next page of a list, or of a history, begins."""
    return Cursor(
        published.regulated,
        published.supplier,
        published.offer,
        published.option,
        published.power_kva,
        published.applies_from if in_history else None,
        horizon,
    )


def tariffs_on(
    database: Database,
    wanted: TariffFilter,
    *,
    on: dt.date,
    known_at: dt.datetime | None = None,
    in_force: bool = False,
    reliable: Reliable | None = None,
    after: Cursor | None = None,
    horizon: Horizon | None = None,
    limit: int,
) -> list[PublishedTariff]:
    """The tariff of each contract on a day, regulated offers first, at most `limit`.

    `known_at` selects what was known at that instant. A contract whose last known
    tariff ended before `on` is included with that tariff: its `applies_to` says so. It is
    left out where only tariffs `in_force` are wanted, or those that are `reliable`. What was
    published after the `horizon` is not read.
    """
    parameters = _parameters(wanted, after, limit, horizon) | {"on": on, "known_at": known_at or "infinity"}
    parameters |= {"in_force": in_force} | _reliable_parameters(reliable)
    return database.read("tariffs/on_day", parameters, PublishedTariff)


def tariff_history(
    database: Database,
    wanted: TariffFilter,
    *,
    since: dt.date,
    until: dt.date,
    after: Cursor | None = None,
    horizon: Horizon | None = None,
    limit: int,
) -> list[PublishedTariff]:
    """Every tariff that was in force on a day from `since` to `until`, both included, at most `limit`.

    What was published after the `horizon` is not read.
    """
    parameters = _parameters(wanted, after, limit, horizon) | {"since": since, "until": until}
    return database.read("tariffs/history", parameters, PublishedTariff)


def tariff_corrections(
    database: Database, supplier: str, offer: str, option: str, power_kva: int
) -> dict[dt.date, int]:
    """How often each tariff of a contract was corrected, by the day it applies from."""
    contract = {"supplier": supplier, "offer": offer, "option": option, "power_kva": power_kva}
    return dict(
        database.read(
            "tariffs/corrections", contract, lambda applies_from, corrections: (applies_from, corrections)
        )
    )


def _correction(applies_from: dt.date, corrections: int) -> tuple[dt.date, int]:
    return applies_from, corrections


def _parameters(
    wanted: TariffFilter, after: Cursor | None, limit: int, horizon: Horizon | None = None
) -> dict[str, object]:
    cursor = after._asdict() if after else dict.fromkeys(Cursor._fields)
    last = dict(zip(HORIZON_PARAMETERS, horizon or (None, None, None), strict=True))
    position = {f"after_{name}": value for name, value in cursor.items()}
    return wanted._asdict() | position | last | {"limit": limit}


def _reliable_parameters(reliable: Reliable | None) -> dict[str, object]:
    if reliable is None:
        return dict.fromkeys(RELIABLE_PARAMETERS)
    suppliers, offers = [[*names] for names in zip(*reliable.failing, strict=True)] or ([], [])
    values = (reliable.now.astimezone(PARIS).date(), reliable.now - STALE_AFTER, suppliers, offers)
    return dict(zip(RELIABLE_PARAMETERS, (*values, [*reliable.changes]), strict=True))


class Observation(NamedTuple):
    """A tariff as it was read from a document: what `publish` adds.

    A secondary document says where the supplier's own sheet is, and how sure its figures are.
    """

    tariff: Tariff
    observed_at: dt.datetime
    document: SourceDocument
    ht_document: SourceDocument | None
    reader: str
    regulated: bool = False
    offer_url: str | None = None
    sheet_url: str | None = None
    confidence: Confidence | None = None


def publish(connection: psycopg.Connection[Any], observations: Iterable[Observation]) -> int:
    """Adds what changed, inside the caller's transaction, and returns how many tariffs that was.

    An observation that says what the newest earlier one of the same contract and
    `applies_from` already says is left out, so publishing twice adds nothing. If it
    comes from another document, that one confirms the stored tariff: it is then as fresh
    as either. Only a secondary source's word is replaced by the same word of the supplier
    or the regulator.

    Raises:
        CorrectionError: when the same instant of observation already holds other figures.
    """
    connection.execute(statement("tariffs/create_incoming"))
    documents: dict[str, SourceDocument] = {}
    with connection.cursor().copy(statement("tariffs/copy_incoming")) as copy:
        for observation in observations:
            tariff, document, ht_document = observation.tariff, observation.document, observation.ht_document
            documents[document.reference] = document
            if ht_document:
                documents[ht_document.reference] = ht_document
            copy.write_row(
                (
                    tariff.supplier,
                    tariff.offer,
                    tariff.option,
                    tariff.power_kva,
                    tariff.applies_from,
                    tariff.applies_to,
                    observation.observed_at,
                    tariff.subscription_eur_per_year_ht,
                    tariff.subscription_eur_per_year_ttc,
                    _json(tariff.prices_eur_per_kwh_ht),
                    _json(tariff.prices_eur_per_kwh_ttc),
                    tariff.closed_to_new_customers,
                    tariff.note,
                    document.reference,
                    ht_document.reference if ht_document else None,
                    observation.reader,
                    observation.regulated,
                    observation.offer_url,
                    observation.sheet_url,
                    observation.confidence,
                )
            )
    store_documents(connection, documents.values())
    for name in ("tariffs/publish_suppliers", "tariffs/publish_offers", "tariffs/publish_contracts"):
        connection.execute(statement(name))
    try:
        published = connection.execute(statement("tariffs/publish")).rowcount
    except psycopg.errors.UniqueViolation as error:
        raise CorrectionError(
            "another figure is already stored for this contract, day and instant of observation "
            f"({error.diag.message_detail}): a correction needs a newer observed_at"
        ) from error
    connection.execute(statement("tariffs/confirm"))
    connection.execute(statement("tariffs/drop_incoming"))
    return published


def store_documents(connection: psycopg.Connection[Any], documents: Iterable[SourceDocument]) -> None:
    """Stores each document once, by its reference."""
    with connection.cursor() as cursor:
        cursor.executemany(statement("documents/insert"), [asdict(document) for document in documents])


def record_sighting(
    connection: psycopg.Connection[Any], reference: str, seen_at: dt.datetime, run_id: int | None = None
) -> None:
    """Records that a stored document was found again at its address, by a run if one is given."""
    parameters = {"reference": reference, "seen_at": seen_at, "run_id": run_id}
    connection.execute(statement("documents/record_sighting"), parameters)


def regulated_history(connection: psycopg.Connection[Any]) -> list[Tariff]:
    """Every regulated tariff as it is known now, each period ending where the next begins."""
    wanted = TariffFilter(regulated=True)
    parameters = _parameters(wanted, None, _MOST_REGULATED) | {"since": dt.date.min, "until": dt.date.max}
    with connection.cursor(row_factory=kwargs_row(PublishedTariff)) as cursor:
        rows = cursor.execute(statement("tariffs/history"), parameters).fetchall()
    return [row.tariff for row in rows]


def known_tariffs(
    connection: psycopg.Connection[Any], supplier: str, offers: Iterable[str]
) -> list[PublishedTariff]:
    """Every period of some offers as it was last observed, with the end that was read of it.

    A process that merges with what is known waits here for another that does, until the
    other's transaction ends: two documents of one tariff may be read at the same moment.
    """
    connection.execute(statement("tariffs/lock_supplier"), {"supplier": supplier})
    with connection.cursor(row_factory=kwargs_row(PublishedTariff)) as cursor:
        parameters = {"supplier": supplier, "offers": list(offers)}
        return cursor.execute(statement("tariffs/known"), parameters).fetchall()


def _json(prices: Mapping[str, Decimal]) -> str:
    """Prices as a JSON object whose numbers keep every digit, which `json.dumps` cannot do."""
    return "{" + ", ".join(f'"{register}": {price}' for register, price in prices.items()) + "}"
