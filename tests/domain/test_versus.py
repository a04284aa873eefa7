"""Two contracts side by side: every table adds up to the bill, and the sentences to figures by hand."""

import datetime as dt
from fractions import Fraction

from hypothesis import assume, given
from hypothesis import strategies as st

from openwatt.catalogue.market import calendar_of
from openwatt.domain.calendar import lay_out
from openwatt.domain.comparison import Market, compare
from openwatt.domain.contract import Contract
from openwatt.domain.usage import measure
from openwatt.domain.versus import Versus, contracts_beside
from openwatt.sentences.catalogue import sentence
from tests.domain.test_comparison import HOME, STATE, TEN_DAYS, constant, contract, kilowatt, market, terms
from tests.domain.test_exactness import (
    NO_DUTIES,
    calendars,
    contracts,
    curves,
    homes,
    periods_of,
    slow,
    spans,
)

DAYS, JOURS = "over these 10 days", "sur ces 10 jours"
OTHERS = "at all other hours together"
MEAN = "in the mean of this use, without the subscription"
NOWHERE = "at no hour do the kWh cost less"
#: 160 × 0.25 + 80 × 0.08 = 46.40; with 5 of subscription 51.40, the regulated one costs 53.
NIGHT = contract("Night", {"HP": "0.2500", "HC": "0.0800"})


def beside(first: Contract, second: Contract) -> Versus:
    comparison = compare(kilowatt(), market(first, second), terms())
    curve = constant(1000, TEN_DAYS)
    return contracts_beside(comparison, (first.key, second.key), calendar_of, curve, HOME)


def told(versus: Versus, code: str = "en") -> list[str]:
    names = {one.contract.key: one.contract.supplier for one in (versus.first, versus.second)}
    return [sentence(reason, code) for reason in versus.reasons(names)]


def test_a_night_contract_costs_less_at_night_and_more_by_day() -> None:
    versus = beside(STATE, NIGHT)
    assert versus.first.total_ttc == 53
    assert versus.second.total_ttc == Fraction("51.4")
    assert versus.second.hours is not None
    assert versus.second.hours[23] == Fraction("0.8")  # 10 kWh at 0.08
    assert versus.second.hours[12] == Fraction("2.5")
    assert versus.hour_energies == (600_000,) * 24
    assert [(one.register, one.amount_ttc) for one in versus.second.registers] == [
        ("HP", 40),
        ("HC", Fraction("6.4")),
    ]
    assert told(versus) == [
        f"Night costs €1.60 less than State {DAYS}: €1.60 less for the kWh, the same subscription",
        f"from 22:00 to 6:00, 80 kWh cost €9.60 less with Night; {OTHERS}, 160 kWh cost €8.00 more",
        f"{MEAN}, a kWh costs €0.1933 with Night and €0.2000 with State",
    ]
    assert told(versus, "fr")[0].replace("\N{NO-BREAK SPACE}", " ") == (
        f"Night coûte 1,60 € de moins que State {JOURS} : 1,60 € de moins pour les kWh, le même abonnement"
    )
    assert told(beside(NIGHT, STATE)) == told(versus)


def test_a_subscription_may_decide_against_every_hour() -> None:
    dear_hours = contract("Light", {"BASE": "0.2010"}, per_year="109.50")  # 48.24 + 3
    assert told(beside(dear_hours, STATE))[:2] == [
        f"Light costs €1.76 less than State {DAYS}: €0.24 more for the kWh, €2.00 less of subscription",
        f"{NOWHERE} with Light: they cost €0.24 more in all, and the subscription makes up for it",
    ]


def test_where_each_hour_saves_the_most_of_them_are_named_and_alike_prices_are_said() -> None:
    cheap = contract("Cheap", {"HP": "0.1900", "HC": "0.2000"})
    assert told(beside(STATE, cheap))[1] == (
        "at no hour do the kWh cost more with Cheap; most is saved from 6:00 to 10:00: €0.40 on 40 kWh"
    )
    alike = told(beside(STATE, contract("Same", {"BASE": "0.2000"})))
    assert alike[0].startswith("State and Same cost the same over these 10 days: the same for the kWh")
    assert alike[1] == "at no hour of the day do the kWh cost more with Same than with State, nor less"


def test_totals_of_other_days_have_no_reasons() -> None:
    late = contract("Late", {"BASE": "0.1500"}, applies_from=dt.date(2025, 6, 7))
    versus = beside(STATE, late)
    assert not versus.is_comparable
    assert told(versus) == []


@slow
@given(st.data())
def test_registers_months_and_hours_each_add_up_to_the_bill(data: st.DataObject) -> None:
    span = data.draw(spans())
    calendar, home, curve = data.draw(calendars(span)), data.draw(homes(span)), data.draw(curves(span))
    one = data.draw(contracts(calendar.option, span))
    assume(any(each.tariff for each in periods_of(one, span)))
    usage = measure(curve, lay_out(calendar, home, span.start_min, span.end_min), span)
    market_of_one = Market(
        contracts=[one], calendar_of=lambda _: calendar, duties=NO_DUTIES.duties, regulated=frozenset()
    )
    compared = compare(lambda _: usage, market_of_one, terms(span))
    versus = contracts_beside(compared, (one.key, one.key), lambda _: calendar, curve, home)
    cost = versus.first
    assert cost.total_ttc == compared.costed[one.key].total_ttc
    assert cost.hours is not None
    assert sum(cost.hours) == cost.energy_ttc == sum(each.amount_ttc for each in cost.registers)
    assert sum(cost.months.values()) == cost.total_ttc
    assert versus.hour_energies is not None
    assert sum(versus.hour_energies) == versus.energy == compared.bill(one).energy
