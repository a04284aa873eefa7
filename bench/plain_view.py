"""What anybody would write first: Flask, the same statement through psycopg, the rows through msgspec."""

import datetime as dt
import json
from collections.abc import Callable

import msgspec
from flask import Flask, Response, request
from psycopg.rows import dict_row
from psycopg.types.json import set_json_loads
from psycopg_pool import ConnectionPool

from openwatt.store.sql import statement
from openwatt.store.tariffs import HORIZON_PARAMETERS, RELIABLE_PARAMETERS, Cursor, TariffFilter

_encoder = msgspec.json.Encoder(decimal_format="number")
_NOTHING = dict.fromkeys(
    [
        *TariffFilter._fields,
        *(f"after_{name}" for name in Cursor._fields),
        "in_force",
        *HORIZON_PARAMETERS,
        *RELIABLE_PARAMETERS,
    ]
)


def plain_app(locate: Callable[[], str]) -> Flask:
    """An app whose /v1/tariffs asks the database each time, and does nothing else."""
    app = Flask("plain")
    set_json_loads(json.loads)  # psycopg's own, in place of the store's
    pool = ConnectionPool(locate(), min_size=1, max_size=4, open=True)

    @app.get("/v1/tariffs")
    def tariffs() -> Response:
        asked = request.args
        parameters = _NOTHING | {
            "supplier": asked.get("supplier"),
            "option": asked.get("option"),
            "power_kva": asked.get("power_kva", type=int),
            "on": dt.date.fromisoformat(asked["on"]),
            "known_at": "infinity",
            "limit": asked.get("limit", 100, type=int),
        }
        with pool.connection() as connection, connection.cursor(row_factory=dict_row) as cursor:
            rows = cursor.execute(statement("tariffs/on_day"), parameters).fetchall()
        return Response(_encoder.encode({"tariffs": rows}), content_type="application/json")

    app.extensions["pool"] = pool
    return app
