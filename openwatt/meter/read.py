"""The choice of the reader of a customer's file by its content, never by its name."""

import datetime as dt
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from openwatt.domain.errors import LoadCurveError, MeterFileError
from openwatt.domain.load_curve import Finding, LoadCurve, Readings, build_curve
from openwatt.meter import documents, enedis, tables
from openwatt.meter.cells import refuse_two_homes
from openwatt.meter.contents import Contents, unpack


class Reader(NamedTuple):
    """One maker's form: how it is told from the others, and how it is read."""

    maker: str
    recognises: Callable[[Contents], bool]
    read: Callable[[Contents], Readings]


#: The first that recognises a file reads it.
READERS = (
    Reader("Enedis hourly export", enedis.is_export, enedis.read_export),
    Reader("Enedis XLSX export", enedis.is_sheet, enedis.read_sheet),
    Reader("Data Connect", documents.is_interface, documents.read_interface),
    Reader("Enedis page", documents.is_browser, documents.read_browser),
    Reader("script", tables.is_script, tables.read_script),
    Reader("EDF", tables.is_edf, tables.read_edf),
    Reader("stamps with watts", tables.is_bare, tables.read_bare),
)


def read_load_curve(data: bytes, now: dt.datetime) -> LoadCurve:
    """The load curve in a file, or in the several files of one home in a zip.

    Raises:
        MeterFileError: with the reason and, where there is one, what to bring instead.
    """
    curves: list[tuple[str, Readings]] = []
    refusals: list[MeterFileError] = []
    for contents in unpack(data):
        try:
            curves.append(_read(contents))
        except MeterFileError as error:
            refusals.append(error)
    if not curves:
        raise refusals[0]
    if len({(readings.stamp_is, readings.is_energy) for _, readings in curves}) > 1:
        makers = ", ".join(sorted({maker for maker, _ in curves}))
        raise MeterFileError(f"the files of the zip are of several forms ({makers}); bring those of one")
    readings = _joined([readings for _, readings in curves])
    left_out = tuple(
        Finding("left_out", 1, f"a file of the zip was left out: {refusal}") for refusal in refusals
    )
    try:
        return build_curve(replace(readings, findings=readings.findings + left_out), now)
    except LoadCurveError as error:
        raise MeterFileError(str(error)) from None


def _read(contents: Contents) -> tuple[str, Readings]:
    for reader in READERS:
        if reader.recognises(contents):
            return reader.maker, reader.read(contents)
    first = contents.lines[0][:40] if contents.lines else "no header that is known"
    raise MeterFileError(
        f"the file is of no known maker (it begins with {first!r}); "
        "bring the hourly export of the grid operator's account, as CSV, XLSX or JSON"
    )


def _joined(several: list[Readings]) -> Readings:
    if len(several) == 1:
        return several[0]
    refuse_two_homes(frozenset().union(*(readings.homes for readings in several)))
    several.sort(key=lambda readings: int(readings.stamps_min.min()))
    return Readings(
        stamps_min=np.concatenate([one.stamps_min for one in several]),
        milli=np.concatenate([one.milli for one in several]),
        present=np.concatenate([one.present for one in several]),
        steps_min=np.concatenate([one.steps_min for one in several]),
        stamp_is=several[0].stamp_is,
        is_energy=several[0].is_energy,
        findings=tuple(finding for one in several for finding in one.findings),
    )
