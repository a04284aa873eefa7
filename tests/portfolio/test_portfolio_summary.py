"""A summary counts every home once, in figures that plain Python makes of the same rows."""

import csv
import io
import itertools
import json
import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import fsspec
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from openwatt.cli import main
from openwatt.portfolio.summary.lines import GroupSize, GroupValues, shown_groups
from tests.conftest import Server
from tests.portfolio.village import folder_of_homes

Row = dict[str, Any]
CONTRACTS = [("EDF", "Tarif Bleu", "BASE"), ("Éclair", 'Vert, "doux"', "HPHC"), ("Éclair", "Vert", "TEMPO")]
COLUMNS: dict[str, pa.DataType] = {
    "home": pa.string(),
    "supplier": pa.string(),
    "offer": pa.string(),
    "option": pa.string(),
    "power_kva": pa.int32(),
    "start": pa.date32(),
    "end": pa.date32(),
    "total_ttc_eur": pa.decimal128(14, 2),
    "saving_against_regulated_eur": pa.decimal128(14, 2),
    "saving_against_regulated_eur_per_year": pa.decimal128(14, 2),
    "saving_against_baseline_eur": pa.decimal128(14, 2),
    "saving_against_baseline_eur_per_year": pa.decimal128(14, 2),
    "closed_to_new_customers": pa.bool_(),
    "whole": pa.bool_(),
    "reason": pa.string(),
    "unseen_registers": pa.string(),
    "outdated": pa.bool_(),
}
MANIFEST: Row = {"market_sha256": "0123456789abcdef" * 4, "today": "2026-11-22"}
PERCENTS = ("2.5", "10", "25", "50", "75", "90")
YEAR = (np.datetime64("2025-10-01").item(), np.datetime64("2026-10-01").item())


