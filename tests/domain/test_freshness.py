"""How far a price can be trusted to be that of today, and a source to tell it."""

import datetime as dt
from decimal import Decimal

import pytest

from openwatt.domain.freshness import (
    NEVER,
    DataStatus,
    DataStatusReason,
    ExplainedStatus,
    Overtaken,
    SourceIncident,
    SourceStatus,
    data_status,
    explained_status,
    incident_of,
    next_source_status_change,
    next_status_change,
    overtaken,
    source_status,
)
from openwatt.domain.tariff import Tariff

NOW = dt.datetime(2026, 11, 22, 12, tzinfo=dt.UTC)
TODAY = NOW.date()


def tariff(applies_to: dt.date | None) -> Tariff:
    return Tariff(
        supplier="Lumière",
        offer="Fixe",
        option="BASE",
        power_kva=6,
        applies_from=dt.date(2025, 8, 1),
        applies_to=applies_to,
        subscription_eur_per_year_ht=None,
        subscription_eur_per_year_ttc=Decimal(180),
        prices_eur_per_kwh_ht={},
        prices_eur_per_kwh_ttc={"BASE": Decimal("0.19")},
    )


@pytest.mark.parametrize(
    ("days", "incident", "status"),
    [
        (0, None, "fresh"),
        (7, None, "fresh"),
        (8, None, "verifying"),
        (14, None, "stale"),
        (0, "refused", "verifying"),
        (8, "refused", "verifying"),
        (14, "refused", "stale"),
        (0, "failing", "broken"),
        (14, "failing", "broken"),
    ],
)
def test_a_tariff_in_force_is_judged_by_its_last_sight_and_its_source(
    days: int, incident: SourceIncident | None, status: DataStatus
) -> None:
    seen = NOW - dt.timedelta(days=days)
    for applies_to in (None, TODAY):
        found = data_status(
            tariff(applies_to), on=TODAY, last_seen_at=seen, now=NOW, incident=incident, changes=()
        )
        assert found == status
    assert source_status(last_success_at=seen, incident=incident, now=NOW) == status


@pytest.mark.parametrize("incident", [None, "refused", "failing"])
def test_a_period_that_is_over_does_not_depend_on_its_source(incident: SourceIncident | None) -> None:
    over = tariff(dt.date(2026, 7, 31))
    long_ago = NOW - dt.timedelta(days=300)
    for on, status in ((dt.date(2026, 7, 1), "fresh"), (TODAY, "stale")):
        assert (
            data_status(over, on=on, last_seen_at=long_ago, now=NOW, incident=incident, changes=()) == status
        )


@pytest.mark.parametrize(
    ("refused", "failures", "incident", "status"),
    [
        (False, 0, None, "never"),
        (True, 1, "refused", "never"),
        (False, 2, None, "never"),
        (True, 3, "failing", "broken"),
        (False, 3, "failing", "broken"),
    ],
)
def test_three_failures_in_a_row_break_a_source(
    *, refused: bool, failures: int, incident: SourceIncident | None, status: SourceStatus
) -> None:
    assert incident_of(refused=refused, failures_in_a_row=failures) == incident
    assert source_status(last_success_at=None, incident=incident, now=NOW) == status


#: Among them the day of a clock change.
ENDS = [None, TODAY, dt.date(2026, 10, 25), dt.date(2026, 11, 30), dt.date.max]


@pytest.mark.parametrize("of_duties", [(), (dt.date(2026, 10, 26),), (dt.date(2026, 12, 1),)])
@pytest.mark.parametrize("incident", [None, "refused", "failing"])
@pytest.mark.parametrize("applies_to", ENDS)
@pytest.mark.parametrize("on", [dt.date(2026, 10, 1), TODAY, dt.date(2026, 12, 24)])
def test_the_next_change_of_a_status_is_neither_missed_nor_invented(
    applies_to: dt.date | None,
    on: dt.date,
    incident: SourceIncident | None,
    of_duties: tuple[dt.date, ...],
) -> None:
    end, moment = dt.datetime(2026, 12, 20, tzinfo=dt.UTC), dt.timedelta.resolution
    for seen in (dt.datetime(2026, 10, 20, 3, tzinfo=dt.UTC), NOW):

        def status(now: dt.datetime, seen: dt.datetime = seen) -> tuple[ExplainedStatus, SourceStatus]:
            offered = explained_status(
                tariff(applies_to), on=on, last_seen_at=seen, now=now, incident=incident, changes=of_duties
            )
            return offered, source_status(last_success_at=seen, incident=incident, now=now)

        changes = set()
        now = dt.datetime(2026, 10, 18, tzinfo=dt.UTC)
        while now < end:  # from change to change
            of_tariff = next_status_change(
                tariff(applies_to), on=on, last_seen_at=seen, now=now, incident=incident, changes=of_duties
            )
            of_source = next_source_status_change(last_success_at=seen, incident=incident, now=now)
            for number, change in enumerate((of_tariff, of_source)):
                if change == NEVER:
                    assert status(end)[number] == status(now)[number]
                else:
                    assert status(change - moment)[number] == status(now)[number] != status(change)[number]
            now = min(of_tariff, of_source)
            changes.add(now)
        hour, now = dt.timedelta(hours=1), dt.datetime(2026, 10, 18, tzinfo=dt.UTC)
        while now < end:  # and hour by hour
            if status(now) != status(now + hour):
                assert any(now < change <= now + hour for change in changes)
            now += hour


