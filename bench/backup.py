"""How long a backup and a restore take beside the size of the history: `python -m bench.backup`."""

import argparse
import shutil
import tempfile
import time
from pathlib import Path

import psycopg
from psycopg.conninfo import make_conninfo

from bench.history import fill, progress, server
from openwatt.store.backup import drop_kept, restore_backup, take_backup


def main() -> None:
    """Fills one database for each size, backs it up, restores it, and prints seconds and bytes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[100_000, 1_000_000], help="sizes of the history"
    )
    arguments = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="ow-backups-"))
    print(f"{'rows':>12}{'database MB':>14}{'backup MB':>12}{'backup s':>11}{'restore s':>11}")
    try:
        with server() as postgres:
            for rows in arguments.rows:
                with psycopg.connect(postgres.conninfo(), autocommit=True) as connection:
                    connection.execute(f"create database history_{rows}".encode())
                url = make_conninfo(postgres.conninfo(), dbname=f"history_{rows}")
                fill(url, rows, 25).connection.close()
                with psycopg.connect(url) as connection:
                    size = connection.execute("select pg_database_size(current_database())").fetchall()[0][0]
                began = time.perf_counter()
                taken = take_backup(url, folder / str(rows), keep=1, progress=progress)
                backed_up = time.perf_counter()
                restore_backup(url, taken.path, progress=progress)
                restored = time.perf_counter()
                drop_kept(url)
                with psycopg.connect(url) as connection:
                    assert connection.execute("select count(*) from tariffs").fetchone() == (rows,)
                print(
                    f"{rows:12,}{size / 1e6:14.1f}{taken.size_bytes / 1e6:12.1f}"
                    f"{backed_up - began:11.1f}{restored - backed_up:11.1f}"
                )
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
