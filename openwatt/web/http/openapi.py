"""The contract: OpenAPI 3.1, put together from the routes, their parameters and the types they answer."""

import functools
import re
from importlib.resources import files
from typing import Any

import msgspec
from flask import Flask

from openwatt import __version__
from openwatt.web.api.bill_params import FILE
from openwatt.web.http.content_negotiation import CALENDAR_SUFFIX
from openwatt.web.http.fault_codes import fault_codes
from openwatt.web.http.openapi_responses import (
    header_components,
    problem_components,
    problem_statuses,
    responses,
)
from openwatt.web.http.openapi_schemas import finished, named_schemas
from openwatt.web.http.operation_spec import specified_routes
from openwatt.web.http.params import Parameter
from openwatt.web.http.problems import Problem

_INTRODUCTION = """\
French residential electricity tariffs: dated, sourced, exact.

Amounts are JSON numbers written digit for digit: read them as decimals, not as binary floats.
Answers about tariffs carry an `ETag`; send it back as `If-None-Match` and an unchanged answer costs nothing.
What a household asks about itself is answered `private, no-store`: no cache may keep it.
Lists go on at the address in `next`.

`to` and `end` are the first day or instant after a span; `until` is its last day.

Errors are problem documents (RFC 9457); a browser (`Accept: text/html`) gets pages. Their `type` is the
address of a page that explains them and lists the code of every fault. Sentences are in the language of
`Accept-Language`, English or French; titles and notes of documents stay as they were recorded.

Everything is open and needs no token, but for operations that name a security scheme. A value may be added
to a set of words (`Option`, `Register`) and a field to an answer; what there is stays as it is within `/v1`.
"""

#: The parts of the contract in the order in which a newcomer should meet them.
_TAGS = {
    "tariffs": "What electricity costs: on a day, and over time.",
    "offers": "What is sold, and by whom.",
    "guards": "Market offers beside the regulated tariff.",
    "bills": "What a home's own use would have cost under every contract.",
    "prices": "What a contract's kilowatt hour costs over time, and now: for home automation.",
    "tempo": "The colours of Tempo days.",
    "calendars": "Days to subscribe to from a calendar (iCalendar, RFC 5545).",
    "package": "The whole history as files: an open-data package.",
    "service": "Is it alive, is it ready, which code is it.",
}
#: Only there when the admin API is.
_ADMIN_TAG = {
    "admin": "For whoever looks after the data: runs, decisions, another address, a look at a document."
}
_ADMIN_SCHEME = {
    "adminToken": {"type": "http", "scheme": "bearer", "description": "OPENWATT_ADMIN_TOKEN of this service."}
}

#: A place in a route that is part of the question: a number, at most the first group.
_PLACE = re.compile(r"<int\(min=1,max=(\d+)\):(\w+)>")


def contract(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of every spec route of an app."""
    types: dict[str, type[msgspec.Struct]] = {"Problem": Problem}
    paths: dict[str, Any] = {}
    statuses: set[int] = set()
    tags = dict(_TAGS)
    for rule, endpoint, spec in specified_routes(app):
        path = _PLACE.sub(r"{\2}", rule)
        types |= {kind.__name__: kind for kind in (spec.page, spec.array) if kind is not None}
        operation_id = endpoint.rsplit(".", 1)[-1]
        statuses |= {*problem_statuses(spec)}
        summary, _, explanation = (app.view_functions[endpoint].__doc__ or "").partition("\n\n")
        operation = {
            "operationId": operation_id,
            "summary": summary.strip().rstrip("."),
            "description": " ".join(explanation.split()),
            "tags": [_tag(path)],
            "parameters": [
                *(_path_parameter(*place) for place in _PLACE.findall(rule)),
                *(_query_parameter(parameter) for parameter in spec.parameters),
            ],
            "responses": dict(responses(spec, examples().get(operation_id, spec.example))),
        }
        if spec.body:
            operation["requestBody"] = _request_body(spec.body)
        if spec.whole_body:
            operation["requestBody"] = spec.whole_body
        if spec.needs_token:
            operation["security"] = [{"adminToken": []}]
            tags |= _ADMIN_TAG
        paths.setdefault(path, {})["post" if spec.is_post else "get"] = operation
    _, components = msgspec.json.schema_components(types.values(), ref_template="#/components/schemas/{name}")
    components["FaultItem"]["properties"]["code"]["x-extensible-enum"] = fault_codes()
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "OpenWatt",
            "version": __version__,
            "description": _INTRODUCTION,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": description} for name, description in tags.items()],
        "security": [],
        "paths": finished(paths),
        "components": {
            "schemas": finished(components) | named_schemas(),
            "headers": header_components(),
            "responses": problem_components(statuses),
        }
        | ({"securitySchemes": _ADMIN_SCHEME} if "admin" in tags else {}),
    }


@functools.cache
def examples() -> dict[str, Any]:
    """A response of each operation, by its id: real ones, whose lists are cut to one item."""
    text = (files("openwatt.web.http") / "openapi_examples.json").read_text("utf-8")
    return dict(msgspec.json.decode(text))


def _tag(path: str) -> str:
    """Which part of the contract a path belongs to: that of its first word under /v1."""
    if not path.startswith("/v1/"):
        return "service"
    if path.endswith(CALENDAR_SUFFIX):
        return "calendars"
    word = path.split("/")[2]
    named = {"suppliers": "offers", "registers": "bills", "health": "service", "package.zip": "package"}
    return named.get(word, word)


def _path_parameter(most: str, name: str) -> dict[str, object]:
    """A whole number in the path, as the rule bounds it."""
    return {
        "name": name,
        "in": "path",
        "required": True,
        "description": "Number of the run.",
        "schema": {"type": "integer", "minimum": 1, "maximum": int(most)},
    }


def _query_parameter(parameter: Parameter) -> dict[str, object]:
    return {
        "name": parameter.name,
        "in": "query",
        "required": parameter.required,
        **({"deprecated": True} if parameter.deprecated else {}),
        **_property(parameter, "schema"),
    }


def _property(parameter: Parameter, *under: str) -> dict[str, object]:
    """Description, schema and example; the schema under a key of its own where OpenAPI wants that."""
    schema = dict(parameter.type.schema)
    example = {} if parameter.example is None else {"example": parameter.example}
    if parameter.many:
        schema = {"type": "array", "items": schema, "maxItems": parameter.most}
        example = {"example": [parameter.example]} if example else {}
    if parameter.default is not None:
        schema["default"] = parameter.default
    described: dict[str, object] = {"description": parameter.description}
    for key in under:
        return described | {key: schema} | example
    return described | schema | ({"examples": list(example.values())} if example else {})


def _request_body(fields: tuple[Parameter, ...]) -> dict[str, object]:
    """The same fields in JSON and in a form, where a file is its bytes."""
    required = [field.name for field in fields if field.required]
    shape: dict[str, Any] = {"type": "object", "additionalProperties": False}
    if required:
        shape["required"] = required
    properties = {field.name: _property(field) for field in fields}
    in_form = {"file": {"description": FILE.description, "type": "string", "format": "binary"}}
    example = {
        field.name: [field.example] if field.many else field.example
        for field in fields
        if field.example is not None
    }
    return {
        "required": True,
        "content": {
            "application/json": {"schema": shape | {"properties": properties}, "example": example},
            "multipart/form-data": {"schema": shape | {"properties": properties | in_form}},
        },
    }
