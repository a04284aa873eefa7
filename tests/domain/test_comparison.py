"""Ranking, savings, advice, profiles: small homes whose figures can be worked out by hand."""

import datetime as dt
import re
from collections.abc import Iterable
from dataclasses import replace
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

from openwatt.catalogue.market import calendar_of, shipped_colours, shipped_market
from openwatt.comparison.question import assumption_message
from openwatt.domain.advice import (
    advise,
    advise_off_peak,
    advise_power,
    advise_red_days,
    cost_of,
    shifting_saves,
)
from openwatt.domain.bill import to_cents
from openwatt.domain.calendar import Home
from openwatt.domain.comparison import Comparison, ComparisonTerms, Market, Ranked, compare
from openwatt.domain.contract import Contract, PriceBasis, SourcedTariff
from openwatt.domain.duties import DatedRate, Duties
from openwatt.domain.errors import BillError, CalendarError
from openwatt.domain.freshness import Overtaken
from openwatt.domain.legal_time import Span, day_start
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.off_peak import parse_off_peak_hours
from openwatt.domain.profiles import PROFILES, profile_curve
from openwatt.domain.tariff import Tariff
from openwatt.domain.usage import Use, use_of_curve, use_of_registers
from openwatt.representations.bills import RankedItem
from openwatt.sentences.catalogue import CODES, sentence
from tests.sentences.refusals import refused

TODAY = dt.date(2026, 11, 22)
NIGHT = parse_off_peak_hours("22:00-06:00")
HOME = Home((NIGHT,), colours=shipped_colours())
#: Ten days of 1 kW: 240 kWh, 160 HP and 80 HC; 10 / 365 of a year.
TEN_DAYS = Span(dt.date(2025, 6, 2), dt.date(2025, 6, 12))


def constant(watts: int, span: Span) -> LoadCurve:
    starts = np.arange(span.start_min, span.end_min, 30, dtype=np.int64)
    return LoadCurve(starts, np.full_like(starts, 30), np.full_like(starts, 30 * watts))


def contract(
    supplier: str, prices: dict[str, str], power_kva: int = 6, per_year: str = "182.50", **changes: object
) -> Contract:
    option = {1: "BASE", 2: "HPHC", 6: "TEMPO"}[len(prices)]
    fields: dict[str, object] = {
        "supplier": supplier,
        "offer": "O",
        "option": option,
        "power_kva": power_kva,
        "applies_from": dt.date(2025, 1, 1),
        "applies_to": None,
        "subscription_eur_per_year_ht": None,
        "subscription_eur_per_year_ttc": Decimal(per_year),
        "prices_eur_per_kwh_ht": {},
        "prices_eur_per_kwh_ttc": {register: Decimal(price) for register, price in prices.items()},
    }
    tariff = Tariff(**fields | changes)  # type: ignore[arg-type]  # a table of fields for the test's eyes
    return Contract(supplier, "O", option, power_kva, (SourcedTariff(tariff),))


def market(*contracts: Contract) -> Market:
    return Market(
        contracts=contracts,
        calendar_of=calendar_of,
        duties=Duties((), ()),
        regulated=frozenset({("State", "O")}),
    )


def terms(span: Span = TEN_DAYS, present: Contract | None = None) -> ComparisonTerms:
    return ComparisonTerms(span=span, prices="then", today=TODAY, present=present.key if present else None)


def kilowatt(home: Home = HOME, span: Span = TEN_DAYS) -> Use:
    return use_of_curve(constant(1000, span), home, span)


NOW = replace(terms(), prices="now")
STATE = contract("State", {"BASE": "0.2000"})  # 48 + 5 = 53
CHEAP = contract("Cheap", {"BASE": "0.1900"}, per_year="219.00")  # 45.60 + 6 = 51.60
NIGHTLY = contract("State", {"HP": "0.2100", "HC": "0.1600"})  # 33.60 + 12.80 + 5 = 51.40


