"""Asking the API as a client does."""

import datetime as dt
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from flask.testing import FlaskClient

from openwatt.domain.tariff import Tariff
from openwatt.store.tariffs import Observation, SourceDocument, publish
from tests.conftest import NOW


@pytest.fixture
def ask(client: FlaskClient) -> Callable[..., Any]:
    """GETs an address that must answer 200 and gives its JSON."""

    def get(address: str, **query: object) -> Any:
        answer = client.get(address, query_string=query or None)
        assert answer.status_code == 200, answer.text
        return answer.json

    return get


def publish_dear_tariff(url: str) -> None:
    """Publishes a tariff whose price is more than half above the regulated one."""
    tariff = Tariff(
        supplier="Cher",
        offer="Très cher",
        option="BASE",
        power_kva=6,
        applies_from=dt.date(2025, 8, 1),
        applies_to=None,
        subscription_eur_per_year_ht=None,
        subscription_eur_per_year_ttc=Decimal("185.64"),
        prices_eur_per_kwh_ht={},
        prices_eur_per_kwh_ttc={"BASE": Decimal("0.2929")},  # 0.1952 × 1.5 = 0.2928
    )
    with psycopg.connect(url) as connection:
        publish(
            connection,
            [
                Observation(
                    tariff,
                    NOW,
                    SourceDocument(reference="test", kind="supplier", title="a sheet"),
                    None,
                    "test",
                )
            ],
        )
