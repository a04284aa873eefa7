"""A process that has read the database ends at once: no thread of a pool is left for Python to wait for."""

import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
#: Whoever registers first is called last: when everybody else has done what is to be done at the end.
READ_AND_END = """
import atexit, sys, threading
atexit.register(lambda: print("left:", [one.name for one in threading.enumerate()]))
from openwatt.store.database import Database
database = Database(lambda: sys.argv[1])
print("read:", len(database.read("offers/suppliers", {}, dict)))
"""


def test_a_process_that_ends_without_closing_leaves_no_thread_of_its_pool(filled_url: str) -> None:
    # A thread that lives when the interpreter is taken down is never seen to end since Python 3.13, and
    # the pool's finalizer waits 5 seconds for each of its four: every stop of the service took so long.
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", READ_AND_END, filled_url],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    read, left = done.stdout.splitlines()
    assert int(read.removeprefix("read: ")) > 0
    assert left == "left: ['MainThread']"
    assert done.stderr == ""
