"""The `openwatt` command within limits of time and memory, as the service runs it for a request."""

import resource
import signal
import sys

from openwatt.cli import main


def limit(seconds: int, megabytes: int, cpu_seconds: int) -> None:
    """Limits this process; when its seconds are over the kernel ends it, even if nothing waits for it.

    Its bounds of memory and processor time are soft: the process in which it reads a document
    sets its own, which are those of a run, and could not go beyond hard ones.
    """
    most = megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(seconds)


if __name__ == "__main__":
    limit(int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
    main(sys.argv[4:], prog_name="openwatt")
