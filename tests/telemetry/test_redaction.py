import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from openwatt.telemetry import redaction
from openwatt.telemetry.redaction import SECRET_WORDS, is_secret_key, redact, redact_text

HUSH = "s3cr3t-V4lue"


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        (f"cannot reach postgresql://me:{HUSH}@db/openwatt", "cannot reach postgresql://[Filtered]@db/openwatt"),
        (f"redis://:{HUSH}@cache:6379/0", "redis://[Filtered]@cache:6379/0"),
        (f"https://{HUSH}@sentry.example/4", "https://[Filtered]@sentry.example/4"),
        (f"amqp://me:p@ss{HUSH}@host", "amqp://[Filtered]@host"),
        (f"/v1/tariffs?on=1&api_key={HUSH}&page=2", "/v1/tariffs?on=1&api_key=[Filtered]&page=2"),
        (f"host=db password={HUSH} user=me", "host=db password=[Filtered] user=me"),
        (f"host=db password='two words {HUSH}' user=me", "host=db password=[Filtered] user=me"),
        (f"{{'password': '{HUSH}', 'user': 'me'}}", "{'password': [Filtered], 'user': 'me'}"),
        (f'{{"clientSecret": "{HUSH}"}}', '{"clientSecret": [Filtered]}'),
        (f"Authorization: Bearer {HUSH}\nAccept: */*", "Authorization: [Filtered]\nAccept: */*"),
        (f"Set-Cookie: session={HUSH}; Path=/; HttpOnly", "Set-Cookie: [Filtered]"),
        (f"sent with bearer {HUSH}", "sent with bearer [Filtered]"),
        (f"X-Api-Key={HUSH}", "X-Api-Key=[Filtered]"),
        (f"api_key%3D{HUSH}", "api_key%3D[Filtered]"),
        (f"OPENWATT_ADMIN_TOKEN={HUSH}", "OPENWATT_ADMIN_TOKEN=[Filtered]"),
    ],
)  # fmt: skip
def test_a_secret_in_a_text_is_filtered_and_the_rest_is_kept(text: str, cleaned: str) -> None:
    assert redact_text(text) == cleaned
    assert redact_text(cleaned) == cleaned


@pytest.mark.parametrize(
    "text",
    [
        "ingest finished",
        "GET /v1/tariffs?on=2026-01-01&option=TEMPO",
        "see https://openwatt.example/docs#keys",
        "mail support@openwatt.example",
        "12:30:45 a = b",
        "Listening at: http://127.0.0.1:8000 (4711)",
    ],
)
def test_a_text_without_secret_is_left_as_it_is(text: str) -> None:
    assert redact_text(text) == text


@pytest.mark.parametrize(
    "key", ["password", "Db-Password", "apiKey", "API_KEY", "x-api-key", "Authorization", "Cookie"]
)
def test_a_value_is_filtered_by_its_key_at_any_depth(key: str) -> None:
    nested = {"customer": [{"name": "A", key: {"deep": HUSH}}, (key, HUSH)], key: None}
    assert redact(nested) == {
        "customer": [{"name": "A", key: "[Filtered]"}, [key, "[Filtered]"]],
        key: None,
    }


@pytest.mark.parametrize("key", ["supplier", "option", "status", "path", "tariffs", "key", "author"])
def test_an_ordinary_key_is_not_taken_for_a_secret(key: str) -> None:
    assert not is_secret_key(key)


class _Hostile:
    def __str__(self) -> str:
        raise RuntimeError("no")


def test_what_cannot_be_cleaned_is_replaced_and_nothing_is_raised() -> None:
    assert redact(_Hostile()) == "[could not be cleaned]"
    loop: dict[str, Any] = {}
    loop["again"] = loop
    assert "[too deep]" in str(redact(loop))
    assert redact({1: b"password=x\xff"}) == {"1": "password=[Filtered]"}


@given(
    st.recursive(
        st.text() | st.integers() | st.binary(), lambda v: st.lists(v) | st.dictionaries(st.text(), v)
    )
)
def test_cleaning_never_raises_and_cleaning_again_changes_nothing(value: Any) -> None:
    cleaned = redact(value)
    assert redact(cleaned) == cleaned


@given(st.text(st.sampled_from("abc:/@= \"'&\n%Bearer"), max_size=30), st.sampled_from(SECRET_WORDS))
def test_the_quick_look_never_lets_a_secret_pass(text: str, word: str) -> None:
    for candidate in (text, f"{text}{word}{text}", f"{word}={text}"):
        if redact_text(candidate) == candidate:
            continue
        assert re.search(r"[=:%@]|[rRcC]\s", candidate)


@pytest.mark.timeout(5)
def test_no_pattern_is_slow_on_a_long_hostile_text() -> None:
    for hostile in (
        "a://" * 20_000,
        "password" * 20_000,
        "token=" * 20_000,
        "cookie:" * 10_000 + "x" * 50_000,
    ):
        assert redaction.redact_text(hostile) is not None
