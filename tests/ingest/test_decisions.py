"""What a person has decided on a document holds when the same bytes come again."""

from dataclasses import replace

import pytest

from openwatt.ingest.review import approve_run, reject_run
from tests.ingest.conftest import SOURCES, Desk
from tests.ingest.drawn_sheets import simple_and_double
from tests.ingest.test_pipeline import strict

YELI = "yeli_verte"
SHEET = simple_and_double().pdf
#: The same bytes from the source's address, and handed in as a file.
WAYS = pytest.mark.parametrize("given", [None, SHEET], ids=["from its address", "as a file"])


@pytest.fixture
def doubtful(desk: Desk) -> int:
    """A refused run of a supplier of whom nothing else is known."""
    desk.change(YELI, supplier="Lumière")
    desk.put(YELI, SHEET)
    strict(desk)
    refused = desk.look(YELI)
    assert refused.outcome == "refused"
    assert refused.run_id
    return refused.run_id


@WAYS
def test_bytes_that_somebody_rejected_are_never_published(
    desk: Desk, doubtful: int, given: bytes | None
) -> None:
    reject_run(desk.connection, doubtful, reviewer="A. Dupont", reason="a draft", at=desk.now)
    desk.sources[YELI] = replace(SOURCES[YELI], supplier="Lumière", address=desk.sources[YELI].address)
    look = desk.look(YELI, given=given)
    assert (look.outcome, look.published, look.doubts) == ("refused", 0, ())
    assert look.message == "these bytes were rejected by A. Dupont: a draft"
    assert desk.state(YELI).reviews_pending == 0


@WAYS
def test_bytes_that_somebody_approved_are_not_doubted_again(
    desk: Desk, doubtful: int, given: bytes | None
) -> None:
    done = approve_run(
        desk.connection,
        doubtful,
        desk.sources,
        reviewer="A. Dupont",
        reason="it is right",
        now=lambda: desk.now,
    )
    assert done["published"] == 17
    assert desk.run(YELI).run_id == done["published_run_id"]
    desk.change(YELI, note="described anew")
    assert desk.look(YELI, given=given).outcome == "unchanged"
    assert desk.state(YELI).failures_in_a_row == desk.state(YELI).reviews_pending == 0
