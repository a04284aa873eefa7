"""The carried use: the measured use of a customer's file, as text that a page sends back with its next form.

Nothing of a customer is stored here, and a file is sent once. The page that answers it therefore carries
the load curve that was read, and what was said of it, in one hidden field of its form `question`:

* `home.py` writes the field (`write`) into every page of a file, an answer or a fault of another field;
* a POST to `/` with `measured_use` and without `file` or `kwh` is answered as the file was, to the last digit
  (`read` takes the place of the reader of files, and its faults are those of the field `file`);
* whatever else needs the use of a file is part of that form: a field or a button elsewhere in the page has
  the attribute `form="question"`, and a button may have a `formaction`, such as that of another language.

A curve that is longer than `LONGEST_TEXT` is not carried: `write` gives None and the page says so.

The text is `VERSION.DIGEST.BASE64`, where BASE64 is deflated MessagePack. Everything in it comes from a
client: the digest finds a text that was changed or cut on its way, bounds hold before anything is built.
"""

import datetime as dt
import hashlib
import zlib
from base64 import b64decode, b64encode

import msgspec
import numpy as np
import numpy.typing as npt

from openwatt.domain.errors import LoadCurveError, MeterFileError
from openwatt.domain.legal_time import Minutes, minutes_of
from openwatt.domain.load_curve import FileOrigin, Finding, LoadCurve
from openwatt.domain.messages import Message
from openwatt.meter.options import NO_OPTIONS, FileOptions
from openwatt.sentences.catalogue import CODES, sentence

#: The field of a form that holds the text.
FIELD = "measured_use"
#: Characters: ten years of half hours, five of ten minutes. Flask takes half a million in a form's texts.
LONGEST_TEXT = 400_000
#: Of another version nothing is read: a page that is older than the service is loaded again.
VERSION = "1"
_DIGEST_CHARACTERS = 16
_MOST_ROWS = 1_000_000
#: Bytes once inflated: 8 for an energy, 24 for a run of steps, and what was said of them.
_MOST_BYTES = 16 * 1024 * 1024
_MOST_FINDINGS = 200
_LONGEST_SENTENCE = 2000
#: No meter of the grid recorded a curve before.
_FIRST_MIN = minutes_of(dt.datetime(2000, 1, 1, tzinfo=dt.UTC))
_LONGEST_STEP_MIN = 366 * 1440
#: W × minutes of all rows together: int64 sums stay exact below.
_MOST_ENERGY = 2**60
_INT64 = np.dtype("<i8")