def test_contracts_are_ranked_from_the_cheapest_beside_the_regulated_tariff_of_their_option() -> None:
    result = compare(kilowatt(), market(STATE, CHEAP, NIGHTLY), terms(present=STATE))
    assert [(str(one.contract), to_cents(one.total_ttc)) for one in result.ranking] == [
        ("State O HPHC 6 kVA", Decimal("51.40")),
        ("Cheap O BASE 6 kVA", Decimal("51.60")),
        ("State O BASE 6 kVA", Decimal("53.00")),
    ]
    nightly, cheap, state = result.ranking
    assert (cheap.saving_against_regulated, cheap.saving_against_present) == (
        Fraction("1.40"),
        Fraction("1.40"),
    )
    assert (nightly.saving_against_regulated, nightly.saving_against_present) == (
        Fraction(0),
        Fraction("1.60"),
    )
    assert state.saving_against_present == 0
    item = RankedItem.of(result.ranking[1], result)
    assert item.saving_against_regulated_percent == Decimal("2.6")  # 1.40 / 53
    assert item.total_ttc_eur_per_year is None  # ten days are no year


#: Two days of change of a duty; the first is in the past of `TODAY`.
CHANGE, COMING = dt.date(2026, 8, 1), dt.date(2027, 2, 1)


def seen(contract: Contract, on: dt.date) -> Contract:
    """The contract with the day on which its price was last seen."""
    (tariff,) = contract.tariffs
    return replace(contract, tariffs=(replace(tariff, last_seen_at=day_start(on)),))


def of_today(*contracts: Contract) -> Market:
    """A market whose duties change on `CHANGE` and `COMING`."""
    rates = [
        DatedRate(duty="accise", unit="EUR/kWh", applies_from=start, applies_to=end, value=value, source="")
        for start, end, value in (
            (None, CHANGE - dt.timedelta(days=1), Decimal("0.03085")),
            (CHANGE, COMING - dt.timedelta(days=1), Decimal("0.03062")),
        )
    ]
    return replace(market(*contracts), duties=Duties(tuple(rates), ()))


def names(ranked: Iterable[Ranked]) -> list[str]:
    return [one.contract.supplier for one in ranked]


def test_a_price_that_was_overtaken_is_in_no_ranking_and_saves_nothing() -> None:
    before = CHANGE - dt.timedelta(days=1)
    # From the cheapest: 51.60 seen the day before the change, 53 seen on the day, 54.20 announced early.
    early = contract("Early", {"BASE": "0.2050"}, applies_from=CHANGE)
    found = of_today(seen(CHEAP, before), seen(STATE, CHANGE), seen(early, before))
    now = replace(terms(present=CHEAP), prices="now")
    result = compare(kilowatt(), found, now)
    assert (names(result.ranking), names(result.outdated)) == (["State", "Early"], ["Cheap"])
    (cheap,) = result.outdated
    assert cheap.outdated == Overtaken(before, CHANGE)
    assert (cheap.saving_against_regulated, cheap.saving_against_present) == (None, None)
    # The present contract stays what others are compared with.
    assert [one.saving_against_present for one in result.ranking] == [Fraction("-1.40"), Fraction("-2.60")]
    assert result.bill(cheap.contract).ttc == cheap.total_ttc

    plain = compare(kilowatt(), found, replace(now, include_outdated=True))
    assert (names(plain.ranking), plain.outdated) == (["Cheap", "State", "Early"], ())
    assert plain.ranking[0].saving_against_regulated == Fraction("1.40")
    assert [one.outdated is None for one in plain.ranking] == [False, True, True]

    then = compare(kilowatt(), found, terms(present=CHEAP))
    assert names(then.ranking) == ["Cheap", "State"]  # the early price is of no day of 2025
    assert (then.outdated, [one.outdated for one in then.ranking]) == ((), [None, None])

    day_after_all = compare(kilowatt(), found, replace(now, today=COMING))
    assert day_after_all.ranking == ()
    assert names(day_after_all.outdated) == ["Cheap", "State", "Early"]


def test_a_saving_is_against_a_regulated_tariff_of_today_or_none() -> None:
    found = of_today(seen(CHEAP, TODAY), seen(STATE, CHANGE - dt.timedelta(days=1)))
    result = compare(kilowatt(), found, NOW)
    assert [(one.contract.supplier, one.saving_against_regulated) for one in result.ranking] == [
        ("Cheap", None)
    ]
    assert not result.lacks_market_offers
    result = compare(kilowatt(), of_today(seen(STATE, TODAY), seen(CHEAP, dt.date(2025, 11, 1))), NOW)
    assert result.lacks_market_offers


