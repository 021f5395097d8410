"""Writing, checking and freezing the files of the contracts."""

import os
import subprocess
import sys

import pytest

from schemas.examples import golden_encodings
from schemas.generate import documents
from streams import contracts


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty places for the generated and the golden files."""
    monkeypatch.setattr(contracts, "GENERATED", tmp_path / "generated")
    monkeypatch.setattr(contracts, "GOLDEN", tmp_path / "golden" / "v1")
    return contracts.GENERATED, contracts.GOLDEN


def test_written_documents_pass_their_check(folders):
    generated, _ = folders
    assert contracts.main([]) == 0
    assert contracts.main(["--check"]) == 0
    assert {path.name: path.read_text("utf-8") for path in generated.iterdir()} == documents()


@pytest.mark.usefixtures("folders")
def test_missing_documents_fail_the_check(capsys):
    assert contracts.main(["--check"]) == 1
    assert "schemas/generated/ControlRequest.schema.json: expected" in capsys.readouterr().err


def test_drift_fails_the_check_and_names_file_and_line(folders, capsys):
    generated, _ = folders
    contracts.main([])
    path = generated / "topics.md"
    path.write_text(path.read_text("utf-8").replace("| 12 |", "| 13 |", 1), encoding="utf-8")
    assert contracts.main(["--check"]) == 1
    assert "schemas/generated/topics.md line 7: expected" in capsys.readouterr().err


def test_writing_removes_what_nothing_generates(folders):
    generated, _ = folders
    contracts.main([])
    (generated / "Old.schema.json").write_text("{}", encoding="utf-8")
    assert contracts.main(["--check"]) == 1
    contracts.main([])
    assert contracts.main(["--check"]) == 0


def test_freezing_writes_every_example_once(folders, capsys):
    _, golden = folders
    assert contracts.main(["--freeze"]) == 0
    wanted = golden_encodings()
    assert {path.name: path.read_bytes() for path in golden.iterdir()} == wanted
    assert contracts.main(["--freeze"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"{len(wanted)} golden encodings written",
        "0 golden encodings written",
    ]


def test_freezing_refuses_to_change_a_frozen_file_and_writes_nothing(folders, capsys):
    _, golden = folders
    contracts.main(["--freeze"])
    (golden / "Tick.msgpack").write_bytes(b"old")
    (golden / "Decision.json").unlink()
    assert contracts.main(["--freeze"]) == 1
    assert "would change: Tick.msgpack" in capsys.readouterr().err
    assert (golden / "Tick.msgpack").read_bytes() == b"old"
    assert not (golden / "Decision.json").exists()


@pytest.mark.usefixtures("folders")
def test_check_and_freeze_exclude_each_other(capsys):
    with pytest.raises(SystemExit) as stopped:
        contracts.main(["--check", "--freeze"])
    assert stopped.value.code == 2
    assert "not allowed with" in capsys.readouterr().err


@pytest.mark.parametrize("seed", ["1", "2"])
def test_command_checks_the_committed_files_whatever_the_order_of_hashing(seed):
    done = subprocess.run(
        [sys.executable, "-m", "streams.contracts", "--check"],
        cwd=contracts.SCHEMAS.parent,
        env=os.environ | {"PYTHONHASHSEED": seed},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
