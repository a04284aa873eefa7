"""Confines itself as systemd confines a unit, then becomes the unit's program: python confine.py JSON.

Run in a container by its own text, so it imports nothing of ours. What systemd does with
mounts, accounts and capabilities the container has done already; here are the filter of
system calls with its address families, memory that is never writable and executable at
once, and the open port that is handed over.
"""

import ctypes
import ctypes.util
import json
import os
import socket
import sys

ALLOW, EQUAL = 0x7FFF0000, 4
ERRNO = 0x00050000
MDWE = 65  # PR_SET_MDWE of linux/prctl.h


class Compared(ctypes.Structure):
    """struct scmp_arg_cmp: an argument's number, how it is compared, and with what."""

    _fields_ = (
        ("argument", ctypes.c_uint),
        ("how", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("other", ctypes.c_uint64),
    )


def filter_calls(names: list[str], families: list[int], errno: int) -> None:
    """Refuses every system call but these, and sockets of other families."""
    seccomp = ctypes.CDLL(ctypes.util.find_library("seccomp"))
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(ERRNO | errno))
    for name in names:
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0 and name != "socket":  # below zero: another machine's call
            assert seccomp.seccomp_rule_add(context, ALLOW, number, 0) == 0, name
    number = seccomp.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        compared = Compared(0, EQUAL, family, 0)
        added = seccomp.seccomp_rule_add_array(context, ALLOW, number, 1, ctypes.byref(compared))
        assert added == 0, family
    assert seccomp.seccomp_load(context) == 0


def main() -> None:
    """Reads what is asked, and does not come back."""
    asked = json.loads(sys.argv[1])
    if asked["listen"]:
        host, _, port = asked["listen"].rpartition(":")
        listening = socket.create_server((host, int(port)))
        os.dup2(listening.fileno(), 3)
        os.set_inheritable(3, True)
        os.environ |= {"LISTEN_FDS": "1", "LISTEN_PID": str(os.getpid())}
    if asked["never_writable_code"]:
        assert ctypes.CDLL(None).prctl(MDWE, 1, 0, 0, 0) == 0
    filter_calls(asked["calls"], asked["families"], asked["errno"])
    os.execvp(asked["command"][0], asked["command"])  # noqa: S606 - the unit's own program


if __name__ == "__main__":
    main()