def test_no_advice_rests_on_an_outdated_price() -> None:
    old, measured = dt.date(2025, 11, 1), constant(600, TEN_DAYS)
    use = use_of_curve(measured, HOME, TEN_DAYS)
    small = contract("State", {"BASE": "0.2000"}, 3, "120.00")
    for state_seen, small_seen, verdict in (
        (TODAY, TODAY, "lower"),
        (TODAY, old, "no_price"),
        (old, TODAY, "no_price"),
    ):
        at_power = of_today(seen(STATE, state_seen), seen(NIGHTLY, old), seen(CHEAP, old))
        every = replace(at_power, contracts=(*at_power.contracts, seen(small, small_seen)))
        result = compare(use, at_power, NOW)
        advice = advise(measured, use, every, NOW, result)
        assert advice.power is not None
        assert (advice.power.highest_w, advice.power.lower_kva, advice.power.verdict) == (600, 3, verdict)
        assert advice.off_peak is None  # the option with off-peak hours has an old price
    plain = replace(NOW, include_outdated=True)
    result = compare(use, at_power, plain)
    assert advise(measured, use, every, plain, result).off_peak is not None


def test_the_bill_of_a_ranked_contract_is_its_total() -> None:
    result = compare(kilowatt(), market(STATE, CHEAP, NIGHTLY), terms())
    assert len(result.ranking) == 3
    for ranked in result.ranking:
        assert result.bill(ranked.contract).ttc == ranked.total_ttc


def test_what_leaves_days_out_only_looks_cheap_and_comes_last_without_a_saving() -> None:
    late = contract("Late", {"BASE": "0.1000"}, applies_from=dt.date(2025, 6, 7))
    result = compare(kilowatt(), market(STATE, late), terms())
    assert [one.contract.supplier for one in result.ranking] == ["State", "Late"]
    assert tuple(map(sentence, result.ranking[1].partial)) == (
        "no price is known from 2025-06-02 to 2025-06-07",
    )
    assert (result.ranking[1].whole, result.ranking[1].saving_against_regulated) == (False, None)
    assert result.bill(late).unpriced_energy == 120 * 60_000


def test_what_leaves_energy_out_for_want_of_a_colour_comes_last_too() -> None:
    prices = dict.fromkeys(("BLEU_HC", "BLEU_HP", "BLANC_HC", "BLANC_HP", "ROUGE_HC", "ROUGE_HP"), "0.01")
    unknown = Home((NIGHT,), colours={"TEMPO": {}})
    result = compare(kilowatt(unknown), market(STATE, contract("State", prices)), terms())
    assert [one.contract.option for one in result.ranking] == ["BASE", "TEMPO"]
    assert "240.000 kWh belong to no known register and are not costed" in map(
        sentence, result.ranking[1].partial
    )
    assert [finding.kind for finding in result.findings] == ["unknown_register"]


def test_what_never_ran_its_dear_registers_comes_after_what_ran_all() -> None:
    prices = dict.fromkeys(("BLEU_HC", "BLEU_HP", "BLANC_HC", "BLANC_HP", "ROUGE_HC", "ROUGE_HP"), "0.01")
    result = compare(kilowatt(), market(STATE, contract("State", prices)), terms())
    assert [(one.contract.option, one.whole) for one in result.ranking] == [("BASE", True), ("TEMPO", True)]
    assert result.ranking[1].total_ttc < result.ranking[0].total_ttc
    assert result.ranking[1].unseen == ("BLANC_HC", "BLANC_HP", "ROUGE_HC", "ROUGE_HP")
    assert result.part_of_year is not None
    assert result.part_of_year.unseen == {"TEMPO": result.ranking[1].unseen}


