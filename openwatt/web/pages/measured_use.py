"""The measured use that a question of the home page brings, and what it was recognised as."""

import datetime as dt
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
from flask import request

from openwatt.domain.example_home import example_curve
from openwatt.domain.legal_time import PARIS, instant_of
from openwatt.domain.load_curve import LoadCurve
from openwatt.domain.profiles import last_known_year
from openwatt.meter.contents import pack
from openwatt.meter.options import FileOptions
from openwatt.web.http.app_state import app_state
from openwatt.web.http.bodies import file_bytes
from openwatt.web.http.uploads import read_load_curve
from openwatt.web.pages import carried_use
from openwatt.web.pages.i18n import Language

#: The field of the example home, and its one value.
EXAMPLE_FIELD, EXAMPLE = "example", "house"


class MeasuredUse:
    """A measured use in files, as a page carried it, or that of the example home; yearly kWh replace each."""

    def __init__(self, texts: Mapping[str, str]) -> None:
        self.files = [one for one in request.files.getlist("file") if one.filename]
        replaced = bool(self.files) or "kwh" in texts
        self._is_example = EXAMPLE_FIELD in texts and not replaced
        self._sent = "" if replaced or self._is_example else request.form.get(carried_use.FIELD, "")
        self._curve: LoadCurve | None = None

    @property
    def has_address(self) -> bool:
        """Whether an address can ask the same: nothing of a file is in one."""
        return not self.files and not self._sent

    @property
    def file_curve(self) -> LoadCurve | None:
        """The curve of a file, once it was read; None too for the example."""
        return None if self.has_address else self._curve

    def data(self) -> bytes | None:
        """What `read` reads; None where the question brings no measured use."""
        if self.files:
            return file_bytes(self.files[0]) if len(self.files) == 1 else pack(map(file_bytes, self.files))
        return b"example" if self._is_example else self._sent.encode() or None

    def read(self, data: bytes, now: dt.datetime, options: FileOptions) -> LoadCurve:
        """The curve of that data."""
        if self._is_example:
            today = now.astimezone(PARIS).date()
            return example_curve(last_known_year(app_state().market.colours()["TEMPO"], today))
        reader = carried_use.read if self._sent else read_load_curve
        self._curve = reader(data, now, options)
        return self._curve

    def carried(self) -> str | None:
        """The text that carries the curve of a file on; None too where it is too long."""
        return None if self.file_curve is None else carried_use.write(self.file_curve)


class RecognisedFact(NamedTuple):
    """One thing that was read of a file itself, before anything was computed of it."""

    name: str
    value: str


def recognised_facts(curve: LoadCurve, ours: Language) -> list[RecognisedFact]:
    """What a file was recognised as: its format and maker, its period, its steps, the power found in it."""
    exports = [
        ours.text(f"recognised.{one.export}", format=ours.text(f"recognised.{one.format}"))
        for one in curve.origins
    ]
    first, last = instant_of(curve.start_min).date(), instant_of(curve.end_min - 1).date()
    lengths, counts = np.unique(curve.steps_min, return_counts=True)
    steps = [f"{length} min" for length in lengths[np.argsort(-counts, kind="stable")].tolist()]
    watts, at_min = curve.highest_power_w()
    texts = {
        "file": ", ".join(exports),
        "period": ours.text("recognised.days", start=ours.day(first), end=ours.day(last)),
        "step": ", ".join(steps),
        "power": ours.text(
            "recognised.kilowatts", kw=ours.number(watts / 1000, 1), day=ours.day(instant_of(at_min).date())
        ),
    }
    return [RecognisedFact(ours.text(f"recognised.{name}"), text) for name, text in texts.items() if text]
