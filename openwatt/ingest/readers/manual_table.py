"""The reader of a sheet that somebody typed in the catalogue's CSV format; it is checked like any other."""

import datetime as dt
import io
from collections.abc import Mapping
from decimal import Decimal

from openwatt.catalogue.table import CatalogueError
from openwatt.catalogue.tariffs import COLUMNS, CatalogueTariff, read_tariffs
from openwatt.domain.doubts import References
from openwatt.domain.reading import SUBSCRIPTION, Doubt, Figure, Line, PrintedDay, Reading, Tax
from openwatt.ingest.declarations import SourceDeclaration
from openwatt.ingest.inspection import Inspection, check_reading

Figures = dict[tuple[str, Tax], Figure]


def is_typed_table(document: bytes) -> bool:
    """Whether a document is a table in the catalogue's format, by its first line."""
    header = document[:2000].decode("utf-8-sig", errors="replace").partition("\n")[0]
    return set(COLUMNS) <= {name.strip() for name in header.split(",")}


def read_typed_table(
    document: bytes, source: SourceDeclaration, references: References, *, on: dt.date
) -> Inspection:
    """Reads a typed table and finds every reason not to publish it as this source's.

    Its columns `observed_on` and `source` are the catalogue's own: here the day is that
    of the run, and the document is the table itself.
    """
    try:
        text = document.decode("utf-8-sig")
        tariffs = read_tariffs(io.StringIO(text))
    except (UnicodeDecodeError, CatalogueError) as error:
        reason = str(error) if isinstance(error, CatalogueError) else "the table is not UTF-8 text"
        return Inspection(
            source=source, outcome="unreadable", reading=Reading(lines=()), reason=reason, manual_entry=True
        )
    offers = {offer.name for offer in source.offers}
    ours = [
        line for line in tariffs if line.tariff.supplier == source.supplier and line.tariff.offer in offers
    ]
    others = sorted({f"{line.tariff.supplier} {line.tariff.offer}" for line in tariffs if line not in ours})
    faults = tuple(
        Doubt(
            rule="offer-unknown",
            message=f"{name} is no offer of {source.name}: write {source.supplier}, and "
            + " or ".join(sorted(offers)),
            where="whole table",
        )
        for name in others
    )
    lines = sorted((_line(one) for one in ours), key=_place)
    reading = Reading(lines=tuple(lines), faults=faults)
    return check_reading(reading, source, references, on=on, manual_entry=True)


def _place(line: Line) -> tuple[str, str, dt.date, int]:
    return line.offer, line.option, line.first_day, line.power_kva


def _line(typed: CatalogueTariff) -> Line:
    tariff = typed.tariff
    figures: Figures = {}
    sides: tuple[tuple[Tax, Decimal | None, Mapping[str, Decimal]], ...] = (
        ("HT", tariff.subscription_eur_per_year_ht, tariff.prices_eur_per_kwh_ht),
        ("TTC", tariff.subscription_eur_per_year_ttc, tariff.prices_eur_per_kwh_ttc),
    )
    for tax, subscription, prices in sides:
        if subscription is not None:
            figures[SUBSCRIPTION, tax] = _figure(subscription)
        figures |= {(register, tax): _figure(price) for register, price in prices.items()}
    return Line(
        supplier=tariff.supplier,
        offer=tariff.offer,
        option=tariff.option,
        power_kva=tariff.power_kva,
        figures=figures,
        applies_from=PrintedDay(
            day=tariff.applies_from, precision="day", printed=tariff.applies_from.isoformat()
        ),
        applies_to=tariff.applies_to,
        closed_to_new_customers=tariff.closed_to_new_customers,
    )


def _figure(amount: Decimal) -> Figure:
    step = Decimal(1).scaleb(int(amount.as_tuple().exponent))
    return Figure(amount=amount, printed=str(amount), step=step)
