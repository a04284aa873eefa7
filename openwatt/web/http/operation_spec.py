"""What a view takes and answers, declared beside it; the OpenAPI document is generated from it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec
from flask import Flask

from openwatt.web.http.params import Parameter

View = TypeVar("View", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class OperationSpec:
    """One operation of the OpenAPI document; `page` is its JSON, `row` an item of it as CSV.

    One without a page is a calendar, or a `file` of this media type.
    """

    parameters: tuple[Parameter, ...]
    page: type[msgspec.Struct] | None
    row: type[msgspec.Struct] | None = None
    problems: tuple[int, ...] = ()
    """Statuses that it may answer beyond those of every operation."""
    cacheable: bool = True
    body: tuple[Parameter, ...] = ()
    """Fields of a body, in JSON or in a form; a GET has none."""
    whole_body: Mapping[str, Any] | None = None
    """A body that is not described by fields, in the words of OpenAPI."""
    translated: bool = False
    """Whether it has sentences, in the language that the request prefers."""
    needs_token: bool = False
    """Whether the admin token is needed."""
    example: Any = None
    """A response, as an example."""
    array: type[msgspec.Struct] | None = None
    """What its JSON may be a bare array of, in place of the page."""

    file: str | None = None

    @property
    def is_post(self) -> bool:
        """Whether the method is POST, not GET."""
        return bool(self.body or self.whole_body)

    def attach(self, view: View) -> View:
        """Declares that a view is this operation."""
        view.operation_spec = self  # type: ignore[attr-defined]  # a function takes attributes
        return view


def specified_routes(app: Flask) -> Iterator[tuple[str, str, OperationSpec]]:
    """Path, endpoint and operation of each route that belongs to the OpenAPI document, by path."""
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: rule.rule):
        spec = getattr(app.view_functions[rule.endpoint], "operation_spec", None)
        if isinstance(spec, OperationSpec):
            yield rule.rule, rule.endpoint, spec
