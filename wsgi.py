"""What Gunicorn serves: `gunicorn wsgi:app`."""

import os
from pathlib import Path

from gunicorn.errors import AppImportError

from openwatt.app import create_app
from openwatt.telemetry.start import running_telemetry

# Gunicorn looks for its configuration in the folder that it is started in, before `--chdir`: without it
# the service would listen elsewhere, with one worker and no database.
if os.environ.get("SERVER_SOFTWARE", "").startswith("gunicorn/") and running_telemetry() is None:
    raise AppImportError(
        "OpenWatt cannot start: Gunicorn has not read its configuration; name it, whatever folder Gunicorn "
        f"is started in: gunicorn --config {Path(__file__).with_name('gunicorn.conf.py')} wsgi:app"
    )

app = create_app()
