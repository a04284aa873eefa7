"""`/v1/package`: the whole history as files, described by `datapackage.json`."""

from openwatt.open_data.package import DESCRIPTOR
from openwatt.open_data.stored_package import ARCHIVE, PackageFile
from openwatt.web.http.app_state import app_state
from openwatt.web.http.file_view import file_view


def _file(name: str) -> PackageFile:
    state = app_state()
    return state.package.file(name, state.clock())


@file_view("application/json")
def package_descriptor() -> PackageFile:
    """What the open-data package holds.

    The descriptor of a Frictionless Data Package: for each file its columns with types and meaning, its
    sources with the hashes of their documents, and its licences.
    """
    return _file(DESCRIPTOR)


@file_view("text/csv")
def package_tariffs_csv() -> PackageFile:
    """The whole history of tariffs as CSV.

    Every observation of every tariff, contract by contract, oldest first, with the columns of `/v1/tariffs`.
    `data_status` is that of the beginning of the legal day.
    """
    return _file("tariffs.csv")


@file_view("application/jsonl")
def package_tariffs_jsonl() -> PackageFile:
    """The whole history of tariffs as JSON Lines.

    The same rows as objects, one a line, each as an item of `/v1/tariffs`.
    """
    return _file("tariffs.jsonl")


@file_view("text/csv")
def package_tempo_days_csv() -> PackageFile:
    """The colours of all Tempo days as CSV.

    Every day whose colour is known, with the columns of `/v1/tempo`.
    """
    return _file("tempo_days.csv")


@file_view("application/jsonl")
def package_tempo_days_jsonl() -> PackageFile:
    """The colours of all Tempo days as JSON Lines.

    The same rows as objects, one a line, each as an item of `/v1/tempo`.
    """
    return _file("tempo_days.jsonl")


@file_view("application/zip")
def package_archive() -> PackageFile:
    """The open-data package in one file.

    The descriptor and the CSV files in a zip.
    """
    return _file(ARCHIVE)
