"""Faults on purpose, for `openwatt drill`: the routes exist only where a drill token is set.

Every request names the end of its drill (`X-Drill-Until`, Unix seconds): after it, and more
than an hour before it, nothing is provoked, so that a client gone wild or a recorded request
cannot go on for ever. The faults are real ones of this service; none touches its data.
"""

import threading
import time

from flask import Blueprint, Response, request

from openwatt.domain.messages import Message
from openwatt.web.http.bearer import Bearer
from openwatt.web.http.problems import BadRequestError, Fault, problem

#: How far ahead a drill may end.
LONGEST_S = 3600
#: How long a slow answer may take; it keeps one thread of one worker.
SLOWEST_S = 10.0


class DrillError(Exception):
    """The fault that a drill provokes; it is not handled, so that it takes the way of every other."""


def drills(bearer: Bearer) -> Blueprint:
    """The routes that provoke: an error, a slow answer, a refusal."""
    blueprint = Blueprint("drills", __name__, url_prefix="/v1/drills")
    slow_ones = threading.Semaphore(1)

    @blueprint.before_request
    def _guard() -> Response | None:
        if not bearer.admits(request.headers.get("Authorization", "")):
            refusal = problem(401, Message("problem.drill_token"))
            refusal.headers["WWW-Authenticate"] = 'Bearer realm="drills"'
            return refusal
        until = request.headers.get("X-Drill-Until", "")
        left_s = int(until) - time.time() if until.isascii() and until.isdigit() and len(until) < 12 else -1.0
        if not 0 < left_s <= LONGEST_S:
            return problem(403, Message.of("problem.drill_until", seconds=str(LONGEST_S)))
        return None

    @blueprint.post("/error")
    def error() -> Response:
        """Fails with an exception that is not handled."""
        raise DrillError("a drill provokes this error")

    @blueprint.post("/unavailable")
    def unavailable() -> Response:
        """Answers 503 without an exception: for bursts, which would otherwise fill the error reports."""
        return problem(503, Message("problem.drill"))

    @blueprint.post("/slow")
    def slow() -> Response:
        """Answers after `seconds`; one at a time in a worker, so that a drill never takes all threads."""
        try:
            seconds = float(request.args.get("seconds", ""))
        except ValueError:
            seconds = -1.0
        if not 0 < seconds <= SLOWEST_S:
            raise BadRequestError([Fault("seconds", Message.of("parameter.number", most=f"{SLOWEST_S:g}"))])
        if not slow_ones.acquire(blocking=False):
            refusal = problem(429, Message("problem.drill_slow"))
            refusal.headers["Retry-After"] = "1"
            return refusal
        try:
            time.sleep(seconds)
        finally:
            slow_ones.release()
        return Response(status=204, headers={"Cache-Control": "no-store"})

    return blueprint
