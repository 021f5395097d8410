"""The command in this process, its answer and its exit code as a shell would see them."""

import json
from dataclasses import dataclass

import pytest

from streams.cli import app as application
from tests.cli.files import ragged_values, write_policy, write_wide


@dataclass
class Answer:
    code: int
    out: str
    err: str

    @property
    def json(self):
        return json.loads(self.out)


@pytest.fixture
def apse(monkeypatch, capsys):
    """Call `apse` with arguments; every way out becomes an exit code."""

    def run(*arguments):
        monkeypatch.setattr("sys.argv", ["apse", *map(str, arguments)])
        code = 0
        capsys.readouterr()
        try:
            application.main()
        except SystemExit as left:
            code = left.code or 0
        told = capsys.readouterr()
        return Answer(code, told.out, told.err)

    return run


@pytest.fixture
def returns_file(tmp_path):
    return write_wide(tmp_path / "returns.csv", ragged_values())


@pytest.fixture
def policy_file(tmp_path):
    return write_policy(tmp_path / "portfolio.yaml")