class _Carried(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """A load curve: runs of equal steps (starts, steps and counts), and energies in multiples of `unit`."""

    runs: bytes
    unit: int
    energies: bytes
    findings: tuple[Finding, ...]
    origins: tuple[FileOrigin, ...]


_encoder = msgspec.msgpack.Encoder()
_decoder = msgspec.msgpack.Decoder(_Carried)


def write(curve: LoadCurve) -> str | None:
    """The text of a curve; None where it is longer than a form may hold."""
    begins = np.flatnonzero(_new_runs(curve))
    counts = np.diff(np.append(begins, len(curve.starts_min)))
    runs = np.stack([curve.starts_min[begins], curve.steps_min[begins], counts])
    unit = max(1, int(np.gcd.reduce(curve.energies)))
    # The finding of days that are cut is made with each question, which may ask for other days.
    findings = tuple(one for one in curve.findings if one.kind != "cut_day")
    carried = _Carried(_by_byte(runs), unit, _by_byte(curve.energies // unit), findings, curve.origins)
    deflated = zlib.compress(_encoder.encode(carried), 9)
    packed = b64encode(deflated).decode("ascii")
    text = f"{VERSION}.{_digest(packed)}.{packed}"
    return text if len(text) <= LONGEST_TEXT else None


def read(data: bytes, now: dt.datetime, _options: FileOptions = NO_OPTIONS) -> LoadCurve:
    """The curve of a text, as `openwatt.meter.read.read_load_curve` gives that of a file.

    Raises:
        MeterFileError: when the text is too long, of another version or damaged.
    """
    if len(data) > LONGEST_TEXT:
        raise MeterFileError(Message("carried.too_long"))
    version, _, rest = data.partition(b".")
    if version != VERSION.encode():
        raise MeterFileError(Message("carried.version"))
    digest, _, packed = rest.partition(b".")
    try:
        curve = _curve(_decoder.decode(_inflated(_unpacked(digest, packed))), now)
        _check_findings(curve.findings)
    except (ValueError, zlib.error, RecursionError, msgspec.DecodeError, LoadCurveError):
        raise MeterFileError(Message("carried.damaged")) from None
    return curve


def _new_runs(curve: LoadCurve) -> npt.NDArray[np.bool_]:
    """Whether a row begins a run: it has another step than the row before, or does not follow it at once."""
    starts, steps = curve.starts_min, curve.steps_min
    follows = (starts[1:] == (starts + steps)[:-1]) & (steps[1:] == steps[:-1])
    return np.concatenate([[True], ~follows])


def _by_byte(numbers: Minutes) -> bytes:
    """Numbers as bytes, the lowest of all first: the high ones are zeros, which deflate to nothing."""
    return np.ascontiguousarray(numbers, dtype=_INT64).reshape(-1).view(np.uint8).reshape(-1, 8).T.tobytes()


def _numbers(data: bytes) -> Minutes:
    if len(data) % 8:
        raise ValueError("no whole numbers")
    planes = np.frombuffer(data, dtype=np.uint8).reshape(8, -1)
    return np.ascontiguousarray(planes.T).view(_INT64).reshape(-1).astype(np.int64)


def _digest(packed: str) -> str:
    return hashlib.sha256(packed.encode("ascii")).hexdigest()[:_DIGEST_CHARACTERS]


def _unpacked(digest: bytes, packed: bytes) -> bytes:
    if digest.decode("ascii") != _digest(packed.decode("ascii")):
        raise ValueError("changed on its way")
    return b64decode(packed, validate=True)


def _inflated(deflated: bytes) -> bytes:
    inflater = zlib.decompressobj()
    data = inflater.decompress(deflated, _MOST_BYTES)
    if not inflater.eof or inflater.unused_data:
        raise ValueError("not one whole stream within the bound")
    return data


def _curve(carried: _Carried, now: dt.datetime) -> LoadCurve:
    energies, runs = _numbers(carried.energies), _numbers(carried.runs)
    rows = len(energies)
    if len(carried.origins) != len(set(carried.origins)):
        raise ValueError("an origin given twice")
    if not 0 < rows <= _MOST_ROWS or len(runs) % 3 or not 0 < len(runs) // 3 <= rows:
        raise ValueError("rows and runs do not fit")
    starts, steps, counts = runs.reshape(3, -1)
    latest = _FIRST_MIN + 100 * _LONGEST_STEP_MIN
    if not (
        ((starts >= _FIRST_MIN) & (starts < latest)).all()
        and ((steps > 0) & (steps <= _LONGEST_STEP_MIN)).all()
        and ((counts > 0) & (counts <= rows)).all()
        and counts.sum() == rows
    ):
        raise ValueError("a run out of bounds")
    if not 0 < carried.unit < _MOST_ENERGY or (energies < 0).any():
        raise ValueError("an energy out of bounds")
    if float(energies.astype(np.float64).sum()) * carried.unit >= _MOST_ENERGY:
        raise ValueError("more energy than can be counted")
    before = np.cumsum(counts) - counts
    inside = np.arange(rows, dtype=np.int64) - np.repeat(before, counts)
    long_steps = np.repeat(steps, counts)
    curve = LoadCurve(
        np.repeat(starts, counts) + inside * long_steps,
        long_steps,
        energies * carried.unit,
        carried.findings,
        carried.origins,
    )
    if curve.end_min * 60 > now.timestamp():
        raise ValueError("a use of the future")
    return curve


def _check_findings(findings: tuple[Finding, ...]) -> None:
    """Refuses findings that no catalogue has a sentence for, or that are longer than any."""
    if len(findings) > _MOST_FINDINGS:
        raise ValueError("more findings than there are")
    for finding in findings:
        for code in CODES:
            for on_page in (True, False):
                try:
                    text = sentence(finding.message, code, on_page=on_page)
                except KeyError:
                    raise ValueError("no such sentence") from None
                if len(text) > _LONGEST_SENTENCE or not finding.message.key.startswith("finding."):
                    raise ValueError("no sentence of a finding")
