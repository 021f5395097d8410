"""The lock holds exact versions and digests, nothing else, and covers what pyproject asks for."""

import re
import tomllib
from importlib.metadata import distributions

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.tidy.repository import ROOT

LOCK = (ROOT / "requirements" / "lock.txt").read_text(encoding="utf-8")
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MACHINES = [
    default_environment() | {"python_version": v, "python_full_version": f"{v}.0", **system}
    for v in ("3.11", "3.12", "3.13")
    for system in (
        {"sys_platform": "linux", "platform_system": "Linux", "platform_machine": "x86_64"},
        {"sys_platform": "darwin", "platform_system": "Darwin", "platform_machine": "arm64"},
    )
]


def entries(text):
    """Logical lines of a requirements file, without comments."""
    joined = re.sub(r"\s*\\\n\s*", " ", text)
    return [
        line for line in joined.splitlines() if line.strip() and not line.strip().startswith("#")
    ]


def locked_for(machine):
    """Name to version on this machine."""
    wanted = [Requirement(entry.split(" --hash=")[0]) for entry in entries(LOCK)]
    chosen = [r for r in wanted if r.marker is None or r.marker.evaluate(machine)]
    assert len({canonicalize_name(r.name) for r in chosen}) == len(chosen)
    return {canonicalize_name(r.name): str(r.specifier).removeprefix("==") for r in chosen}


def asked_for():
    extras = PROJECT["optional-dependencies"].values()
    return [
        Requirement(r) for r in PROJECT["dependencies"] + [r for extra in extras for r in extra]
    ]


def test_each_entry_is_one_exact_version_with_digests():
    shape = re.compile(r"[a-z0-9-]+==[^ ;]+( ; [^-]+?)?( --hash=sha256:[0-9a-f]{64})+")
    odd = [entry for entry in entries(LOCK) if not shape.fullmatch(entry)]
    assert not odd
    assert len(entries(LOCK)) > 50


def test_everything_asked_for_is_locked_at_a_version_that_serves():
    for machine in MACHINES:
        locked = locked_for(machine)
        wrong = [
            str(r)
            for r in asked_for()
            if not r.specifier.contains(locked.get(canonicalize_name(r.name), "0"))
        ]
        assert not wrong, machine["python_version"]


def test_what_is_installed_is_what_is_locked():
    locked = locked_for(default_environment())
    installed = {canonicalize_name(d.name): d.version for d in distributions()}
    differs = {n: (v, installed.get(n)) for n, v in locked.items() if installed.get(n) != v}
    assert not differs