def test_a_register_that_ran_while_nothing_was_used_was_seen() -> None:
    week = Span(dt.date(2025, 1, 10), dt.date(2025, 1, 21))  # red, white and blue days
    idle = use_of_curve(constant(0, week), HOME, week)
    prices = dict.fromkeys(("BLEU_HC", "BLEU_HP", "BLANC_HC", "BLANC_HP", "ROUGE_HC", "ROUGE_HP"), "0.01")
    result = compare(idle, market(contract("State", prices)), terms(week))
    assert result.ranking[0].unseen == ()


def test_contracts_that_cannot_be_costed_are_left_out_with_the_reason() -> None:
    gone = contract("Gone", {"BASE": "0.1"}, applies_to=dt.date(2025, 2, 1))
    result = compare(kilowatt(Home()), market(STATE, NIGHTLY, gone), terms())
    assert [(one.supplier, sentence(reason)) for one, reason in result.left_out] == [
        ("State", "option HPHC needs the home's off-peak hours, such as 22:30-06:30"),
        ("Gone", "no price with all taxes is known from 2025-06-02 to 2025-06-12"),
    ]
    with refused(BillError, match="no contract can be costed: no price with all taxes"):
        compare(kilowatt(), market(gone), terms())


def test_todays_prices_on_past_use_are_those_of_today_on_every_day() -> None:
    tariffs = [
        contract("State", {"BASE": "0.20"}, applies_to=dt.date(2026, 7, 31)).tariffs[0],
        contract("State", {"BASE": "0.25"}, per_year="365.00", applies_from=dt.date(2026, 8, 1)).tariffs[0],
    ]
    both = Contract("State", "O", "BASE", 6, tuple(tariffs))
    then, now = (
        compare(kilowatt(), market(both), replace(terms(), prices=prices)).ranking[0].total_ttc
        for prices in ("then", "now")
    )
    assert (then, now) == (Fraction(53), Fraction(70))
    ended = replace(both, tariffs=both.tariffs[:1])
    with refused(BillError, match="has no price on 2026-11-22"):
        compare(kilowatt(), market(ended), replace(terms(), prices="now"))


def test_a_power_that_is_never_needed_is_said_with_what_one_step_lower_saves() -> None:
    twelve, nine, six = (
        contract("State", {"BASE": "0.2"}, kva, per_year)
        for kva, per_year in ((12, "292"), (9, "219"), (6, "182.50"))
    )
    curve = constant(7500, TEN_DAYS)
    use = use_of_curve(curve, HOME, TEN_DAYS)
    advice = advise_power(curve, use, twelve, market(twelve, nine, six), terms())
    assert (advice.highest_w, advice.lower_kva, advice.saving_ttc) == (7500, 9, Fraction(2))
    held = advise_power(curve, use, nine, market(twelve, nine, six), terms())
    assert (held.lower_kva, held.saving_ttc) == (None, None)


def test_a_power_that_would_do_but_has_no_price_is_never_said_to_save() -> None:
    six, three = contract("State", {"BASE": "0.2"}), contract("State", {"BASE": "0.2"}, 3, "120")
    gone = contract("State", {"BASE": "0.2"}, 3, "120", applies_to=dt.date(2025, 6, 5))
    curve = constant(600, TEN_DAYS)
    use = use_of_curve(curve, HOME, TEN_DAYS)

    def advised(*others: Contract, prices: PriceBasis) -> tuple[str, int | None, Fraction | None]:
        asked = replace(terms(), prices=prices)
        advice = advise_power(curve, use, six, market(six, *others), asked)
        return advice.verdict, advice.lower_kva, advice.saving_ttc

    assert advised(three, prices="now") == ("lower", 3, Fraction("62.50") * 10 / 365)
    assert advised(gone, prices="now") == ("no_price", 3, None)
    assert advised(gone, prices="then") == ("no_price", 3, None)
    assert advised(prices="now") == ("lowest", None, None)
    dear = contract("State", {"BASE": "0.3"}, 3, "182.50")
    assert advised(dear, prices="now")[:2] == ("costs_more", 3)


