"""The import contracts bite: each planted violation is reported by the contract that forbids it.

A contract that names a module wrongly is kept for ever, so every name a contract forbids is planted
once, in a copy of the sources.
"""

import shutil
import subprocess
import sys
import tomllib
from itertools import pairwise
from pathlib import Path

import pytest

from tests.tidy.repository import PACKAGES, ROOT

CONFIG = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CONTRACTS = {c["id"]: c for c in CONFIG["tool"]["importlinter"]["contracts"]}
LINTER = Path(sys.executable).parent / "lint-imports"


def layers():
    """The packages of each layer, highest first."""
    return [
        [name.strip(" ()") for name in layer.replace(":", "|").split("|")]
        for layer in CONTRACTS["layers"]["layers"]
    ]


def lint(root, contract):
    return subprocess.run(
        [LINTER, "--config", "pyproject.toml", "--no-cache", "--contract", contract],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        env={"PYTHONPATH": str(root), "PATH": "/usr/bin:/bin"},
        check=False,
    )


@pytest.fixture(scope="module")
def copied(tmp_path_factory):
    root = tmp_path_factory.mktemp("copy")
    for package in PACKAGES:
        shutil.copytree(
            ROOT / package, root / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    shutil.copy(ROOT / "pyproject.toml", root)
    return root


@pytest.fixture
def plant(copied):
    """Plant imports in a package (as a module of its own) or in a module; undone afterwards."""
    before = {}

    def write(home, *names):
        folder = copied.joinpath(*home.split("."))
        path = folder / "planted.py" if folder.is_dir() else folder.with_suffix(".py")
        assert path.parent.is_dir(), f"{home}: no such package"
        before[path] = path.read_text(encoding="utf-8") if path.exists() else None
        imports = "".join(f"\nimport {name}" for name in names)
        path.write_text((before[path] or "") + imports + "\n", encoding="utf-8")

    yield write
    for path, text in before.items():
        if text is None:
            path.unlink()
        else:
            path.write_text(text, encoding="utf-8")


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_tree_keeps_its_contracts(copied, contract):
    kept = lint(copied, contract)
    assert kept.returncode == 0, kept.stdout
    assert "1 kept, 0 broken" in kept.stdout


@pytest.mark.parametrize("home", CONTRACTS["pure"]["source_modules"])
def test_every_impure_name_is_caught_in_the_core(copied, plant, home):
    names = CONTRACTS["pure"]["forbidden_modules"]
    plant(home, *names)
    broken = lint(copied, "pure")
    assert broken.returncode == 1, broken.stdout
    missed = [n for n in names if f"{home} is not allowed to import {n}:" not in broken.stdout]
    assert not missed


@pytest.mark.parametrize("contract", ["solvers", "oracles", "alone"])
@pytest.mark.parametrize("home", ["schemas", "streams", "streams.core"])
def test_every_misplaced_name_is_caught(copied, plant, contract, home):
    names = CONTRACTS[contract]["forbidden_modules"]
    plant(home, *names)
    broken = lint(copied, contract)
    assert broken.returncode == 1, broken.stdout
    missed = [n for n in names if f"{home}.planted -> {n}" not in broken.stdout]
    assert not missed


def test_solvers_are_welcome_in_their_home(copied, plant):
    names = CONTRACTS["solvers"]["forbidden_modules"]
    plant("streams.core.optimize", *names)
    kept = lint(copied, "solvers")
    assert kept.returncode == 0, kept.stdout


def test_a_layer_may_not_look_up(copied, plant):
    pairs = [(above[0], below[0]) for above, below in pairwise(layers())]
    for above, below in pairs:
        plant(below, above)
    broken = lint(copied, "layers")
    assert broken.returncode == 1, broken.stdout
    missed = [
        pair
        for pair in pairs
        if f"{pair[1]} is not allowed to import {pair[0]}:" not in broken.stdout
    ]
    assert not missed


def test_neighbours_in_a_layer_stand_apart(copied, plant):
    rows = [names for names in layers() if len(names) > 1]
    assert rows
    pairs = [pair for names in rows for pair in pairwise(names)]
    for left, right in pairs:
        plant(left, right)
    broken = lint(copied, "layers")
    assert broken.returncode == 1, broken.stdout
    missed = [
        pair
        for pair in pairs
        if f"{pair[0]} is not allowed to import {pair[1]}:" not in broken.stdout
    ]
    assert not missed


def test_every_package_and_module_has_its_layer():
    named = {name for names in layers() for name in names}
    found = {"schemas"} | {
        f"streams.{path.stem}"
        for path in (ROOT / "streams").iterdir()
        if path.suffix == ".py" or (path / "__init__.py").is_file()
    } - {"streams.__init__"}
    assert found == named


def test_a_missing_contract_is_no_success(copied):
    """The linter does not pass when it has nothing to check."""
    assert lint(copied, "misspelt").returncode != 0
