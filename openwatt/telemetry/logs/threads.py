"""Log records about threads: one that died, and what all of them are doing."""

import logging
import sys
import threading
import traceback


def log_stacks(event: str) -> None:
    """Logs the stack of every thread of this process: for a worker that is about to be killed."""
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    stacks = [
        f"Thread {names.get(ident, ident)}:\n{''.join(traceback.format_stack(frame))}"
        for ident, frame in sys._current_frames().items()  # noqa: SLF001  there is no other way to see them
    ]
    record = logging.LogRecord("openwatt.threads", logging.CRITICAL, "", 0, event, None, None)
    record.stack_info = "\n".join(stacks)
    logging.getLogger(record.name).handle(record)


def log_thread_death(args: threading.ExceptHookArgs) -> None:
    """Logs the exception that ended a thread, as `threading.excepthook`."""
    if args.exc_type is SystemExit or args.exc_value is None:
        return
    logging.getLogger("openwatt.threads").critical(
        "a thread died",
        exc_info=(args.exc_type, args.exc_value, args.exc_traceback),
        extra={"worker": args.thread.name if args.thread else None},
    )
