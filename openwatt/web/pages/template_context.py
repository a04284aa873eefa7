"""The context of the templates, which calls methods at once."""

from collections.abc import Callable
from types import MethodType
from typing import Any

from flask.blueprints import BlueprintSetupState
from jinja2.runtime import Context


class TemplateContext(Context):
    """Calls a method without looking whether it wants Jinja's context first: none of ours does.

    A page calls some thousand, and that look takes longer than most of them.
    """

    def call(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
        """Calls a function for a template."""
        if type(function) is not MethodType:
            return super().call(function, *args, **kwargs)
        kwargs.pop("_block_vars", None)
        kwargs.pop("_loop_vars", None)
        return function(*args, **kwargs)


def use_template_context(state: BlueprintSetupState) -> None:
    """Gives an app's templates this context."""
    state.app.jinja_env.context_class = TemplateContext
