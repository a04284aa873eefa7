"""An application whose threads can be made to hang, for a worker that finds so after a second."""

import time

from openwatt.app import create_app
from openwatt.settings import Settings
from openwatt.web.http import worker

worker.STUCK_SECONDS = 1.0
app = create_app(Settings(database_url="postgresql:///none?host=/nonexistent"))


@app.get("/hang")
def hang() -> str:
    """Takes a thread for longer than any test waits."""
    time.sleep(120)
    return ""
