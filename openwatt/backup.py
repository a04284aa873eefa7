"""Backups of the database: which one is the newest."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Backup:
    """One backup that lies in a folder."""

    path: Path
    taken_at: dt.datetime
    size_bytes: int


def newest_backup(folder: Path) -> Backup | None:
    """The newest backup of a folder; None when there is none."""
    found = [
        Backup(path, dt.datetime.fromtimestamp(path.stat().st_mtime, dt.UTC), path.stat().st_size)
        for path in folder.glob("*.dump")
    ]
    return max(found, key=lambda backup: backup.taken_at, default=None)
