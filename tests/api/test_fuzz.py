"""Requests drawn from the OpenAPI document: no fault, no undeclared answer, nothing open by it."""

import subprocess
import sys
from pathlib import Path

import pytest

from streams.api.security import make_token
from streams.readmodel.embedded import EmbeddedStore
from tests.api.served import served
from tests.api.world import World

pytestmark = pytest.mark.slow

CHECKS = (
    "not_a_server_error", "status_code_conformance", "content_type_conformance",
    "response_headers_conformance", "response_schema_conformance",
)  # fmt: skip
TIMEOUT_S = 300


def fuzz(base, *arguments, checks=CHECKS, phases="examples,coverage,fuzzing"):
    command = Path(sys.executable).with_name("schemathesis")
    done = subprocess.run(
        [
            command, "run", f"{base}/openapi.json", "--checks", ",".join(checks),
            "--phases", phases, "--max-examples", "10", "--seed", "1", "--no-color",
            "--generation-database", "none", "--exclude-path", "/portfolio/stream", *arguments,
        ],
        capture_output=True, text=True, timeout=TIMEOUT_S, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr
    return done.stdout


def test_without_tokens_every_answer_is_a_declared_one(tmp_path):
    store = EmbeddedStore(tmp_path / "views")
    with served(store, World(store), requests_per_s=1e6) as client:
        told = fuzz(client.base)
    assert "Tested: 24" in told


def test_with_tokens_nothing_protected_is_open(tmp_path):
    store = EmbeddedStore(tmp_path / "views")
    text, line = make_token("all", ("read", "rebalance", "admin"))
    (tmp_path / "tokens").write_text(line)
    with served(store, World(store), requests_per_s=1e6, tokens=str(tmp_path / "tokens")) as client:
        nobody = ("--exclude-path-regex", "^/(livez|readyz|version|metrics)$")
        fuzz(client.base, *nobody, checks=("not_a_server_error", "ignored_auth"), phases="coverage")
        fuzz(
            client.base, "--header", f"Authorization: Bearer {text}",
            checks=(*CHECKS, "ignored_auth"), phases="examples,coverage",
        )  # fmt: skip
