"""What Gunicorn serves: `gunicorn wsgi:app`."""

from openwatt.app import create_app

app = create_app()
