"""What `make prove` makes images of, held to the files that it is to prove; no engine is needed for this."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from openwatt import __version__
from tests.containers.images import MADE, VERSIONS, copy_tree, name_images
from tests.ops.dockerfile import REPOSITORY

HERE = Path(__file__).parent
RECIPES = sorted((HERE / "recipes").iterdir())
#: Rules that ask for versions of packages: a recipe takes the newest that its suite has.
UNPINNED = ("DL3008", "DL3006")


def images(tree: Path) -> set[str]:
    """Every image that is not our own, in the files of the stacks that are proved by default."""
    files = [tree / "ops/docker-compose.yaml", tree / "ops/docker-compose.monitoring.yaml"]
    services = [each for file in files for each in yaml.safe_load(file.read_text())["services"].values()]
    (python,) = re.findall(r"^ARG PYTHON_IMAGE=(\S+)", (tree / "ops/Dockerfile").read_text(), re.MULTILINE)
    named = {each["image"] for each in services if "profiles" not in each}
    return {python, *named} - {f"openwatt:{__version__}"}


def test_every_image_of_the_stacks_has_a_recipe_and_every_recipe_an_image(tmp_path: Path) -> None:
    copy_tree(tmp_path)
    before = images(tmp_path)
    name_images(tmp_path, {each.replaces: f"made/{each.recipe}:1" for each in MADE})
    assert images(tmp_path) == {f"made/{each.recipe}:1" for each in MADE}
    assert len(before) == len(MADE) == len(RECIPES)
    assert {path.name for path in RECIPES} == {each.recipe for each in MADE}


def test_nothing_but_images_differs_in_the_copy(tmp_path: Path) -> None:
    copy_tree(tmp_path)
    name_images(tmp_path, {each.replaces: "made:1" for each in MADE})
    for file in (REPOSITORY / "ops").glob("docker-compose*.yaml"):
        old, new = file.read_text().splitlines(), (tmp_path / "ops" / file.name).read_text().splitlines()
        assert {a.split(": ")[0].strip() for a, b in zip(old, new, strict=True) if a != b} <= {"image"}


def test_a_stand_in_says_so_in_its_name_and_proves_no_version() -> None:
    stand_ins = {each.recipe for each in MADE if each.only_start_order}
    assert stand_ins == {each.recipe for each in MADE if each.recipe.endswith("-stand-in")}
    assert VERSIONS.keys() == {each.recipe for each in MADE} - stand_ins


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda path: path.name)
def test_the_linters_find_nothing_in_a_recipe(recipe: Path) -> None:
    words = [str(Path(sys.executable).with_name("hadolint")), "--no-color"]
    words += [word for rule in UNPINNED for word in ("--ignore", rule)]
    done = subprocess.run([*words, str(recipe / "Dockerfile")], capture_output=True, text=True, check=False)
    assert done.stdout + done.stderr == ""
    shellcheck = Path(sys.executable).with_name("shellcheck")
    for script in recipe.glob("*.sh"):
        checked = subprocess.run([shellcheck, script], capture_output=True, text=True, check=False)
        assert checked.stdout == ""