def test_of_lower_powers_that_would_do_the_highest_with_a_price_is_advised() -> None:
    twelve = contract("State", {"BASE": "0.2"}, 12, "292")
    six = contract("State", {"BASE": "0.2"}, 6, "182.50")
    nine = contract("State", {"BASE": "0.2"}, 9, "219", applies_to=dt.date(2025, 2, 1))
    curve = constant(3000, TEN_DAYS)
    advice = advise_power(
        curve, use_of_curve(curve, HOME, TEN_DAYS), twelve, market(twelve, nine, six), terms()
    )
    assert (advice.verdict, advice.lower_kva, advice.saving_ttc) == ("lower", 6, Fraction(3))


def test_the_advice_names_no_lower_power_when_the_present_one_is_needed() -> None:
    nine, six = (contract("State", {"BASE": "0.2"}, kva) for kva in (9, 6))
    curve = constant(7500, TEN_DAYS)
    advice = advise_power(curve, use_of_curve(curve, HOME, TEN_DAYS), nine, market(nine, six), terms())
    assert (advice.verdict, advice.lower_kva) == ("keep", None)


def test_hphc_pays_from_the_share_at_which_both_cost_the_same() -> None:
    result = compare(kilowatt(), market(STATE, NIGHTLY), terms())
    advice = advise_off_peak(STATE, NIGHTLY, result)
    # 240 kWh: 48 = 50.40 - share x 12
    assert (advice.share, advice.break_even_share, advice.pays) == (Fraction(1, 3), Fraction(1, 5), True)
    dear = contract("State", {"HP": "0.2", "HC": "0.2"})
    never = advise_off_peak(STATE, dear, compare(kilowatt(), market(STATE, dear), terms()))
    assert (never.break_even_share, never.pays) == (None, None)


def test_red_days_are_counted_and_moving_a_kwh_off_them_is_priced() -> None:
    key = ("EDF", "Tarif Bleu", "TEMPO", 6)
    tempo = next(one for one in shipped_market().contracts if one.key == key)
    # 13 to 17 January 2025 were red: four days of 16 h HP and 8 h HC at 1 kW.
    week = Span(dt.date(2025, 1, 14), dt.date(2025, 1, 18))
    result = compare(kilowatt(span=week), replace(shipped_market(), contracts=(tempo,)), terms(week))
    advice = advise_red_days(result, tempo)
    assert advice is not None
    assert (advice.days, advice.energy) == (4, 96 * 60_000)
    assert advice.cost_ttc == 64 * Fraction("0.7562") + 32 * Fraction("0.1568")
    assert advice.saving_per_kwh_to_night == Fraction("0.5994")
    assert advice.saving_per_kwh_to_blue == Fraction("0.5953")


def test_a_day_s_energies_cost_what_each_register_s_price_says() -> None:
    tariff = NIGHTLY.tariffs[0].tariff
    assert cost_of({"HP": 4 * 60_000, "HC": 6 * 60_000}, tariff) == Fraction("1.80")
    assert shifting_saves(2 * 60_000, "HP", "HC", tariff) == Fraction("0.10")
    with pytest.raises(BillError, match="no price with all taxes for BASE"):
        cost_of({"BASE": 1}, tariff)


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_spreads_exactly_the_kwh_it_is_given_and_says_what_it_assumes(name: str) -> None:
    year = Span(dt.date(2025, 10, 1), dt.date(2026, 10, 1))
    curve = profile_curve(name, 4321, year, (NIGHT,))
    assert curve.energy == 4321 * 60_000
    assert curve.coverage(year.start_min, year.end_min).is_complete
    assumed = sentence(assumption_message(name))
    assert name in assumed
    assert "OpenWatt's own assumption" in assumed
    shares = [getattr(PROFILES[name], use) for use in ("appliances", "heating", "night_heater", "car")]
    for code in CODES:  # the figures are those of the profile
        text = sentence(assumption_message(name), code)
        assert [int(share) for share in re.findall(r"(\d+)\s%", text)] == [share for share in shares if share]


def share(name: str, start: dt.date, end: dt.date) -> Fraction:
    """The share of a year's HC, or of its kWh in some days, under a profile."""
    year = Span(dt.date(2025, 10, 1), dt.date(2026, 10, 1))
    curve = profile_curve(name, 10_000, year, (NIGHT,))
    days = Span(start, end)
    before = curve.energies_before(np.array([days.start_min, days.end_min], dtype=np.int64))
    return Fraction(int(before[1] - before[0]), curve.energy)


