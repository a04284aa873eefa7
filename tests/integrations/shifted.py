"""The application with another clock, for Gunicorn: `gunicorn tests.integrations.shifted:app`."""

import datetime as dt
import os

from openwatt.app import create_app

#: `CLOCK_AHEAD_S` says by how many seconds.
_AHEAD = dt.timedelta(seconds=int(os.environ["CLOCK_AHEAD_S"]))

app = create_app(clock=lambda: dt.datetime.now(dt.UTC) + _AHEAD)
