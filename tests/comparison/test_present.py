"""The present contract is found by the names that a person types, alike at every door."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask.testing import FlaskClient

from openwatt.cli import main
from openwatt.comparison.present import UnknownContractError, find_present
from openwatt.sentences.catalogue import sentence

KEYS = [
    ("EDF", "Tarif Bleu", "BASE", 6),
    ("EDF", "Tarif Bleu", "HPHC", 6),
    ("GEG", "Yéli Électricité Verte", "BASE", 6),
    ("GEG", "yeli electricite verte", "BASE", 6),
    ("Engie", "L'Élec’Ciel", "BASE", 6),
    ("EDF", "Tarif Bleu", "BASE", 9),
]


@pytest.mark.parametrize(
    ("supplier", "offer", "meant"),
    [
        (None, None, KEYS[0]),
        ("EdF", "tarif bleu", KEYS[0]),
        (" edf ", "TARIF  BLEU", KEYS[0]),
        ("E D F", "tarifbleu", KEYS[0]),
        ("geg", "YELI ÉLECTRICITE VERTE", KEYS[2]),
        ("GEG", "yeli electricite verte", KEYS[3]),
        ("ENGIE", "l’elec'ciel", KEYS[4]),
    ],
)
def test_names_are_found_however_they_are_typed(
    supplier: str | None, offer: str | None, meant: tuple[str, str, str, int]
) -> None:
    assert find_present(KEYS, option="BASE", power_kva=6, supplier=supplier, offer=offer) == meant


@pytest.mark.parametrize(
    ("asked", "name", "said"),
    [
        ({"supplier": "EDFF"}, "supplier", "is EDF meant?"),
        ({"supplier": "Nobody at all"}, "supplier", "list all"),
        ({"offer": "tarif blue"}, "offer", "is Tarif Bleu meant?"),
        ({"offer": "zzz"}, "offer", "the offers there are: Tarif Bleu"),
        ({"option": "EJP"}, "option", "the options there are: BASE, HPHC"),
        ({"power_kva": 36}, "supplier", "nothing is sold at this power"),
    ],
)
def test_an_unknown_name_is_said_with_what_may_be_meant(asked: dict[str, Any], name: str, said: str) -> None:
    wanted: dict[str, Any] = {"option": "BASE", "power_kva": 6, **asked}
    with pytest.raises(UnknownContractError) as refused:
        find_present(KEYS, **wanted)
    assert refused.value.name == name
    assert sentence(refused.value).startswith("no contract")
    assert said in sentence(refused.value)


def compare(url: str, *arguments: str) -> Result:
    asked = ("compare", "--power-kva", "6", "--kwh", "5000", "--json", *arguments)
    return CliRunner().invoke(main, asked, env={"OPENWATT_DATABASE_URL": url})


def savings(answer: Any) -> dict[tuple[str, str, str], float | None]:
    return {
        (line["supplier"], line["offer"], line["option"]): line["saving_against_present_eur"]
        for line in answer["ranking"]
    }


def test_the_command_and_the_api_mean_the_same_contract(client: FlaskClient, filled_url: str) -> None:
    names = {"supplier": "EdF", "offer": "tarif bleu", "option": "BASE"}
    told = client.get("/v1/bills", query_string={"power_kva": 6, "kwh": 5000, **names})
    assert told.status_code == 200, told.text
    api: Any = told.json
    done = compare(filled_url, *(word for name, value in names.items() for word in (f"--{name}", value)))
    assert done.exit_code == 0, done.output
    command = savings(json.loads(done.stdout))
    assert command[("EDF", "Tarif Bleu", "BASE")] == 0
    assert savings(api)[("EDF", "Tarif Bleu", "BASE")] == 0
    assert {key for key, saving in command.items() if saving is None} == {
        key for key, saving in savings(api).items() if saving is None
    }
    typed, exact = (
        client.get("/", query_string={"power_kva": 6, "kwh": 5000, "lang": "en", "present": present})
        for present in ("EdF~tarif bleu~BASE", "EDF~Tarif Bleu~BASE")
    )
    assert (typed.status_code, exact.status_code) == (200, 200)
    assert words(typed.text) == words(exact.text)


def words(page: str) -> list[str]:
    """What a page says, without its markup."""
    return re.sub(r"<[^>]+>", " ", page).split()


def test_every_door_suggests_what_may_be_meant(
    client: FlaskClient, filled_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    query = {"power_kva": 6, "kwh": 5000, "option": "BASE", "offer": "tarif blue"}
    answer = client.get("/v1/bills", query_string=query)
    assert answer.status_code == 422
    (fault,) = (answer.json or {})["faults"]
    assert fault["parameter"] == "offer"
    done = compare(filled_url, "--option", "BASE", "--offer", "tarif blue")
    assert done.exit_code == 2
    assert done.stderr.splitlines()[-1] == f"Error: --offer: {fault['message']}"
    assert "is Tarif Bleu meant?" in done.stderr


def test_a_supplier_without_an_option_is_no_contract(filled_url: str) -> None:
    done = compare(filled_url, "--supplier", "EDF")
    assert done.exit_code == 2
    assert "--supplier: is of the present contract, whose option is missing" in done.stderr