def test_profiles_differ_as_their_names_say() -> None:
    january = dt.date(2026, 1, 1), dt.date(2026, 2, 1)
    july = dt.date(2026, 7, 1), dt.date(2026, 8, 1)
    assert share("electric_heating", *january) > Fraction("0.14") > share("base", *january) > Fraction("0.08")
    assert share("electric_heating", *july) < Fraction("0.05") < share("base", *july)
    # Saturday 4 July 2026 against Friday the 3rd: appliances run 112 to 100.
    saturday, friday = (share("base", dt.date(2026, 7, n), dt.date(2026, 7, n + 1)) for n in (4, 3))
    assert saturday / friday == pytest.approx(1.12, rel=1e-4)
    year = Span(dt.date(2025, 10, 1), dt.date(2026, 10, 1))
    night = {}
    for name in PROFILES:
        use = use_of_curve(profile_curve(name, 10_000, year, (NIGHT,)), HOME, year)
        usage = use(calendar_of(NIGHTLY))
        night[name] = Fraction(int(usage.energies[:, 1].sum()), 10_000 * 60_000)
    assert night["electric_car"] > night["night_heater"] > Fraction("0.4") > night["base"] > Fraction("0.15")


@pytest.mark.parametrize(
    ("name", "kwh", "reason"),
    [("castle", 1, "profile 'castle' is none of base"), ("base", 0, "is not above 0")],
)
def test_a_wrong_profile_is_refused(name: str, kwh: int, reason: str) -> None:
    with pytest.raises(BillError, match=reason):
        profile_curve(name, kwh, TEN_DAYS, (NIGHT,))
    with pytest.raises(BillError, match="needs the off-peak hours"):
        profile_curve("electric_car", 1, TEN_DAYS, ())


def test_calendars_made_anew_for_each_contract_are_not_mistaken_for_each_other() -> None:
    several = [STATE, NIGHTLY, CHEAP, *(contract(f"S{n}", {"HP": "0.3", "HC": "0.1"}) for n in range(20))]
    anew = replace(market(*several), calendar_of=lambda one: replace(calendar_of(one), source="made anew"))
    assert (
        compare(kilowatt(), anew, terms()).ranking == compare(kilowatt(), market(*several), terms()).ranking
    )


def test_kwh_by_register_cost_the_option_they_are_of_and_base() -> None:
    use = use_of_registers({"HP": Decimal(160), "HC": Decimal(80)}, TEN_DAYS)
    result = compare(use, market(STATE, NIGHTLY), terms())
    assert {one.contract.option: one.total_ttc for one in result.ranking} == {
        "BASE": 53,
        "HPHC": Fraction("51.40"),
    }
    prices = dict.fromkeys(("BLEU_HC", "BLEU_HP", "BLANC_HC", "BLANC_HP", "ROUGE_HC", "ROUGE_HP"), "0.01")
    tempo = compare(use, market(STATE, contract("State", prices)), terms())
    assert sentence(tempo.left_out[0][1]) == "kWh of HP, HC do not tell those of the registers of TEMPO"


@pytest.mark.parametrize(
    "kwh", [{"HX": Decimal(1)}, {"HP": Decimal(1)}, {"BASE": Decimal(-1)}, {"BASE": Decimal("nan")}]
)
def test_kwh_of_no_option_are_refused(kwh: dict[str, Decimal]) -> None:
    with pytest.raises(CalendarError):
        use_of_registers(kwh, TEN_DAYS)


def test_a_comparison_without_anything_in_it_says_so() -> None:
    with refused(BillError, match="no contract can be costed: there is none"):
        compare(kilowatt(), market(), terms())


def test_a_contract_that_was_not_costed_has_no_advice() -> None:
    result: Comparison = compare(kilowatt(), market(STATE), terms())
    with pytest.raises(BillError, match="was not costed"):
        advise_off_peak(STATE, NIGHTLY, result)
    with pytest.raises(BillError, match="was not costed"):
        advise_red_days(result, NIGHTLY)
