"""The runbook says the same in both languages: headings, blocks, parts, waiting times, figures, links."""

import re
from collections import Counter

import pytest

from tests.ops.rule_files import OPS, alerts
from tests.ops.test_docs import slug

FRENCH, ENGLISH = ((OPS / name).read_text("utf-8") for name in ("runbook.md", "runbook.en.md"))
PARTS = {
    "Ce que cela veut dire": "What it means",
    "Ce que remarquent les clients": "What customers notice",
    "Regarder d'abord": "Look first",
    "Réparer": "Fix",
    "Réveiller qui": "Whom to wake",
    "Ensuite": "Afterwards",
}
#: The words of the line under a heading: "page, plus de 5 % pendant 5 minutes".
HEADS = {
    "après": "after",
    "plus de": "more than",
    "pendant": "for",
    "au-dessus de": "above",
    "heure": "hour",
}
#: What a reader puts in, in the text between the blocks.
PLACEHOLDERS = {
    "FICHIER": "FILE",
    "NOUVELLE-ADRESSE": "NEW-ADDRESS",
    "NOM": "NAME",
    "vu.png": "seen.png",
}


def sections(page: str) -> dict[str, str]:
    """What a page says of each alert, and under its other headings, by heading."""
    found = dict(re.findall(r"^#+ ([A-Z][^\n]*)\n(.*?)(?=^#+ [A-Z]|\Z)", page, re.MULTILINE | re.DOTALL))
    assert len(found) > 30
    return found


def headings(page: str) -> list[str]:
    """The headings in their order; of those that are no alert's only the depth."""
    found = re.findall(r"^(#+) ([A-Z].*)$", page, re.MULTILINE)
    return [title if marks == "###" else marks for marks, title in found]


def blocks(page: str) -> list[str]:
    """The fenced blocks, with their language."""
    found: list[str] = re.findall(r"^```\w*\n.*?^```$", page, re.MULTILINE | re.DOTALL)
    assert len(found) > 60
    return found


def prose(text: str) -> str:
    """What stands between the blocks, in one line."""
    return " ".join(re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL).split())


def translated(text: str, words: dict[str, str]) -> str:
    """The text with these words in English."""
    for french, english in words.items():
        text = re.sub(rf"\b{french}(?=s?\b)", english, text)
    return text


def parts(section: str) -> dict[str, str]:
    """What stands under each bold name of a section, in order."""
    return {
        name: said.strip()
        for name, said in re.findall(
            r"^\*\*([^*]+)\.\*\*(.*?)(?=^\*\*|\Z)", section, re.MULTILINE | re.DOTALL
        )
    }


def figures(text: str) -> Counter[str]:
    """Every figure of a text, with a decimal point."""
    return Counter(re.findall(r"\d+(?:\.\d+)*", re.sub(r"(?<=\d),(?=\d)", ".", text)))


def spans(text: str) -> Counter[str]:
    """What the text between the blocks gives to be typed or looked up."""
    return Counter(re.findall(r"`([^`]+)`", prose(text)))


def test_both_languages_have_the_same_headings_in_the_same_order() -> None:
    assert headings(FRENCH) == headings(ENGLISH)
    assert set(headings(ENGLISH)) == {*alerts(), "#", "##"}


def test_both_languages_have_the_same_blocks_in_the_same_order() -> None:
    assert blocks(FRENCH) == blocks(ENGLISH)


@pytest.mark.parametrize("alert", alerts())
def test_both_languages_have_the_same_blocks_for_each_alert(alert: str) -> None:
    looks = [
        re.findall(r"^```.*?^```$", parts(sections(page)[alert])[name], re.MULTILINE | re.DOTALL)
        for page, name in ((FRENCH, "Regarder d'abord"), (ENGLISH, "Look first"))
    ]
    assert looks[0]
    assert looks[0] == looks[1]


@pytest.mark.parametrize("alert", alerts())
def test_the_english_runbook_says_of_each_alert_all_that_is_needed(alert: str) -> None:
    assert list(parts(sections(FRENCH)[alert])) == list(PARTS)
    said = parts(sections(ENGLISH)[alert])
    assert list(said) == list(PARTS.values())
    assert [name for name, text in said.items() if not re.match(r"\S.{4}", text)] == []


@pytest.mark.parametrize("alert", alerts())
def test_both_languages_give_each_alert_the_same_severity_and_waiting_time(alert: str) -> None:
    french, english = (sections(page)[alert].splitlines()[1] for page in (FRENCH, ENGLISH))
    assert translated(french, HEADS) == english
    assert alerts()[alert]["labels"]["severity"] in english
    if waits := re.search(r"(?:after|for) (\d+) (minute|hour)s?\*$", english):
        assert alerts()[alert]["for"] == waits[1] + waits[2][0]


@pytest.mark.parametrize("number", range(len(headings(FRENCH))), ids=headings(FRENCH))
def test_both_languages_give_the_same_figures_and_names_under_each_heading(number: int) -> None:
    french, english = (list(sections(page).values())[number] for page in (FRENCH, ENGLISH))
    french = translated(french, PLACEHOLDERS)
    assert figures(prose(french)) == figures(prose(english))
    assert spans(french) == spans(english)


@pytest.mark.parametrize(("page", "other"), [(FRENCH, "runbook.en.md"), (ENGLISH, "runbook.md")])
def test_each_page_links_to_the_other_under_its_title(page: str, other: str) -> None:
    line = page.splitlines()[2]
    assert re.match(rf"\*\[(?:In English|En français)\]\({re.escape(other)}\)\..*\*$", line)


@pytest.mark.parametrize("page", [FRENCH, ENGLISH], ids=["french", "english"])
def test_the_links_of_each_page_lead_somewhere(page: str) -> None:
    own = {slug(title) for title in sections(page)}
    targets = re.findall(r"\]\(([^)\s]+)\)", page)
    assert targets
    for target in targets:
        path, _, heading = target.partition("#")
        assert (OPS / path).is_file() if path else heading in own, target


@pytest.mark.parametrize("page", [FRENCH, ENGLISH], ids=["french", "english"])
def test_an_alert_that_the_text_names_has_its_heading(page: str) -> None:
    named = set(re.findall(r"\b[A-Z][a-z]+(?:[A-Z][a-z]+)+\b", re.sub(r"`[^`]+`", "", prose(page))))
    strangers = {"PagerDuty", "OpenWatt", "PgBouncer"}
    assert named - strangers - set(alerts()) == set()
