"""How items are looked at: side by side, each with a deadline, none in the way of another."""

import threading
import time
from collections.abc import Callable, Iterator

import pytest

from openwatt.doctor.checklist import GUIDE, ITEMS
from openwatt.doctor.context import CheckContext
from openwatt.doctor.http_probe import HttpProbe, ProbeError
from openwatt.doctor.results import CheckFailedError, CheckResult, CheckSkippedError, CheckVerdict, ok
from openwatt.doctor.runner import Item, run_checks, select_items
from openwatt.domain.errors import OpenWattError
from openwatt.settings import Settings
from tests.chaos.running import free_port


@pytest.fixture
def context() -> Iterator[CheckContext]:
    with HttpProbe() as http:
        yield CheckContext(
            settings=Settings(
                redis_url="redis://:hunter2%2Fsecret@127.0.0.1/0",
                admin_token="T" * 32,
                database_url="postgresql://u:pw-of-base@h/d",
            ),
            environ={},
            http=http,
            timeout_s=0,
        )


def item(
    name: str, check: Callable[[CheckContext], CheckVerdict], *needs: str, deadline_s: float = 10
) -> Item:
    return Item(name=name, area="test", check=check, needs=needs, remedy="fix it", deadline_s=deadline_s)


def well(_context: CheckContext) -> CheckVerdict:
    return ok("well")


def raising(error: BaseException) -> Callable[[CheckContext], CheckVerdict]:
    def check(_context: CheckContext) -> CheckVerdict:
        raise error

    return check


@pytest.mark.parametrize(
    ("error", "status", "message", "remedy"),
    [
        (CheckFailedError("it is broken"), "failed", "it is broken", "fix it"),
        (CheckFailedError("it is broken", "do this"), "failed", "it is broken", "do this"),
        (ProbeError("it is mute"), "failed", "it is mute", "fix it"),
        (OpenWattError("away"), "failed", "away", "fix it"),
        (CheckSkippedError("X is not set"), "skipped", "X is not set", ""),
        (KeyError("data"), "failed", "the check itself broke: KeyError: 'data'", "fix it"),
    ],
)
def test_what_a_check_raises_is_its_own_verdict(
    context: CheckContext, error: Exception, status: str, message: str, remedy: str
) -> None:
    found = run_checks(context, [item("a", raising(error)), item("b", well)])
    assert [(one.status, one.message, one.remedy) for one in found] == [
        (status, message, remedy),
        ("ok", "well", ""),
    ]


def test_a_check_that_hangs_fails_at_its_deadline_and_holds_up_no_other(context: CheckContext) -> None:
    ended = threading.Event()

    def hang(_context: CheckContext) -> CheckVerdict:
        ended.wait(60)
        return ok("at last")

    told: list[str] = []
    began = time.monotonic()
    try:
        found = run_checks(
            context,
            [item("a", hang, deadline_s=0.3), item("b", well)],
            lambda finding: told.append(finding.item),
        )
    finally:
        ended.set()
    assert time.monotonic() - began < 30
    assert [(one.status, one.message) for one in found] == [
        ("failed", "the check was not done within 0.3 s"),
        ("ok", "well"),
    ]
    assert told == ["b", "a"]


def test_what_needs_a_broken_item_is_skipped_and_names_the_first_that_broke(context: CheckContext) -> None:
    looked = []

    def look(_context: CheckContext) -> CheckVerdict:
        looked.append(1)
        return ok("")

    found = run_checks(
        context,
        [
            item("a", raising(CheckFailedError("broken"))),
            item("b", look, "a"),
            item("c", look, "b"),
            item("d", raising(CheckSkippedError("D is not set"))),
            item("e", look, "d"),
            item("f", well),
        ],
    )
    assert [one.message for one in found] == [
        "broken",
        "because a failed",
        "because a failed",
        "D is not set",
        "D is not set",
        "well",
    ]
    assert [one.status for one in found] == ["failed", "skipped", "skipped", "skipped", "skipped", "ok"]
    assert not looked


def test_items_are_looked_at_side_by_side(context: CheckContext) -> None:
    met = threading.Barrier(3)

    def meet(_context: CheckContext) -> CheckVerdict:
        met.wait(20)
        return ok("met")

    assert [one.message for one in run_checks(context, [item(name, meet) for name in "abc"])] == ["met"] * 3


def test_no_secret_is_shown_whoever_repeats_it(context: CheckContext) -> None:
    said = (
        f"cannot use redis://:hunter2%2Fsecret@127.0.0.1/0 or hunter2/secret, {'T' * 32}, pw-of-base, "
        "postgresql://x:other-password@h/d, Authorization: Bearer abcdefgh"
    )
    (found,) = run_checks(context, [item("a", raising(CheckFailedError(said, f"use {'T' * 32}")))])
    for secret in ("hunter2", "T" * 32, "pw-of-base", "other-password", "abcdefgh"):
        assert secret not in found.message + found.remedy, found
    assert "127.0.0.1" in found.message


def test_a_chosen_item_comes_with_those_it_needs() -> None:
    assert [one.name for one in select_items(ITEMS, ["watchdog"])] == [
        "prometheus",
        "rules",
        "alertmanager",
        "watchdog",
    ]
    assert select_items(ITEMS, []) == list(ITEMS)


def test_items_have_names_of_their_own_and_need_what_there_is() -> None:
    names = [one.name for one in ITEMS]
    assert len(set(names)) == len(names) > 25
    assert {need for one in ITEMS for need in one.needs} <= set(names)
    assert all(one.remedy for one in ITEMS)


def test_every_line_of_the_guides_checklist_is_executable() -> None:
    assert len(GUIDE) == 14
    covered = {line for one in ITEMS for line in one.guide}
    assert covered == set(GUIDE)


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://name:hunter2@127.0.0.1:{port}", "http://127.0.0.1:{port} refuses connections"),
        ("http://127.0.0.1:port", "is no address of an HTTP server"),
        ("https://127.0.0.1:{port}/x?token=hunter2", "https://127.0.0.1:{port}/x refuses connections"),
    ],
)
def test_who_does_not_answer_is_named_without_secrets(url: str, message: str) -> None:
    port = free_port()
    with HttpProbe() as http, pytest.raises(ProbeError) as caught:
        http.request(url.format(port=port))
    assert message.format(port=port) in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_results_are_reported_one_at_a_time(context: CheckContext) -> None:
    inside = threading.Lock()
    together: list[bool] = []

    def found(_finding: CheckResult) -> None:
        free = inside.acquire(blocking=False)
        together.append(not free)
        time.sleep(0.01)
        inside.release()

    run_checks(context, [item(str(number), well) for number in range(8)], found)
    assert together == [False] * 8
