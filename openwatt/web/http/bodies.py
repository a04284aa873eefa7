"""Request bodies: JSON or a form with a file, read into values with all faults at once, never on the disk."""

import functools
import re
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import IO, Any, cast

import flask
import msgspec
from flask import request
from gunicorn.http.errors import ParseException
from werkzeug.datastructures import FileStorage
from werkzeug.exceptions import BadRequest

from openwatt.domain.messages import Message
from openwatt.meter.sandbox import ReaderFaultError, fault_of
from openwatt.web.http.http_errors import detailed, unsupported_media_type
from openwatt.web.http.parameter_types import ParameterError
from openwatt.web.http.params import Parameter, gather
from openwatt.web.http.problems import BadRequestError, Fault
from openwatt.web.http.uploads import HeldBytes, body_memory, decoding

#: A body that holds a meter's file; every other address takes 64 kB.
LONGEST_FILE_BODY = 32 * 1024 * 1024
#: What a JSON body holds beside its file; as much as a body without a file.
MOST_BESIDE_FILE = 64 * 1024
_PIECE_BYTES = 64 * 1024
#: A whole number of a field has few digits; more would only cost time to write out.
_MOST_DIGITS = 20

_decoder = msgspec.json.Decoder(float_hook=Decimal)


class Request(flask.Request):
    """A request whose files stay in memory: werkzeug would put a large one on the disk for a while."""

    @functools.cached_property
    def stream(self) -> IO[bytes]:
        """The body; what is wrong with the way it comes is the client's fault, and a 400."""
        self.environ["wsgi.input"] = _RequestBody(self.environ["wsgi.input"])
        return super().stream

    def _get_file_stream(self, *_arguments: Any, **_named: Any) -> IO[bytes]:
        return HeldBytes(body_memory, self)

    def whole_body(self) -> bytes:
        """The body, counted while it comes, and not copied again."""
        held = HeldBytes(body_memory, self)
        while piece := self.stream.read(_PIECE_BYTES):
            held.write(piece)
        return held.value()

    def close(self) -> None:
        """Forgets what was received; Flask calls it after the answer."""
        super().close()
        body_memory.release(self)


class _RequestBody:
    """A body as it comes from a client, in chunks that may be malformed and may end in the middle."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream

    def read(self, size: int = -1) -> bytes:
        """The next bytes.

        Raises:
            BadRequest: the body cannot be read to its end.
        """
        try:
            return self._stream.read(size)
        except ParseException as error:
            message = Message.of("problem.malformed_body", error=str(error)[:200])
            raise detailed(BadRequest(), message) from None
        except OSError:  # Gunicorn's NoMoreData is one too
            raise detailed(BadRequest(), Message("problem.unfinished_body")) from None


class CustomerDataError(Exception):
    """A fault of ours while a customer's data was looked at. It says where, and nothing of the data."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(str(error) if isinstance(error, ReaderFaultError) else fault_of(error))


def read_body(fields: tuple[Parameter, ...]) -> tuple[dict[str, Any], list[Fault]]:
    """The values of a body's fields, and everything that is wrong with them; `file` holds bytes.

    Raises:
        UnsupportedMediaType: when it is neither JSON nor a form with files.
        RequestEntityTooLarge: when it is larger than the request's limit.
    """
    if request.mimetype == "application/json":
        return _of_json(_our_request().whole_body(), fields)
    if request.mimetype == "multipart/form-data":
        return _of_form(fields)
    raise unsupported_media_type("application/json", "multipart/form-data")


def _our_request() -> Request:
    return cast("Request", request._get_current_object())  # type: ignore[attr-defined]  # noqa: SLF001 (werkzeug's documented way to what a proxy stands for)


def file_bytes(sent: FileStorage) -> bytes:
    """What a part of a form holds; not copied where it lies in memory already."""
    stream = sent.stream
    return stream.value() if isinstance(stream, HeldBytes) else stream.read()


def _of_form(fields: tuple[Parameter, ...]) -> tuple[dict[str, Any], list[Fault]]:
    texts = [field for field in fields if field.name != "file"]
    files = request.files
    # A part may come without a name, which werkzeug tells as None.
    pairs = [(name or "", text) for name, text in request.form.items(multi=True)]
    held = [file_bytes(one) for one in files.getlist("file")]
    if any(field.name == "file" for field in fields):
        # A part without a file's name is a text to werkzeug; the file is what it holds.
        held += [text.encode() for name, text in pairs if name == "file"]
        pairs = [(name, text) for name, text in pairs if name != "file"]
    values, faults = gather(pairs, texts)
    faults += [
        Fault(name or "", Message("body.unknown_file")) for name in dict.fromkeys(files) if name != "file"
    ]
    if len(held) > 1:
        faults.append(Fault("file", Message("body.two_files")))
    if held:
        values["file"] = None if len(held) > 1 else held[0]
    elif any(field.name == "file" and field.required for field in fields):
        faults.append(Fault("file", Message("parameter.missing")))
    return values, faults


