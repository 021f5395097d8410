import csv
import xml.etree.ElementTree as ET
from itertools import pairwise

import numpy as np
import pytest

from tests.cli.files import NAMES, ragged_values, write_policy, write_wide


@pytest.fixture
def whole_file(tmp_path):
    """No holes and nobody ended, so that the window is plainly all rows."""
    return write_wide(tmp_path / "whole.csv", np.nan_to_num(ragged_values(), nan=0.0011))


def test_json_rises_within_the_limits_with_marks_beside_it(apse, whole_file, policy_file):
    answer = apse("frontier", whole_file, policy_file, "--points", 7, "--json")
    assert answer.code == 0, answer.err
    told = answer.json
    assert told["status"] == "solved"
    assert len(told["points"]) == 7
    for before, after in pairwise(told["points"]):
        assert before["return_annual"] < after["return_annual"]
        assert before["volatility_annual"] < after["volatility_annual"]
    for point in told["points"]:
        assert set(point["weights"]) == set(NAMES)
        assert sum(point["weights"].values()) == pytest.approx(1.0, abs=1e-9)
        assert max(point["weights"].values()) <= 0.6 + 1e-9
    kinds = [mark["kind"] for mark in told["marks"]]
    assert kinds == ["held", "target", "equal_weight", *["strategy"] * 4]
    target = told["marks"][1]
    # the policy seeks the least variance: its target is where the frontier begins
    assert target["volatility_annual"] == pytest.approx(told["points"][0]["volatility_annual"])
    assert target["within"] is True
    assert not any(mark["within"] for mark in told["marks"] if mark["kind"] == "strategy")


def test_files_hold_what_is_printed(apse, whole_file, policy_file, tmp_path):
    svg, table = tmp_path / "f.svg", tmp_path / "f.csv"
    told = apse("frontier", whole_file, policy_file, "--points", 5, "--json").json
    answer = apse("frontier", whole_file, policy_file, "--points", 5, "--svg", svg, "--csv", table)
    assert answer.code == 0, answer.err
    assert "knee" in answer.out
    assert "equal weight" in answer.out
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [float(row["return_annual"]) for row in rows] == [
        point["return_annual"] for point in told["points"]
    ]
    assert [float(rows[2][name]) for name in NAMES] == [
        told["points"][2]["weights"][name] for name in NAMES
    ]
    drawn = "".join(ET.parse(svg).getroot().itertext())
    for words in ("volatility a year", "return a year", "held", "target (min_variance)", *NAMES):
        assert words in drawn


def test_limits_that_cannot_be_met_tell_what_would_have_to_give(apse, whole_file, tmp_path):
    tight = write_policy(tmp_path / "tight.yaml", constraints="{weight_max: 0.2}")
    answer = apse("frontier", whole_file, tight)
    assert answer.code == 3
    assert "limits in conflict: weight_max" in answer.out
    assert "way 1: weight_max 0.2 would have to be 0.25" in answer.out
    assert "way 2: cash.max 0 would have to be 0.2" in answer.out
    told = apse("frontier", whole_file, tight, "--json").json
    assert told["violated"] == ["weight_max"]


def test_too_few_points_are_refused(apse, whole_file, policy_file):
    assert apse("frontier", whole_file, policy_file, "--points", 1).code == 2
