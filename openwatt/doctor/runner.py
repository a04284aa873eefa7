"""The runner of the checks: all in parallel, each with a deadline and after those that it needs."""

import queue
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass

from openwatt.doctor.context import CheckContext
from openwatt.doctor.results import CheckFailedError, CheckResult, CheckSkippedError, CheckVerdict
from openwatt.domain.errors import OpenWattError

CheckFunction = Callable[[CheckContext], CheckVerdict]


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """One check of the doctor's list.

    `guide` are the lines of the operators' guide's checklist that it makes executable;
    `needs` the items without which it says nothing of its own; `remedy` fixes what
    breaks where the check itself knows nothing better.
    """

    name: str
    area: str
    check: CheckFunction
    remedy: str
    guide: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    deadline_s: float = 15.0


def select_items(items: Sequence[Item], names: Sequence[str]) -> list[Item]:
    """Selects the named items and all that they need, in order; every item when none is named."""
    by_name = {item.name: item for item in items}
    wanted: set[str] = set()
    ahead = list(names or by_name)
    while ahead:
        name = ahead.pop()
        if name not in wanted:
            wanted.add(name)
            ahead += by_name[name].needs
    return [item for item in items if item.name in wanted]


def run_checks(
    context: CheckContext,
    items: Sequence[Item],
    on_result: Callable[[CheckResult], None] = lambda _result: None,
) -> list[CheckResult]:
    """Runs the checks of items and returns their results in order; `on_result` is called with each at once.

    It is called in the thread of the caller, who gets what it raises: an output that
    has closed ends the whole.

    A check that raises, or says nothing until its deadline, has failed by itself and holds
    up no other. An item whose needed one failed is skipped and names the one that failed first.
    """
    results: Mapping[str, Future[CheckResult]] = {item.name: Future() for item in items}
    done: queue.SimpleQueue[CheckResult] = queue.SimpleQueue()

    def run(item: Item) -> None:
        result = _skipped_result(item, [results[name].result() for name in item.needs])
        if result is None:
            result = _run_in_time(context, item)
        results[item.name].set_result(result)
        done.put(result)

    for item in items:
        threading.Thread(target=run, args=[item], name=f"doctor-{item.name}", daemon=True).start()
    for _ in items:
        on_result(done.get())
    return [results[item.name].result() for item in items]


def _skipped_result(item: Item, needed: Sequence[CheckResult]) -> CheckResult | None:
    """The result of an item that is skipped because one that it needs is not ok."""
    for other in needed:
        if other.status != "ok":
            message = f"because {other.item} failed" if other.status == "failed" else other.message
            return CheckResult(item.name, "skipped", message, "", 0.0)
    return None


def _run_in_time(context: CheckContext, item: Item) -> CheckResult:
    began = time.monotonic()
    future: Future[CheckVerdict] = Future()
    threading.Thread(
        target=lambda: future.set_result(_run_check(context, item)),
        name=f"doctor-{item.name}-check",
        daemon=True,
    ).start()
    try:
        verdict = future.result(item.deadline_s + context.timeout_s)
    except TimeoutError:
        verdict = CheckVerdict(
            "failed", f"the check was not done within {item.deadline_s + context.timeout_s:g} s"
        )
    # That of the item is the same for everybody: there is no secret in it, whatever word a password is.
    remedy = (context.without_secrets(verdict.remedy) or item.remedy) if verdict.status == "failed" else ""
    return CheckResult(
        item.name,
        verdict.status,
        context.discreet(verdict.message),
        remedy,
        round(time.monotonic() - began, 3),
    )


def _run_check(context: CheckContext, item: Item) -> CheckVerdict:
    try:
        return item.check(context)
    except CheckSkippedError as error:
        return CheckVerdict("skipped", str(error))
    except CheckFailedError as error:
        return CheckVerdict("failed", str(error), error.remedy)
    except OpenWattError as error:
        return CheckVerdict("failed", str(error))
    except Exception as error:  # noqa: BLE001 - whatever a check meets, the others go on
        return CheckVerdict("failed", f"the check itself broke: {type(error).__name__}: {error}")
