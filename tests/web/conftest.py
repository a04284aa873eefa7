"""Asking the API as a client does."""

from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient


@pytest.fixture
def ask(client: FlaskClient) -> Callable[..., Any]:
    """GETs an address that must answer 200 and gives its JSON."""

    def get(address: str, **query: object) -> Any:
        answer = client.get(address, query_string=query or None)
        assert answer.status_code == 200, answer.text
        return answer.json

    return get
