"""The pages that problems lead to by their `type`: what it means, what to do, and every code of a fault."""

from itertools import groupby

from flask import Response
from werkzeug.exceptions import NotFound

from openwatt.sentences.catalogue import texts
from openwatt.web.http.fault_codes import fault_codes
from openwatt.web.http.problems import MEDIA_TYPE, PROBLEM_TYPES
from openwatt.web.pages.rendering import language, show

#: The types of which a problem may list faults.
_WITH_FAULTS = (400, 422)


def problem_type_page(name: str) -> Response:
    """What problems of one type mean, and what helps."""
    status = next((status for status, known in PROBLEM_TYPES.items() if known == name), None)
    if status is None:
        raise NotFound
    known = texts(language().code)
    return show(
        "problem_type.html",
        status_of_type=status,
        says={part: known[f"problem_type.{name}.{part}"] for part in ("title", "detail", "remedy")},
        media_type=MEDIA_TYPE,
        codes_by_section=_codes_by_section() if status in _WITH_FAULTS else [],
        types=[(status, name, known[f"problem_type.{name}.title"]) for status, name in PROBLEM_TYPES.items()],
    )


def _codes_by_section() -> list[tuple[str, list[tuple[str, str]]]]:
    """Each code and its sentence, whose values stand in braces."""
    known = texts(language().code)
    sections = groupby(fault_codes(), key=lambda code: code.partition(".")[0])
    return [(section, [(code, known.get(code, "{text}")) for code in codes]) for section, codes in sections]
