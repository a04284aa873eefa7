import uuid
from contextlib import suppress
from pathlib import Path

import pytest

from openwatt.portfolio.errors import PortfolioError
from openwatt.portfolio.results.storage import (
    AddressFolder,
    DiskFolder,
    Storage,
    storage_at,
    without_credentials,
)


@pytest.fixture(params=["disk", "file", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Storage:
    """An empty folder of each kind; `memory` stands for object stores, which have no locks."""
    addresses = {
        "disk": str(tmp_path / "folder"),
        "file": f"file://{tmp_path}/folder",
        "memory": f"memory://{uuid.uuid4()}/folder",
    }
    return storage_at(addresses[request.param])


def test_a_folder_holds_whole_files(folder: Storage) -> None:
    assert folder.names() == {}
    assert folder.read("a") is None
    with folder.locked():
        folder.write("a", b"12")
        folder.write("a", b"123")
        with folder.writing("b") as stream:
            stream.write(b"4567")
        with folder.writing("../beside") as stream:
            stream.write(b"89")
        assert folder.names() == {"a": 3, "b": 4}
        assert folder.read("a") == b"123"
        with folder.open("b") as stream:
            assert stream.read() == b"4567"
        folder.remove("a", "never there")
    assert folder.names() == {"b": 4}


def test_what_could_not_be_written_whole_leaves_nothing(folder: Storage) -> None:
    with folder.locked():
        folder.write("a", b"before")
        with suppress(EOFError), folder.writing("a") as stream:
            stream.write(b"ha")
            raise EOFError
        assert folder.names() == {"a": 6}
        assert folder.read("a") == b"before"


def test_two_runs_never_have_one_folder() -> None:
    address = f"memory://{uuid.uuid4()}/folder"
    storage_at(address).claim("_run.json", b"1")
    with pytest.raises(BlockingIOError):
        storage_at(address).claim("_run.json", b"2")
    assert storage_at(address).read("_run.json") == b"1"


def test_a_lock_is_of_one_and_what_a_killed_run_left_half_written_is_removed(tmp_path: Path) -> None:
    folder = DiskFolder(tmp_path / "folder")
    with folder.locked():
        (folder.path / ".part-1.csv.0123.aside").touch()
        with pytest.raises(BlockingIOError), folder.locked():
            pass
        folder.write("part-1.csv", b"")
    with folder.locked():
        assert folder.names() == {"part-1.csv": 0}
        folder.remove("part-1.csv")
    assert not folder.path.exists()


def test_credentials_of_an_address_are_never_shown() -> None:
    folder = AddressFolder("ftp://someone:secret@127.0.0.1:1/there?token=secret")
    assert str(folder) == "ftp://***@127.0.0.1:1/there"
    with pytest.raises(PortfolioError) as refused:
        folder.check()
    with pytest.raises(OSError, match="refused") as failed:
        folder.names()
    for shown in (repr(folder), str(refused.value), str(failed.value)):
        assert "secret" not in shown
    assert without_credentials("s3://bucket/results") == "s3://bucket/results"
    assert without_credentials("/a/b@c") == "/a/b@c"


@pytest.mark.parametrize(
    ("address", "reason"),
    [
        ("s3://bucket/x", "s3://bucket/x cannot be used: Install s3fs to access S3"),
        ("nowhere://x", "nowhere://x cannot be used: fsspec knows no nowhere://"),
    ],
)
def test_an_address_that_cannot_be_used_says_why(address: str, reason: str) -> None:
    with pytest.raises(PortfolioError) as refused:
        storage_at(address)
    assert str(refused.value) == reason
