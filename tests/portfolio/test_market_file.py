import datetime as dt
import hashlib
import json
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from openwatt.catalogue.market import shipped_colours, shipped_market
from openwatt.domain.contract import Contract, PriceBasis, PriceDocument, SourcedTariff
from openwatt.domain.duties import DatedRate, Duties
from openwatt.domain.tariff import Tariff
from openwatt.portfolio.billing.kernel import HomeSetting, MeteredHome, PortfolioTerms, bill_homes
from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.market import PortfolioMarket
from openwatt.portfolio.market_file import decode_market, encode_market, market_sha256
from tests.portfolio.village import NOW, curve

SHIPPED = PortfolioMarket(shipped_market(), shipped_colours())
FILE = encode_market(SHIPPED)
START_OF_MARKET = FILE.index(b'"market"')

amounts = some.decimals(0, 999, allow_nan=False, allow_infinity=False, places=7) | some.just(
    Decimal("0.1940")
)
days = some.dates(dt.date(2012, 1, 1), dt.date(2027, 12, 31))
texts = some.text(max_size=20)
#: Of fixed offsets: Python holds no instant in an hour that clocks repeat for equal to one of another zone.
zones = some.integers(-720, 720).map(lambda minutes: dt.timezone(dt.timedelta(minutes=minutes)))
instants = some.datetimes(timezones=zones).filter(lambda at: 2000 < at.year < 2100)


@some.composite
def markets(draw: some.DrawFn) -> PortfolioMarket:
    """A market of a few contracts whose figures, texts and days are any."""
    contracts = []
    for supplier in draw(some.lists(texts, min_size=1, max_size=3, unique=True)):
        tariff = Tariff(
            supplier=supplier,
            offer=draw(texts),
            option="HPHC",
            power_kva=draw(some.integers(1, 36)),
            applies_from=draw(days),
            applies_to=draw(some.none() | some.just(dt.date(2028, 1, 1))),
            subscription_eur_per_year_ht=draw(some.none() | amounts),
            subscription_eur_per_year_ttc=draw(amounts),
            prices_eur_per_kwh_ht={},
            prices_eur_per_kwh_ttc={"HC": draw(amounts), "HP": draw(amounts)},
            note=draw(some.none() | texts),
        )
        document = PriceDocument("supplier", draw(texts), draw(some.none() | texts), None, draw(some.none()))
        sourced = SourcedTariff(tariff, (document,), draw(some.none() | instants))
        contracts.append(Contract(supplier, tariff.offer, "HPHC", tariff.power_kva, (sourced,)))
    rate = DatedRate(
        duty="accise",
        unit="EUR/kWh",
        applies_from=draw(days),
        applies_to=None,
        value=draw(amounts),
        source=draw(texts),
    )
    colours = {option: draw(some.dictionaries(days, texts, max_size=3)) for option in ("TEMPO", "EJP")}
    market = replace(shipped_market(), contracts=contracts, duties=Duties((rate,), ()))
    return PortfolioMarket(market, colours)


@given(markets())
@settings(deadline=None, max_examples=60)
def test_a_market_comes_back_from_its_file_as_it_was(market: PortfolioMarket) -> None:
    data = encode_market(market)
    found = decode_market(data, "file")
    assert found.market.contracts == market.market.contracts
    assert repr(found.market.duties) == repr(market.market.duties)
    assert found.colours == market.colours
    assert list(found.calendars()) == list(market.calendars())
    # Decimals that are equal may differ in their digits, so their texts are compared too.
    assert [repr(one.tariffs[0].tariff) for one in found.market.contracts] == [
        repr(one.tariffs[0].tariff) for one in market.market.contracts
    ]
    assert found.edition == market.edition
    assert encode_market(found) == data
    assert market_sha256(found) == json.loads(data)["sha256"]


@pytest.mark.parametrize("prices", ["now", "then"])
def test_homes_are_billed_alike_in_every_digit(prices: PriceBasis) -> None:
    terms = PortfolioTerms(market=SHIPPED, prices=prices, now=NOW, today=NOW.date())
    homes = [
        MeteredHome(str(power_kva), HomeSetting(power_kva, ()), curve(power_kva))
        for power_kva in range(3, 37, 3)
    ]
    found = decode_market(FILE, "file")
    assert found.edition == SHIPPED.edition
    rows = bill_homes(homes, replace(terms, market=found))
    assert rows == bill_homes(homes, terms)
    assert len(rows) > 500


def test_the_checksum_is_that_of_the_canonical_form() -> None:
    """Whoever has the file can compute it with other tools: `jq -cj .market | sha256sum`."""
    found = json.loads(FILE)
    packed = json.dumps(found["market"], separators=(",", ":"), ensure_ascii=False).encode()
    assert hashlib.sha256(packed).hexdigest() == found["sha256"]
    indented = json.dumps(found, indent=4, ensure_ascii=False).encode()
    assert decode_market(indented, "file") == SHIPPED


@given(some.integers(START_OF_MARKET, len(FILE) - 1), some.integers(0, 255))
@settings(deadline=None, max_examples=100)
def test_a_byte_that_changed_is_refused_or_changes_nothing(place: int, byte: int) -> None:
    data = FILE[:place] + bytes([byte]) + FILE[place + 1 :]
    with suppress(PortfolioError):
        assert decode_market(data, "market.json") == SHIPPED


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "m is no market of a portfolio: Input data was truncated"),
        (FILE[:-500], "m is no market of a portfolio: Input data was truncated"),
        (
            b'{"format": "geojson", "format_version": 1}',
            "m is no market of a portfolio: its format is 'geojson'",
        ),
        (
            FILE.replace(b'"format_version": 1', b'"format_version": 2', 1),
            "m is a market of format version 2, this OpenWatt reads version 1",
        ),
        (
            FILE.replace(b'"0.1940"', b'"0.1941"', 1),
            "m was changed or damaged: its market has not the sha256 that it names",
        ),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(data: bytes, reason: str) -> None:
    assert data != FILE
    with pytest.raises(PortfolioError) as refused:
        decode_market(data, "m")
    assert str(refused.value).startswith(reason)


@pytest.mark.parametrize("place", [99, -1])
def test_a_market_that_contradicts_itself_is_refused_although_its_checksum_is_right(place: int) -> None:
    whole = json.loads(FILE)
    whole["market"]["contracts"][0]["calendar"] = place
    packed = json.dumps(whole["market"], separators=(",", ":"), ensure_ascii=False).encode()
    whole["sha256"] = hashlib.sha256(packed).hexdigest()
    with pytest.raises(PortfolioError, match="m cannot be read"):
        decode_market(json.dumps(whole, ensure_ascii=False).encode(), "m")
