import pytest

from openwatt.catalogue.calendars import calendar_for, read_calendars
from openwatt.domain.errors import CalendarError

BASE = '[[calendar]]\noption="BASE"\nsource="s"\n[[calendar.rule]]\nregister="BASE"\n'
OTHER = BASE.replace('source="s"', 'source="s"\nsupplier="Ilek"\noffer="VE"')


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("calendar = 1", "hold no [[calendar]]"),
        ("[[calendar", "are no TOML"),
        ('[[calendar]]\noption="BASE"', "calendar 1 (BASE): no source"),
        (BASE.replace('"BASE"\nsource', '"BAS"\nsource'), "option 'BAS' is none of BASE, HPHC"),
        (BASE + 'hours=["6-22"]', "calendar 1 (BASE), rule 1: '6-22' in '6-22' is not a range of hours"),
        (BASE + "months=[13]", "rule 1: 13 is no month"),
        (BASE + 'weekdays=["lundi"]', "rule 1: 'lundi' is no weekday, write one of monday, tuesday"),
        (BASE + 'hours=["06:00-22:00"]\noff_peak=true', "hours and off_peak exclude each other"),
        (BASE + 'colour=["BLEU"]', "rule 1: unknown key colour"),
        (BASE + 'applies_from="2020"', "applies_from '2020' is no day, write it as 2025-11-01"),
        (
            BASE.replace('source="s"', 'source="s"\nday_starts="25:00"'),
            "25:00 in '25:00-24:00' is no time of day",
        ),
    ],
)
def test_a_wrong_entry_is_refused_with_its_place_and_reason(text: str, reason: str) -> None:
    with pytest.raises(CalendarError) as refusal:
        read_calendars(text)
    assert reason in str(refusal.value)


def test_the_calendar_of_an_offer_goes_before_that_of_its_option() -> None:
    calendars = read_calendars(BASE + OTHER)
    assert calendar_for("BASE", "Ilek", "VE", calendars).offer == "VE"
    assert calendar_for("BASE", "Ilek", "Base", calendars).offer is None


def test_an_option_without_a_calendar_is_named() -> None:
    with pytest.raises(CalendarError, match="no register calendar is known for option 'TEMPI'"):
        calendar_for("TEMPI")
