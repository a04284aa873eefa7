"""The `openwatt` command within limits of time and memory: how the service runs it for a request."""

import resource
import signal
import sys

from openwatt.cli import main


def limit(seconds: int, megabytes: int) -> None:
    """Bounds this process: when its seconds are over the kernel ends it, whoever still waits for it."""
    most = megabytes * 1_000_000
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(seconds)


if __name__ == "__main__":
    limit(int(sys.argv[1]), int(sys.argv[2]))
    main(sys.argv[3:], prog_name="openwatt")
