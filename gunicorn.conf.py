"""How Gunicorn runs OpenWatt: read by `gunicorn wsgi:app` from the folder it is started in."""

from openwatt.server import gunicorn_settings

# This file is executed at the start and again at each HUP, and Gunicorn takes its settings from these names.
globals().update(gunicorn_settings())
