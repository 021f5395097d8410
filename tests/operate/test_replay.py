"""The replay over a broker writes what the replay in process writes, byte for byte."""

import pytest

from tests.cli.conftest import policy_file, returns_file
from tests.operate.engine import replayed_alike

__all__ = ["policy_file", "returns_file"]

pytestmark = [pytest.mark.kafka, pytest.mark.slow]


def test_a_ragged_file_gives_the_same_bytes_over_the_broker(
    apse, broker, monkeypatch, returns_file, policy_file, tmp_path
):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap)
    there = replayed_alike(apse, returns_file, policy_file, tmp_path)
    assert "%3|" not in there.err  # the client library's own log
    for name in ("decisions.jsonl", "performance.csv", "weights.csv", "metrics.csv", "shadows.csv"):
        mine, theirs = ((tmp_path / where / name).read_bytes() for where in ("here", "there"))
        assert mine == theirs, name


def test_two_bars_are_enough(apse, broker, monkeypatch, returns_file, policy_file, tmp_path):
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", broker.bootstrap)
    returns_file.write_text("\n".join(returns_file.read_text().splitlines()[:3]) + "\n")
    base = ["replay", "--returns", returns_file, "--portfolio", policy_file]
    answer = apse(*base, "--out", tmp_path / "there", "--kafka", "--json")
    assert answer.code == 0, answer.err
    assert answer.json["bars"] == 2
