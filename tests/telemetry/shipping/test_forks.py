"""What a forked process inherits of the threads that its parent had."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.log_receivers import Receiver

#: A thread imports a module that takes its time, and the process forks meanwhile.
FORK = """
import os, signal, sys, threading, time
from openwatt.telemetry.shipping import forks
sys.path.insert(0, sys.argv[1])

def use():
    %s

thread = forks.start_thread(use, "slow")
while not os.path.exists(os.path.join(sys.argv[1], "begun")):
    time.sleep(0.001)
pid = os.fork()
if pid == 0:
    signal.alarm(5)  # a child that waits for a thread that it has not waits for ever
    use()
    os._exit(0)
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""
SLOW = """
import pathlib, time
pathlib.Path(__file__).with_name("begun").touch()
time.sleep(0.3)
"""


@pytest.mark.parametrize(
    ("module", "use"),
    [("slow", "import slow; slow.ready"), ("stringprep", "'127.0.0.1'.encode('idna')")],
    ids=["a module", "the codec of host names"],
)
def test_a_child_can_use_what_another_thread_was_importing_at_the_fork(
    tmp_path: Path, module: str, use: str
) -> None:
    # `stringprep` is what `encodings.idna` imports first: a slow disk holds it up there.
    (tmp_path / f"{module}.py").write_text(f"{SLOW}\nready = unicodedata = True\n")
    # Since Python 3.12 a fork beside a thread is warned of: this is what is tried here.
    command = [sys.executable, "-W", "ignore::DeprecationWarning", "-c", FORK % use, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    assert (done.stdout.strip(), done.stderr) == ("0", "")


HANG = """
import os, sys, threading, time
from openwatt.telemetry.shipping import forks
forks._IMPORT_SECONDS = 0.2
sys.path.insert(0, sys.argv[1])
thread = threading.Thread(target=lambda: __import__("slow"), daemon=True)
thread.start()
while not os.path.exists(os.path.join(sys.argv[1], "begun")):
    time.sleep(0.001)
pid = os.fork()
if pid == 0:
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), thread.is_alive(), flush=True)
os._exit(0)
"""


def test_an_import_that_hangs_holds_up_no_fork_for_ever(tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(SLOW.replace("0.3", "60"))
    command = [sys.executable, "-c", HANG, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    assert done.stdout.split() == ["0", "True"]


SHIPPING = """
import logging, sys, threading
imported = set()

def seen(event, arguments):
    if event == "import" and threading.current_thread() is not threading.main_thread():
        imported.add(arguments[0])

sys.addaudithook(seen)
from openwatt.telemetry.logs.json_formatter import Identity
from openwatt.telemetry.logs.setup import LogConfig
from openwatt.telemetry.shipping.shipper import ShippingConfig
from openwatt.telemetry.start import TelemetryConfig, start_telemetry
telemetry = start_telemetry(TelemetryConfig(
    logs=LogConfig(identity=Identity()), version="0", revision="0",
    shipping=ShippingConfig(url=sys.argv[1])))
logging.getLogger("openwatt").error("a record")
whole = telemetry.shipper.flush(float(sys.argv[2]))
print(f"\\n{whole} {sorted(imported)}", flush=True)
"""


@pytest.mark.parametrize("away", [False, True], ids=["received", "away"])
def test_the_shipping_thread_imports_nothing(*, away: bool) -> None:
    """A process forks workers while its thread ships: what the thread needs was loaded before."""
    receiver = Receiver()
    if away:
        receiver.close()
    try:
        command = [sys.executable, "-c", SHIPPING, receiver.url, "1" if away else "10"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    finally:
        if not away:
            receiver.close()
    assert done.stdout.splitlines()[-1] == f"{not away} []"