def home_rows(number: int, random: np.random.Generator) -> Iterator[Row]:
    """One home as a run writes it: contracts from the cheapest, then what is not ranked."""
    home: Row = dict.fromkeys(COLUMNS) | {"home": f"street/{number:05} « a,b;c »"}
    if number % 29 == 0:
        yield home | {"reason": "the file is empty"}
        return
    home |= {"power_kva": (3, 6, 9, 12, 36)[min(4, number % 7)], "start": YEAR[0], "end": YEAR[1]}
    total = int(random.integers(20_000, 90_000))
    order = random.permutation(3)[: 1 if number % 13 == 0 else 3]
    outdated = number % 31 == 0
    for place, contract in enumerate(order):
        total += int(random.integers(0, 3_000))
        saving = Decimal(int(random.integers(-4_000, 12_000)) // 10 * 10).scaleb(-2)
        supplier, offer, option = CONTRACTS[contract]
        has_year, compared = number % 5 != 0, number % 17 != 0 and not outdated
        yield home | {
            "supplier": supplier,
            "offer": offer,
            "option": option,
            "total_ttc_eur": Decimal(total).scaleb(-2),
            "saving_against_baseline_eur": saving + 1 if compared else None,
            "saving_against_baseline_eur_per_year": saving if compared and has_year else None,
            "saving_against_regulated_eur": saving / 2 if compared else None,
            "saving_against_regulated_eur_per_year": saving / 2 if compared and has_year else None,
            "closed_to_new_customers": number % 11 == 0,
            "whole": number % 19 != 0,
            "outdated": outdated,
            "unseen_registers": "ROUGE_HP" if number % 23 == 0 and place == 2 else None,
        }
    yield home | {"supplier": "Éclair", "offer": "Spot", "option": "BASE", "reason": "no price"}
    if not outdated:  # an outdated price comes last, however cheap, and has no saving
        yield home | {
            **dict(zip(("supplier", "offer", "option"), CONTRACTS[1], strict=True)),
            "total_ttc_eur": Decimal(1),
            "whole": True,
            "outdated": True,
        }


@pytest.fixture(scope="module")
def rows() -> Sequence[Row]:
    random = np.random.default_rng(7)
    return [row for number in range(1, 1500) for row in home_rows(number, random)]


@pytest.fixture(scope="module")
def region() -> Mapping[str, str]:
    """The region of most homes; « Île » has few."""
    names = [f"street/{number:05} « a,b;c »" for number in range(1, 1400)]
    regions = ["Bretagne", "01", "1", "[bold]$x^2$", "Occitanie"]
    return {name: "Île" if n < 7 else regions[n % 5] for n, name in enumerate(names)}


def write_parquet(path: Path, rows: Sequence[Row], per_group: int = 500) -> Path:
    table = pa.Table.from_pylist(list(rows), pa.schema(list(COLUMNS.items())))
    pq.write_table(table, path, row_group_size=per_group)
    return path


def write_csv(path: Path, rows: Sequence[Row]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, COLUMNS)
        writer.writeheader()
        for row in rows:
            cells = {
                name: str(cell).lower() if isinstance(cell, bool) else cell for name, cell in row.items()
            }
            writer.writerow(cells)
    return path


@pytest.fixture(scope="module")
def folder(rows: Sequence[Row], region: Mapping[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same results in every form, and the file of groups in both."""
    folder = tmp_path_factory.mktemp("results")
    write_parquet(folder / "one.parquet", rows)
    write_csv(folder / "one.csv", rows)
    firsts = [n for n, row in enumerate(rows) if n == 0 or row["home"] != rows[n - 1]["home"]]
    ends = [0, firsts[400], firsts[1100], len(rows)]
    (folder / "dataset").mkdir()
    parts = [
        write_parquet(folder / "dataset" / f"part-{number:07}-0-0-0.parquet", rows[start:end])
        for number, (start, end) in enumerate(itertools.pairwise(ends))
    ]
    manifest = MANIFEST | {"homes": 1499, "parts": [{"name": part.name} for part in parts]}
    (folder / "dataset" / "_manifest.json").write_text(json.dumps(manifest))
    memory = fsspec.filesystem("memory")
    memory.put(f"{folder}/dataset/", "/summary/out/", recursive=True)
    # As a French spreadsheet writes it; `supplier` is a column of the results too, which this one replaces.
    with (folder / "regions.csv").open("w", encoding="utf-8-sig", newline="") as stream:
        lines = ((home, name, "theirs") for home, name in region.items())
        csv.writer(stream, delimiter=";").writerows([("home", "région", "supplier"), *lines])
    pq.write_table(
        pa.table({"home": list(region), "région": list(region.values())}), folder / "regions.parquet"
    )
    return folder


def summarise(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["portfolio", "summary", *map(str, arguments)])


def summary(*arguments: object) -> dict[str, Any]:
    done = summarise(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout, parse_float=Decimal)
    return found


def rounded(number: Decimal, places: str) -> Decimal:
    return number.quantize(Decimal(places), ROUND_HALF_UP)


def percent(part: int, whole: int) -> Decimal:
    return rounded(Decimal(100 * part) / whole, "0.1")


def plain_figures(homes: Sequence[Row], saving: str) -> dict[str, Any]:
    """What a summary says of some homes, each given by its first row, as one would count by hand."""
    billed = [row for row in homes if row["supplier"]]
    ranked = [row for row in billed if row["whole"] and not row["outdated"]]
    savings = sorted(row[saving] for row in ranked if row[saving] is not None)
    offers = Counter((row["supplier"], row["offer"], row["option"]) for row in ranked)
    best = sorted(offers.items(), key=lambda item: (-item[1], item[0]))[:2]
    return {
        "homes": len(homes),
        "failed": len(homes) - len(billed),
        "unranked": len(billed) - len(ranked),
        "uncompared": len(ranked) - len(savings),
        "closed_to_new_customers": sum(row["closed_to_new_customers"] for row in ranked),
        "cheapest": [
            {
                **dict(zip(("supplier", "offer", "option"), contract, strict=True)),
                "homes": count,
                "share_percent": percent(count, len(ranked)),
            }
            for contract, count in best
        ],
        "savings": {
            "homes": len(savings),
            "would_save": sum(one > 0 for one in savings),
            "would_save_percent": percent(sum(one > 0 for one in savings), len(savings)),
            "mean_eur": rounded(sum(savings, Decimal(0)) / len(savings), "0.01"),
            "sum_eur": sum(savings),
            "quantiles": [
                {"percent": Decimal(p), "eur": savings[math.ceil(len(savings) * Decimal(p) / 100) - 1]}
                for p in PERCENTS
            ],
        }
        if savings
        else None,
    }


def first_rows(rows: Sequence[Row]) -> Sequence[Row]:
    seen: dict[str, Row] = {}
    for row in rows:
        seen.setdefault(row["home"], row)
    return list(seen.values())


def without(figures: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in figures.items() if key not in {"group", "merged_groups"}}


@pytest.mark.parametrize("results", ["one.parquet", "one.csv", "dataset", "memory://summary/out"])
@pytest.mark.parametrize("against", ["base", "option"])
def test_the_figures_are_those_of_plain_python(
    folder: Path, rows: Sequence[Row], region: Mapping[str, str], results: str, against: str
) -> None:
    place = results if "://" in results else folder / results
    groups = folder / ("regions.csv" if against == "base" else "regions.parquet")
    options = ["--quantiles", ",".join(PERCENTS), "--against", against, "--least", 20]
    found = summary(place, "--by", "power_kva", "--by", "région", "--groups", groups, "--limit", 12, *options)
    saving = f"saving_against_{'baseline' if against == 'base' else 'regulated'}_eur_per_year"
    homes = first_rows(rows)
    assert len(homes) == 1499
    assert without(found["total"]) == plain_figures(homes, saving)
    by_group: dict[tuple[str | None, str | None], list[Row]] = {}
    for row in homes:
        power = None if row["power_kva"] is None else str(row["power_kva"])
        by_group.setdefault((power, region.get(row["home"])), []).append(row)
    shown = {(one["group"]["power_kva"], one["group"]["région"]): one for one in found["groups"]}
    assert 8 < len(shown) <= 12
    assert not any(key[1] == "Île" for key in shown)
    for key, figures in shown.items():
        assert without(figures) == plain_figures(by_group[key], saving), key
    others = [row for key, some in by_group.items() if key not in shown for row in some]
    assert without(found["others"]) == plain_figures(others, saving)
    assert found["others"]["merged_groups"] == len(by_group) - len(shown)
    known = results in {"dataset", "memory://summary/out"}
    assert (found["made_on"], found["market"]) == (
        (MANIFEST["today"], MANIFEST["market_sha256"]) if known else (None, None)
    )
    assert found["period"] == "year"
    assert found["days"] == {"start": "2025-10-01", "end": "2026-10-01", "fewest": 365, "most": 365}


def test_what_a_run_writes_is_summarised_in_each_of_its_forms(
    server: Server, filled: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENWATT_DATABASE_URL", server.url(server.create(filled)))
    homes = folder_of_homes(tmp_path / "homes", 24)
    (homes / "empty.csv").touch()
    (tmp_path / "groups.csv").write_text(
        "home,place\nhome 00001.csv,here\nhome 00002.csv,here\nhome 1,there\n"
    )
    found = []
    for out in ("all.csv", "all.parquet", "all", "top.csv"):
        options = ["--top", 1] if out == "top.csv" else []
        arguments = [homes, "--out", tmp_path / out, "--power-kva", 6, "--jobs", 1, *options]
        assert CliRunner().invoke(main, ["portfolio", *map(str, arguments)]).exit_code == 3
        by = ["--by", "place", "--groups", tmp_path / "groups.csv", "--least", 1]
        found.append(summary(tmp_path / out, *by))
    whole = found[2]
    assert [len(one.get("market") or "") for one in found] == [0, 64, 64, 0]
    assert [one | {"market": None, "made_on": None} for one in found[1:]] == 3 * [
        whole | {"market": None, "made_on": None}
    ]
    assert (whole["total"]["homes"], whole["total"]["failed"], whole["unknown_homes"]) == (25, 1, 1)
    assert whole["period"] == "span"
    assert whole["total"]["savings"]["homes"] == 24
    assert [(one["group"], one["homes"]) for one in whole["groups"]] == [
        ({"place": "here"}, 2),
        ({"place": None}, 23),
    ]


def test_codes_of_the_file_of_groups_stay_texts_and_groups_are_in_the_order_of_numbers(folder: Path) -> None:
    found = summary(folder / "one.csv", "--groups", folder / "regions.csv", "--by", "région", "--least", 1)
    names = [one["group"]["région"] for one in found["groups"]]
    assert names == ["01", "1", "[bold]$x^2$", "Bretagne", "Île", "Occitanie", None]
    found = summary(folder / "one.csv", "--groups", folder / "regions.csv", "--by", "supplier")
    assert [one["group"]["supplier"] for one in found["groups"]] == ["theirs", None]
    found = summary(folder / "one.csv", "--by", "power_kva")
    assert [one["group"]["power_kva"] for one in found["groups"]] == ["3", "6", "9", "12", "36", None]
    assert found["groups"][-1]["homes"] == found["groups"][-1]["failed"] > 11


def test_without_a_year_the_savings_are_those_of_the_billed_days(tmp_path: Path, rows: Sequence[Row]) -> None:
    short = [row | {"saving_against_baseline_eur_per_year": None} for row in rows if row["power_kva"] == 6]
    results = write_parquet(tmp_path / "short.parquet", short)
    found = summary(results, "--quantiles", ",".join(PERCENTS))
    assert found["period"] == "span"
    assert without(found["total"]) == plain_figures(first_rows(short), "saving_against_baseline_eur")
    table = summarise(results)
    assert "no bill is of a year: the savings are those of 365 days" in table.stdout.replace("\n", " ")


def test_results_that_rank_outdated_prices_count_them(tmp_path: Path, rows: Sequence[Row]) -> None:
    included = [row | {"outdated": row["supplier"] == "Éclair"} for row in rows if row["power_kva"] == 9]
    included = [row for row in included if row["total_ttc_eur"] != 1]
    found = summary(write_parquet(tmp_path / "all.parquet", included))
    ranked = [row for row in first_rows(included) if row["whole"]]
    compared = sum(row["saving_against_baseline_eur_per_year"] is not None for row in ranked)
    assert found["total"]["savings"]["homes"] == compared > 100
    assert found["total"]["unranked"] == sum(
        not row["whole"] for row in first_rows(included) if row["supplier"]
    )


def test_the_tables_fit_their_width_and_say_what_is_missing(folder: Path) -> None:
    for lang, texts in {
        "en": ("without a saving: ", "could not be billed", "is closed to new customers", "Source: OpenWatt"),
        "fr": (
            "sans économie connue",
            "n’ont pas pu être facturés",
            "est fermé aux nouveaux clients",
            "marché",
        ),
    }.items():
        for width in (80, 120):
            done = CliRunner(env={"COLUMNS": str(width)}).invoke(
                main,
                ["portfolio", "summary", str(folder / "dataset"), "--by", "power_kva", "--lang", lang],
            )
            assert done.exit_code == 0, done.stderr
            printed = done.stdout.splitlines()
            assert max(map(len, printed)) <= width
            assert "…" not in done.stdout
            assert all(text in " ".join(done.stdout.split()) for text in texts)
            assert "street" not in done.stdout


def test_the_files_hold_what_is_printed_and_the_csv_a_line_a_group(folder: Path, tmp_path: Path) -> None:
    arguments = (folder / "dataset", "--by", "power_kva", "--least", 300)
    files = [tmp_path / f"summary.{form}" for form in ("csv", "json")]
    printed = [summarise(*arguments, option).stdout for option in ("--csv", "--json")]
    assert summarise(*arguments, "--out", files[0], "--out", files[1]).exit_code == 0
    assert [path.read_text("utf-8") for path in files] == [text.replace("\r\n", "\n") for text in printed]
    lines = list(csv.DictReader(io.StringIO(printed[0])))
    found = json.loads(printed[1], parse_float=Decimal)
    assert [line["line"] for line in lines] == ["all", *["group"] * len(found["groups"]), "others"]
    for line, figures in zip(lines, [found["total"], *found["groups"], found["others"]], strict=True):
        assert line["power_kva"] == ((figures["group"] or {}).get("power_kva") or "")
        assert int(line["homes"]) == figures["homes"]
        if not figures["savings"]:
            assert line["saving_sum_eur_per_year"] == line["runner_up_offer"] == ""
            continue
        assert line["cheapest_offer"] == figures["cheapest"][0]["offer"]
        assert Decimal(line["runner_up_share_percent"]) == figures["cheapest"][1]["share_percent"]
        assert Decimal(line["saving_50_percent_eur_per_year"]) == figures["savings"]["quantiles"][2]["eur"]
        assert Decimal(line["saving_sum_eur_per_year"]) == figures["savings"]["sum_eur"]


@pytest.mark.parametrize("by", [(), ("région", "option")])
def test_a_picture_is_drawn_of_any_names_and_is_the_same_again(
    folder: Path, tmp_path: Path, by: Sequence[str]
) -> None:
    columns = [word for name in by for word in ("--by", name)]
    arguments = [folder / "one.parquet", *columns, "--groups", folder / "regions.csv"]
    png, svg, again, french = (tmp_path / name for name in ("a.png", "a.svg", "again.svg", "french.svg"))
    quantiles = ["--quantiles", "5,10,25,50,75,90,95"]
    assert summarise(*arguments, *quantiles, "--out", png, "--out", svg, "--out", again).exit_code == 0
    assert svg.read_bytes() == again.read_bytes()
    assert ET.parse(svg).getroot().tag.endswith("svg")  # noqa: S314 - it is our own file
    greys = np.asarray(Image.open(png).convert("L"))
    # Something is drawn in every tenth of the picture's width, and all greys that are to be told apart.
    assert all((part < 200).any() for part in np.array_split(greys, 10, axis=1))
    assert len({int(value) // 32 for value in np.unique(greys)}) >= 6
    assert summarise(*arguments, *quantiles, "--out", french, "--lang", "fr").exit_code == 0
    assert french.read_bytes() != svg.read_bytes()


def test_what_cannot_be_summarised_is_said_with_its_remedy(
    folder: Path, tmp_path: Path, rows: Sequence[Row]
) -> None:
    ordinary = folder / "one.parquet"
    (tmp_path / "unfinished").mkdir()
    write_parquet(tmp_path / "unfinished" / "part-00000.parquet", rows[:9])
    (tmp_path / "empty").mkdir()
    pq.write_table(pa.table({"home": ["a"], "wh": [1]}), tmp_path / "curves.parquet")
    by_option = sorted(rows, key=lambda row: (row["option"] or "", row["home"]))
    turned = [row for row in rows if row["whole"]]
    turned = [*turned[1::-1], *turned[2:]]
    older = [{name: row[name] for name in COLUMNS if "baseline" not in name} for row in rows]
    pq.write_table(pa.Table.from_pylist(older), tmp_path / "older.parquet")
    (tmp_path / "broken.parquet").write_bytes(b"PAR1 nothing")
    (tmp_path / "twice.csv").write_text("home,region\nhome 7,a\nhome 7,b\n")
    (tmp_path / "unnamed.csv").write_text("name,region\nhome 7,a\n")
    write_csv(tmp_path / "comma.csv", [rows[1] | {"total_ttc_eur": "12,50"}, *rows[2:]])
    failed = [row for row in rows if not row["supplier"]]
    for name, part in (("moved", "part-1.parquet"), ("changed", "part-0.parquet"), ("damaged", None)):
        (tmp_path / name).mkdir()
        write_parquet(tmp_path / name / "part-0.parquet", rows)
        manifest = MANIFEST | {"homes": 1500, "parts": [part and {"name": part}]}
        (tmp_path / name / "_manifest.json").write_text(json.dumps(manifest))
    cases: list[tuple[Sequence[object], str]] = [
        ([tmp_path / "nothing.csv"], "is not there: name what `openwatt portfolio --out` has written"),
        ([tmp_path / "unfinished"], "so the run is not finished: add --resume"),
        ([tmp_path / "moved"], "part-1.parquet is not in "),
        ([tmp_path / "changed"], "the results hold 1,499 homes and the run billed 1,500"),
        ([tmp_path / "damaged"], "is damaged: bill the homes again"),
        ([tmp_path / "empty"], "holds no results"),
        (
            [tmp_path / "twice.csv"],
            "no results of `openwatt portfolio`: they have no column supplier",
        ),
        ([tmp_path / "curves.parquet"], "name what --out has written"),
        ([tmp_path / "broken.parquet"], "the results cannot be summarised: "),
        ([tmp_path / "older.parquet"], "bill the homes again, or add --against option"),
        (
            [write_parquet(tmp_path / "sorted.parquet", by_option)],
            "in another order than",
        ),
        ([write_parquet(tmp_path / "turned.parquet", turned)], "in another order than"),
        ([write_parquet(tmp_path / "failed.parquet", failed)], "no home was billed: the column reason"),
        ([write_parquet(tmp_path / "few.parquet", rows[:40])], "--least 1 shows groups of any size"),
        ([tmp_path / "comma.csv"], "a cell of the results is no value of its column"),
        (["nowhere://results"], "fsspec knows no nowhere://"),
        ([ordinary, "--by", "region"], "no group can be made by region: there is supplier, offer, option,"),
        ([ordinary, "--by", "home"], "(--groups FILE brings columns of your own)"),
        ([ordinary, "--by", "reason"], "no group can be made by reason"),
        ([ordinary, "--groups", tmp_path / "twice.csv", "--by", "region"], "names 1 homes more than once"),
        ([ordinary, "--groups", tmp_path / "unnamed.csv", "--by", "region"], "has no column home, but name"),
        ([ordinary, "--out", "summary.pdf"], "summary.pdf ends in none of .csv, .json, .png, .svg"),
        ([ordinary, "--out", "summary.png", "--limit", 61], "a picture shows at most 60 groups"),
        ([ordinary, "--quantiles", "0,50"], "'0,50' is no list of percentages between 0 and 100"),
    ]
    for arguments, message in cases:
        done = summarise(*arguments)
        assert done.exit_code in {1, 2}, arguments
        assert message in done.stderr, arguments
        assert "home 7" not in done.stderr
        assert "street" not in done.stderr
        assert not done.stdout
    assert summarise(tmp_path / "few.parquet", "--least", 1).exit_code == 0
    assert summarise(tmp_path / "older.parquet", "--against", "option").exit_code == 0


@pytest.mark.parametrize(("library", "options"), [("duckdb", ()), ("matplotlib", ("--out", "summary.png"))])
def test_a_missing_extra_is_named(
    folder: Path, monkeypatch: pytest.MonkeyPatch, library: str, options: Sequence[str]
) -> None:
    monkeypatch.setitem(sys.modules, library, None)
    done = summarise(folder / "one.csv", *options)
    assert done.exit_code == 1
    assert "needs the extra `portfolio`: pip install 'openwatt[portfolio]'" in done.stderr


def test_no_line_is_of_too_few_homes_nor_is_what_the_total_leaves() -> None:
    sizes: dict[GroupValues, GroupSize] = {
        ("a",): GroupSize(50, 50, 50),
        ("b",): GroupSize(30, 30, 30),
        ("c",): GroupSize(20, 20, 20),
        ("few",): GroupSize(4, 4, 4),
    }
    # The four could be had from the total: the smallest group joins them.
    assert shown_groups(sizes, limit=9, least=11) == [("a",), ("b",)]
    assert shown_groups(sizes, limit=9, least=4) == [("a",), ("b",), ("c",), ("few",)]
    assert shown_groups(sizes, limit=1, least=11) == [("a",)]
    # Homes that failed have no figure to tell; a group with few savings has.
    failed: dict[GroupValues, GroupSize] = {("a",): GroupSize(50, 50, 50), (None,): GroupSize(3, 0, 0)}
    assert shown_groups(failed, limit=9, least=11) == [("a",), (None,)]
    assert shown_groups({**failed, ("b",): GroupSize(40, 40, 2)}, limit=9, least=11) == [(None,)]
