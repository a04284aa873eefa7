"""The contract: OpenAPI 3.1, put together from the routes, their parameters and the types they answer."""

import re
from collections.abc import Iterator
from typing import Any

import msgspec
from flask import Flask
from werkzeug.http import HTTP_STATUS_CODES

from openwatt import __version__
from openwatt.web.api.bill_params import FILE
from openwatt.web.http.content_negotiation import CALENDAR_SUFFIX
from openwatt.web.http.fault_codes import fault_codes
from openwatt.web.http.operation_spec import OperationSpec, specified_routes
from openwatt.web.http.params import Parameter
from openwatt.web.http.problems import MEDIA_TYPE, Problem

_INTRODUCTION = """\
French residential electricity tariffs: dated, sourced, exact.

Amounts are JSON numbers written digit for digit: read them as decimals, not as binary floats.
Answers about tariffs carry an `ETag`; send it back as `If-None-Match` and an unchanged answer costs nothing.
What a household asks about itself is answered `private, no-store`: no cache may keep it.
Lists go on at the address in `next`. Errors are problem documents (RFC 9457).
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

#: Statuses that any question to the database may be answered with.
_USUAL_PROBLEMS = (400, 406, 414, 429, 500, 503)


def contract(app: Flask) -> dict[str, Any]:
    """The OpenAPI document of every spec route of an app."""
    types: dict[str, type[msgspec.Struct]] = {"Problem": Problem}
    paths: dict[str, Any] = {}
    tags = dict(_TAGS)
    for rule, endpoint, spec in specified_routes(app):
        path = _PLACE.sub(r"{\2}", rule)
        types |= {kind.__name__: kind for kind in (spec.page, spec.array) if kind is not None}
        summary, _, explanation = (app.view_functions[endpoint].__doc__ or "").partition("\n\n")
        operation = {
            "operationId": endpoint.rsplit(".", 1)[-1],
            "summary": summary.strip().rstrip("."),
            "description": " ".join(explanation.split()),
            "tags": [_tag(path)],
            "parameters": [
                *(_path_parameter(*place) for place in _PLACE.findall(rule)),
                *(_query_parameter(parameter) for parameter in spec.parameters),
            ],
            "responses": dict(_responses(spec)),
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
        "paths": paths,
        "components": {"schemas": _numbers(components)}
        | ({"securitySchemes": _ADMIN_SCHEME} if "admin" in tags else {}),
    }


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
        **_property(parameter, "schema"),
    }


def _property(parameter: Parameter, *under: str) -> dict[str, object]:
    """Description, schema and example; the schema under a key of its own where OpenAPI wants that."""
    schema = dict(parameter.type.schema)
    example = {} if parameter.example is None else {"example": parameter.example}
    if parameter.many:
        schema = {"type": "array", "items": schema, "maxItems": parameter.most}
        example = {"example": [parameter.example]} if example else {}
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


def _json_schema(page: type[msgspec.Struct], array: type[msgspec.Struct] | None) -> dict[str, object]:
    schema: dict[str, object] = {"$ref": f"#/components/schemas/{page.__name__}"}
    if array is None:
        return schema
    items = {"$ref": f"#/components/schemas/{array.__name__}"}
    return {"anyOf": [schema, {"type": "array", "items": items}]}


def _responses(spec: OperationSpec) -> Iterator[tuple[str, object]]:
    shape = "object" if spec.file == "application/json" else "string"
    content: dict[str, dict[str, object]] = {spec.file or "text/calendar": {"schema": {"type": shape}}}
    if spec.page is not None:
        content = {"application/json": {"schema": _json_schema(spec.page, spec.array)}}
    if spec.example is not None:
        content["application/json"] = {**content["application/json"], "example": spec.example}
    if spec.row is not None:
        content["text/csv"] = {"schema": {"type": "string"}}
    yield "200", {"description": "The answer.", "content": content, "headers": _headers(spec)}
    if spec.file is not None:
        yield "206", {"description": "The range of `Range`.", "content": content}
    if spec.cacheable:
        yield "304", {"description": "The client has this answer already."}
    asks = spec.cacheable or spec.parameters or spec.is_post or spec.needs_token
    usual = _USUAL_PROBLEMS if asks else (400, 414, 500)
    for status in sorted({*usual, *spec.problems}):
        yield (
            str(status),
            {
                "description": HTTP_STATUS_CODES[status],
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            },
        )


def _headers(spec: OperationSpec) -> dict[str, object]:
    names = {"ETag": "Tag of these bytes.", "Cache-Control": "How long the response may be cached."}
    if spec.row is not None:
        names["Link"] = "The next page, where there is one."
    return {
        name: {"description": text, "schema": {"type": "string"}}
        for name, text in names.items()
        if spec.cacheable or name == "Cache-Control"
    }


def _numbers(schema: Any) -> Any:
    """The same schema with decimals as what they are written as: numbers.

    msgspec describes its default, which is a string; `decimal_format="number"` is a
    property of the encoder that the schema generator does not see.
    """
    if isinstance(schema, dict):
        if schema.get("format") == "decimal":
            return {**{k: v for k, v in schema.items() if k != "format"}, "type": "number"}
        return {key: _numbers(value) for key, value in schema.items()}
    if isinstance(schema, list):
        return [_numbers(member) for member in schema]
    return schema
