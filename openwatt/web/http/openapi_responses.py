"""The responses of the contract: answers with their headers, and each type of problem once."""

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

import msgspec
from werkzeug.http import HTTP_STATUS_CODES

from openwatt.domain.messages import Message
from openwatt.sentences.catalogue import CODES
from openwatt.web.http.operation_spec import OperationSpec
from openwatt.web.http.problems import MEDIA_TYPE, PROBLEM_TYPES, Fault, Problem

#: Statuses that any question to the database may be answered with.
_USUAL_PROBLEMS = (400, 406, 414, 429, 500, 503)
_TEXT: Mapping[str, object] = MappingProxyType({"type": "string"})
#: What files hold that are no text.
_FILES: Mapping[str, Mapping[str, object]] = MappingProxyType(
    {"application/json": {"type": "object"}, "application/zip": {"type": "string", "format": "binary"}}
)
_WHOLE: Mapping[str, object] = MappingProxyType({"type": "integer", "minimum": 0})

#: Headers of responses by name: what each says, its schema and an example.
_HEADERS: Mapping[str, tuple[str, Mapping[str, object], object]] = MappingProxyType(
    {
        "ETag": (
            "Tag of these bytes: sent back as If-None-Match, it makes an unchanged answer a 304.",
            _TEXT,
            '"9f86d081884c7d659a2feaa0c55ad015"',
        ),
        "Cache-Control": ("How long the response may be kept, and by whom.", _TEXT, "public, max-age=60"),
        "Vary": ("The headers of the request by which it was chosen.", _TEXT, "Accept, Accept-Encoding"),
        "Content-Language": ("Language of its sentences, by Accept-Language.", {"enum": list(CODES)}, "fr"),
        "Content-Disposition": (
            "The name of the file, where it is one.",
            _TEXT,
            'attachment; filename="tariffs.csv"',
        ),
        "Link": (
            "The next page, where there is one.",
            _TEXT,
            '</v1/tariffs?cursor=1~EDF~Tarif+Bleu~BASE~6&on=2026-02-01>; rel="next"',
        ),
        "Retry-After": ("Seconds until the same request may be answered.", _WHOLE, 17),
        "WWW-Authenticate": ("How to bring the token.", _TEXT, 'Bearer realm="openwatt"'),
        "X-RateLimit-Limit": ("Requests that one address may make in the window of its limit.", _WHOLE, 600),
        "X-RateLimit-Remaining": ("How many of them are left.", _WHOLE, 0),
        "X-RateLimit-Reset": ("When there are more, in Unix time.", _WHOLE, 1780000000),
        "RateLimit-Policy": ("The limit (draft-ietf-httpapi-ratelimit-headers).", _TEXT, '"api";q=600;w=60'),
        "X-Request-ID": (
            "Identifies the request in our logs; where it may not be cached.",
            _TEXT,
            "9a1a5f9e-ee9e-47da-901c-57b3b8b4d815",
        ),
    }
)
_OF_LIMITS = ("X-RateLimit-Limit", "RateLimit-Policy")
_OF_PROBLEMS: Mapping[int, tuple[str, ...]] = MappingProxyType(
    {
        401: ("WWW-Authenticate",),
        429: ("Retry-After", "X-RateLimit-Remaining", "X-RateLimit-Reset"),
        503: ("Retry-After",),
    }
)
#: A fault for the example of a type that lists faults.
_FAULTS: Mapping[int, Fault] = MappingProxyType(
    {
        400: Fault("on", Message("parameter.day"), given="yesterday"),
        422: Fault("off_peak_hours", Message.of("off_peak.overlap", text="22:00-06:00;05:00-07:00")),
    }
)


def header_components() -> dict[str, object]:
    """Every header of a response, for the components of the contract."""
    return {
        name: {"description": text, "schema": dict(schema), "example": example}
        for name, (text, schema, example) in _HEADERS.items()
    }


def problem_components(statuses: set[int]) -> dict[str, object]:
    """The response of each type of problem, for the components of the contract."""
    return {_component(status): _problem(status) for status in sorted(statuses)}


def problem_statuses(spec: OperationSpec) -> list[int]:
    """The statuses of the problems that an operation may answer."""
    asks = spec.cacheable or spec.parameters or spec.is_post or spec.needs_token
    return sorted({*(_USUAL_PROBLEMS if asks else (400, 414, 500)), *spec.problems})


def responses(spec: OperationSpec, example: object) -> Iterator[tuple[str, object]]:
    """Status and response of everything that an operation may answer."""
    media_type = spec.file or "text/calendar"
    content: dict[str, dict[str, object]] = {media_type: {"schema": dict(_FILES.get(media_type, _TEXT))}}
    if spec.page is not None:
        content = {"application/json": {"schema": _json_schema(spec.page, spec.array)}}
    first = content[next(iter(content))]
    if example is not None:
        first["example"] = example
    if spec.row is not None:
        content["text/csv"] = {"schema": dict(_TEXT)}
    headers = _refs(_answer_headers(spec))
    yield "200", {"description": "The answer.", "content": content, "headers": headers}
    if spec.file is not None:
        schema = {"schema": {"type": "string", "format": "binary"}}
        yield "206", {"description": "The range of `Range`.", "content": {spec.file: schema}}
    if spec.cacheable:
        unchanged = _refs(("ETag", "Cache-Control", "Vary"))
        yield "304", {"description": "The client has this answer already.", "headers": unchanged}
    for status in problem_statuses(spec):
        yield str(status), {"$ref": f"#/components/responses/{_component(status)}"}


def _answer_headers(spec: OperationSpec) -> Iterator[str]:
    yield "Cache-Control"
    if spec.cacheable:
        yield "ETag"
    else:
        yield "X-Request-ID"
    if spec.cacheable or spec.parameters or spec.is_post or spec.needs_token:
        yield "Vary"
        yield from _OF_LIMITS
    if spec.translated or (spec.page is None and spec.file is None):
        yield "Content-Language"
    if spec.row is not None:
        yield "Link"
    if spec.row is not None or spec.file is not None:
        yield "Content-Disposition"


def _json_schema(page: type[msgspec.Struct], array: type[msgspec.Struct] | None) -> dict[str, object]:
    schema: dict[str, object] = {"$ref": f"#/components/schemas/{page.__name__}"}
    if array is None:
        return schema
    items = {"$ref": f"#/components/schemas/{array.__name__}"}
    return {"anyOf": [schema, {"type": "array", "items": items}]}


def _component(status: int) -> str:
    """The name of a type of problem as a component, such as NotFound."""
    return re.sub(r"(?:^|-)(\w)", lambda found: found[1].upper(), PROBLEM_TYPES[status])


def _problem(status: int) -> dict[str, object]:
    faults = [_FAULTS[status]] if status in _FAULTS else []
    example = msgspec.to_builtins(Problem.of(status, None, faults, CODES[0]))
    names = ("Cache-Control", "Content-Language", "Vary", *_OF_PROBLEMS.get(status, ()), "X-Request-ID")
    schema = {"$ref": "#/components/schemas/Problem"}
    return {
        "description": HTTP_STATUS_CODES[status],
        "headers": _refs(names),
        "content": {MEDIA_TYPE: {"schema": schema, "example": example}},
    }


def _refs(names: Any) -> dict[str, object]:
    return {name: {"$ref": f"#/components/headers/{name}"} for name in names}
