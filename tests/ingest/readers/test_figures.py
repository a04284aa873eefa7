import datetime as dt

import pytest

from openwatt.ingest.readers.figures import find_validity, parse_amount, parse_powers, plain


@pytest.mark.parametrize(
    ("printed", "value", "marks"),
    [
        ("0,1952", "0.1952", ""),
        ("15.47€", "15.47", ""),
        ("€15,47", "15.47", ""),
        ("0,1327*", "0.1327", "*"),
        ("11,73(1)", "11.73", "(1)"),
        ("680,26", "680.26", ""),
        ("0,111620", "0.111620", ""),
    ],
)
def test_an_amount_keeps_every_digit_and_its_marks(printed: str, value: str, marks: str) -> None:
    amount = parse_amount(printed)
    assert amount is not None
    assert (str(amount.value), amount.marks) == (value, marks)


@pytest.mark.parametrize(
    "printed", ["36", "15,4", "1 511", "01/08/2025", "2,99 8", "Réf.230", "04.67.12", "-12,50", ""]
)
def test_a_whole_number_a_date_or_a_telephone_is_no_amount(printed: str) -> None:
    assert parse_amount(printed) is None


@pytest.mark.parametrize(
    ("printed", "steps"),
    [
        ("6", (6,)),
        ("6kVA", (6,)),
        ("9*", (9,)),
        ("24-30", (24, 30)),
        ("0-5", (3,)),
        ("18-23", (18,)),
        ("36", (36,)),
    ],
)
def test_powers_stand_for_the_usual_steps_of_their_range(printed: str, steps: tuple[int, ...]) -> None:
    powers = parse_powers(printed)
    assert powers is not None
    assert powers.steps() == steps


@pytest.mark.parametrize("printed", ["0", "37", "8-6", "6-6", "12,5", "kVA", "2025"])
def test_what_is_no_power_is_none(printed: str) -> None:
    assert parse_powers(printed) is None


@pytest.mark.parametrize(
    ("text", "first", "precision", "last"),
    [
        ("Applicable au 1 er aout 2025", dt.date(2025, 8, 1), "day", None),
        ("Valable à compter du 28 octobre 2025", dt.date(2025, 10, 28), "day", None),
        ("Grille tarifaire - novembre 2025", dt.date(2025, 11, 1), "month", None),
        (
            "disponible à la souscription du 03 au 30 Novembre 2025",
            dt.date(2025, 11, 3),
            "day",
            dt.date(2025, 11, 30),
        ),
        (
            "pour toute souscription du 05/11/2025 au 07/01/2026 non inclus",
            dt.date(2025, 11, 5),
            "day",
            dt.date(2026, 1, 6),
        ),
        (
            "remise sur le tarif réglementé au 01/02/2025. En vigueur au 01/08/2025",
            dt.date(2025, 8, 1),
            "day",
            None,
        ),
    ],
)
def test_the_day_of_a_grid_is_read_with_its_precision(
    text: str, first: dt.date, precision: str, last: dt.date | None
) -> None:
    found, end, others = find_validity(plain(text))
    assert found is not None
    assert (found.day, found.precision, end, others) == (first, precision, last, [])


def test_two_days_with_an_equal_claim_are_both_told() -> None:
    found, _, others = find_validity(
        plain("Applicable au 1er août 2025. Prix applicables au 1er février 2026")
    )
    assert found is not None
    assert (found.day, others) == (dt.date(2025, 8, 1), ["1er fevrier 2026"])


def test_a_date_of_something_else_is_no_date_of_the_grid() -> None:
    assert find_validity(plain("établies avec le TURPE 7 du 1er août 2025, arrêté du 31/02/2025")) == (
        None,
        None,
        [],
    )


def test_comparison_ignores_accents_case_and_typography() -> None:
    assert plain("L’Énergie − ÉTÉ") == "l'energie - ete"