def _of_json(body: bytes, fields: tuple[Parameter, ...]) -> tuple[dict[str, Any], list[Fault]]:
    try:
        if len(body) <= MOST_BESIDE_FILE:
            return read_fields(decode_object(body), fields)
        with decoding():
            refuse_large_json(body)
            return read_fields(decode_object(body), fields)
    except BadRequestError as error:
        return {}, list(error.faults)


class _FileAlone(msgspec.Struct):
    """The file of a JSON body; what stands beside it is passed over without being built."""

    file: msgspec.Raw = msgspec.Raw(b"null")


def refuse_large_json(body: bytes) -> None:
    """Refuses a JSON body that is large by anything but its file, before anything of it is built.

    Raises:
        BadRequestError: saying what is too large.
    """
    try:
        file = msgspec.json.decode(body, type=_FileAlone).file
    except msgspec.ValidationError:
        raise BadRequestError([Fault("body", Message("body.no_object"))]) from None
    except (ValueError, RecursionError) as error:
        raise BadRequestError([_no_json(error)]) from None
    raw = memoryview(file)
    if len(body) - len(raw) > MOST_BESIDE_FILE:
        message = Message.of("body.too_long_without_file", most=str(MOST_BESIDE_FILE))
        raise BadRequestError([Fault("body", message)])
    if len(raw) > MOST_BESIDE_FILE and raw[0] != ord('"'):
        raise BadRequestError([Fault("file", Message.of("body.type", type="string"))])


def _no_json(error: Exception) -> Fault:
    """The fault of a body that is no JSON, and from which byte on where the decoder says it."""
    found = re.search(r"\(byte (\d+)\)", str(error))
    return Fault("body", Message.of("body.no_json_at", byte=found[1]) if found else Message("body.no_json"))


def decode_object(body: bytes) -> dict[str, Any]:
    """A JSON object, its numbers as decimals.

    Raises:
        BadRequestError: when it is something else.
    """
    try:
        payload = _decoder.decode(body)
    except (ValueError, RecursionError) as error:
        raise BadRequestError([_no_json(error)]) from None
    if not isinstance(payload, dict):
        raise BadRequestError([Fault("body", Message("body.no_object"))])
    return payload


def read_fields(
    payload: Mapping[str, Any], fields: tuple[Parameter, ...]
) -> tuple[dict[str, Any], list[Fault]]:
    """The values of a JSON object's fields, and everything that is wrong with them."""
    known = {field.name: field for field in fields}
    pairs: list[tuple[str, str]] = []
    faults: list[Fault] = []
    wrong: set[str] = set()
    for name, value in payload.items():
        if name not in known:
            pairs.append((name, "?"))
            continue
        try:
            pairs += [(name, text) for text in _texts(value, known[name])]
        except ParameterError as error:
            wrong.add(name)
            faults.append(Fault(name, error.message))
    values, more = gather([pair for pair in pairs if pair[0] not in wrong], fields)
    faults += [fault for fault in more if fault.parameter not in wrong]
    return values | dict.fromkeys(wrong), faults


def _texts(value: Any, field: Parameter) -> Iterator[str]:
    """A JSON value as the text or texts that a form would hold; ParameterError when it is of another type."""
    if not field.many:
        yield _as_text(value, field)
        return
    if not isinstance(value, list):
        raise ParameterError(Message("body.no_array"))
    for one in value:
        yield _as_text(one, field)


def _as_text(value: Any, field: Parameter) -> str:
    match field.type.schema.get("type", "string"), value:
        case "boolean", bool():
            return str(value).lower()
        case "integer", int() if not isinstance(value, bool):
            return str(value) if abs(value) < 10**_MOST_DIGITS else "too large"
        case "integer", Decimal() if (
            abs(value.adjusted()) < _MOST_DIGITS and value == value.to_integral_value()
        ):
            return str(int(value))  # To JSON Schema, 6.0 is a whole number.
        case "number", int() | Decimal() if not isinstance(value, bool):
            return str(value)
        case "string", str():
            return value
        case kind, _:
            raise ParameterError(Message.of("body.type", type=str(kind)))