def test_what_was_never_seen_does_not_change_by_itself() -> None:
    assert next_source_status_change(last_success_at=None, incident=None, now=NOW) == NEVER


#: Days on which duties or the network tariff change; the last is to come.
CHANGES = (dt.date(2026, 2, 1), dt.date(2026, 8, 1), dt.date(2027, 2, 1))
FEBRUARY, AUGUST, COMING = CHANGES


@pytest.mark.parametrize(
    ("applies_from", "seen_on", "changed_on"),
    [
        (dt.date(2025, 8, 1), AUGUST, None),  # on the very day of the change
        (dt.date(2025, 8, 1), dt.date(2026, 7, 31), AUGUST),  # the day before
        (dt.date(2025, 8, 1), FEBRUARY, AUGUST),
        (dt.date(2025, 8, 1), dt.date(2026, 1, 31), FEBRUARY),  # the first that it says nothing of
        (AUGUST, dt.date(2026, 7, 4), None),  # announced early for the day itself
        (dt.date(2026, 8, 15), dt.date(2026, 7, 4), None),  # or for a later one
        (dt.date(2026, 7, 31), dt.date(2026, 7, 4), AUGUST),
        (dt.date(2025, 8, 1), TODAY, None),
    ],
)
def test_a_price_is_overtaken_by_the_first_change_that_it_says_nothing_of(
    applies_from: dt.date, seen_on: dt.date, changed_on: dt.date | None
) -> None:
    expected = None if changed_on is None else Overtaken(seen_on, changed_on)
    assert overtaken(applies_from, seen_on, today=TODAY, changes=CHANGES) == expected
    assert overtaken(applies_from, seen_on, today=TODAY, changes=()) is None


def test_what_is_seen_today_is_overtaken_on_the_day_of_the_coming_change() -> None:
    for day, expected in ((COMING - dt.timedelta(days=1), None), (COMING, Overtaken(TODAY, COMING))):
        assert overtaken(dt.date(2025, 8, 1), TODAY, today=day, changes=CHANGES) == expected


@pytest.mark.parametrize(
    ("days", "incident", "status", "reason"),
    [
        (0, None, "fresh", None),
        (0, "refused", "verifying", "refused"),
        (8, None, "verifying", "not_seen"),
        (8, "refused", "verifying", "refused"),
        (14, None, "stale", "not_seen"),
        (14, "refused", "stale", "not_seen"),
        (200, None, "stale", "overtaken"),
        (200, "refused", "stale", "overtaken"),
        (0, "failing", "broken", "failing"),
        (200, "failing", "broken", "overtaken"),
    ],
)
def test_a_status_has_its_strongest_reason(
    days: int, incident: SourceIncident | None, status: DataStatus, reason: DataStatusReason | None
) -> None:
    seen = NOW - dt.timedelta(days=days)
    found = explained_status(
        tariff(None), on=TODAY, last_seen_at=seen, now=NOW, incident=incident, changes=CHANGES
    )
    assert found == (status, reason)


def test_what_has_ended_or_is_over_is_not_overtaken() -> None:
    over, seen = tariff(dt.date(2026, 7, 31)), dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    for on, expected in ((TODAY, ("stale", "ended")), (dt.date(2026, 7, 1), ("fresh", None))):
        assert explained_status(over, on=on, last_seen_at=seen, now=NOW, changes=CHANGES) == expected


def test_a_price_seen_the_day_before_a_change_is_stale_from_midnight_in_france() -> None:
    seen, midnight = dt.datetime(2027, 1, 31, 12, tzinfo=dt.UTC), dt.datetime(2027, 1, 31, 23, tzinfo=dt.UTC)

    def status(now: dt.datetime) -> tuple[str, str | None]:
        on = now.astimezone(dt.timezone(dt.timedelta(hours=1))).date()
        return explained_status(tariff(None), on=on, last_seen_at=seen, now=now, changes=CHANGES)

    assert status(midnight - dt.timedelta(seconds=1)) == ("fresh", None)
    assert status(midnight) == ("stale", "overtaken")
    for on in (dt.date(2027, 1, 31), dt.date(2026, 11, 1)):
        assert midnight == next_status_change(
            tariff(None), on=on, last_seen_at=seen, now=seen, changes=CHANGES
        )
    # What is seen on the day itself is its price, until it grows old.
    seen = midnight + dt.timedelta(hours=1)
    change = next_status_change(tariff(None), on=COMING, last_seen_at=seen, now=seen, changes=CHANGES)
    assert change > seen + dt.timedelta(days=7)
