"""HTTP errors whose detail is a message: it becomes a sentence where the language of the reader is known."""

from typing import TypeVar

from werkzeug.exceptions import HTTPException, UnsupportedMediaType

from openwatt.domain.messages import Message

Error = TypeVar("Error", bound=HTTPException)


def detailed(error: Error, detail: Message) -> Error:
    """The same error, with what is to be said of it."""
    error.detail = detail  # type: ignore[attr-defined]  # an exception takes attributes
    return error


def detail_of(error: HTTPException) -> Message | None:
    """What is to be said of an error; None where it says no more than its status."""
    return getattr(error, "detail", None)


def any_of(first: str, *others: str) -> Message:
    """Several names of which one is right."""
    found = Message.of("text", text=first)
    for other in others:
        found = Message.of("present.or", first=found, next=other)
    return found


def unsupported_media_type(*types: str) -> UnsupportedMediaType:
    """The error of a body in another media type than those that an address takes."""
    return detailed(UnsupportedMediaType(), Message.of("problem.media_type", types=any_of(*types)))
