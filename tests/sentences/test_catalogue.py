"""Every message has its sentence in every language, with the same places."""

import datetime as dt
import re
from string import Formatter

import pytest

from openwatt.domain.messages import Message
from openwatt.domain.part_of_year import SEASONS
from openwatt.domain.profiles import PROFILES
from openwatt.prices.intervals import REASON_CODES
from openwatt.sentences.catalogue import CODES, sentence, texts
from tests.test_architecture import PACKAGE

D = dt.date(2026, 2, 1)
NAMED = re.compile(r'Message(?:\.of)?\(\s*"([a-z_.]+)"')
#: Keys whose last word stands apart from the first where a message is made.
FAMILIES = re.compile(
    r'(refused|ambiguous)\("(\w+)"|"(?:bring)?",?\s*bring="(\w+)"|Kind\("(\w+)"|b"[^"]+": "(\w+)"'
)


def places(text: str) -> set[str]:
    return {name for _, name, _, _ in Formatter().parse(text) if name}


def test_every_language_has_the_same_sentences_with_the_same_places() -> None:
    first, *others = (texts(code) for code in CODES)
    assert len(first) > 80
    for other in others:
        assert set(first) == set(other)
        for key, text in first.items():
            assert places(text) == places(other[key]), key
            assert other[key].strip()


def test_every_message_that_is_made_has_a_sentence() -> None:
    source = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    named = set(NAMED.findall(source))
    named |= {f"{family}.{key}" for family, key, *_ in FAMILIES.findall(source) if key}
    assert len(named) > 50
    assert sorted(key for key in named if key not in texts("en")) == []


#: Keys that are put together where a message is made, from words of a closed list.
COMPOSED = [f"part.no_{season}" for season in SEASONS]
COMPOSED += [f"question.no_{what}" for what in ("hours", "summer_hours", "winter_hours")]
COMPOSED += [f"assumption.{name}" for name in ("off_peak", "register_kwh", *PROFILES)]
COMPOSED += [f"price_not_known.{code}" for code in REASON_CODES]
COMPOSED += ["prices.too_long", "prices.too_long_sliced"]
COMPOSED += [f"present.{name}s" for name in ("supplier", "offer", "option")]


def test_every_key_that_is_put_together_has_a_sentence() -> None:
    assert sorted(set(COMPOSED) - set(texts("en"))) == []


#: Every section that no reader of files has: a sentence in it that is never said is dead.
OF_QUESTIONS = (
    "question",
    "present",
    "off_peak",
    "left_out",
    "partial",
    "note",
    "duty",
    "part",
    "assumption",
    "instant",
    "prices",
    "price_not_known",
)


def test_every_sentence_of_a_question_is_of_a_message_that_is_made() -> None:
    source = "\n".join(path.read_text("utf-8") for path in PACKAGE.rglob("*.py"))
    made = {*NAMED.findall(source), *COMPOSED}
    keys = {key for key in texts("en") if key.split(".")[0] in OF_QUESTIONS and "." in key}
    assert len(keys) > 40
    assert sorted(keys - made) == []


def test_numbers_and_days_and_messages_within_are_of_the_language() -> None:
    said = Message.of("finding.cut_day", wh=1234, start=Message.day(D), end=Message.day(D))
    assert sentence(said, "en").startswith("1,234 Wh were measured outside the days from 2026-02-01")
    assert sentence(said, "fr").startswith("1\N{NARROW NO-BREAK SPACE}234 Wh")
    assert "01/02/2026" in sentence(said, "fr")


@pytest.mark.parametrize("code", CODES)
def test_a_text_that_is_no_message_stays_as_it_is(code: str) -> None:
    assert sentence("is missing", code) == "is missing"


@pytest.mark.parametrize("code", CODES)
def test_the_page_has_a_wording_of_its_own_where_the_usual_one_names_options_of_commands(code: str) -> None:
    known = texts(code)
    own = {key.removeprefix("page."): text for key, text in known.items() if key.startswith("page.")}
    assert {key for key in own if places(own[key]) != places(known[key])} == set()
    of_commands = {key for key, text in known.items() if "--" in text and "openwatt" not in text}
    of_fields = {"bring.registers", "refused.index"}  # register_kwh, and a command
    of_missing_hours = {f"question.no_{season}hours" for season in ("", "summer_", "winter_")}
    assert of_commands | of_fields | of_missing_hours == set(own)
    assert not any("--" in text for text in own.values())
    doubt = Message.of("ambiguous.stamps", column="Heure")
    assert sentence(doubt, code, on_page=True) != sentence(doubt, code)
    assert sentence(Message("file.no_value"), code, on_page=True) == sentence(Message("file.no_value"), code)
