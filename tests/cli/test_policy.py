import re

import pytest
import yaml

from schemas.policy import PortfolioPolicy
from tests.cli.files import write_policy


def test_init_writes_a_file_that_check_accepts(apse, tmp_path):
    path = tmp_path / "mine.yaml"
    answer = apse("init", path, "--id", "core-1", "--json")
    assert answer.code == 0
    assert answer.json == {"path": str(path), "portfolio_id": "core-1"}
    checked = apse("policy", "check", path, "--json")
    assert checked.code == 0
    assert checked.json["status"] == "ok"
    assert checked.json["portfolio_id"] == "core-1"
    assert checked.json["strategies"] == len(yaml.safe_load(path.read_text())["strategies"])


def test_the_template_shows_every_key_that_a_portfolio_file_may_have(apse, tmp_path):
    path = tmp_path / "mine.yaml"
    apse("init", path)
    shown = set(re.findall(r"^(?:# )?(\w+):", path.read_text(), re.MULTILINE))
    assert set(PortfolioPolicy.__struct_fields__) - shown == set()


def test_init_replaces_nothing(apse, tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("precious")
    answer = apse("init", path)
    assert answer.code == 2
    assert path.read_text() == "precious"


def test_init_with_an_id_that_cannot_be_used_leaves_no_file(apse, tmp_path):
    answer = apse("init", tmp_path / "x.yaml", "--id", "a/b")
    assert answer.code == 2
    assert "a/b" in answer.err
    assert not (tmp_path / "x.yaml").exists()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"constraints": "{wieght_max: 0.5}"}, "weight_max"),
        ({"periods_per_yaer": "252"}, "periods_per_year"),
        ({"rebalance": "{schedual: weekly}"}, "schedule"),
        ({"rebalance": "{schedule: fortnightly}"}, "fortnightly"),
        ({"estimation": "{covariance: sampel}"}, "sampel"),
        ({"bar": "2d"}, "2d"),
    ],
)
def test_a_typo_is_refused_naming_the_nearest_key(apse, tmp_path, changes, named):
    path = write_policy(tmp_path / "typo.yaml", **changes)
    answer = apse("policy", "check", path)
    assert answer.code == 2
    assert named in answer.err
    assert str(path) in answer.err


@pytest.mark.parametrize("text", ["[1, 2", "just words", "\x00"])
def test_what_is_no_portfolio_file_is_said_to_be_none(apse, tmp_path, text):
    path = tmp_path / "no.yaml"
    path.write_text(text)
    answer = apse("policy", "check", path)
    assert answer.code == 2
    assert str(path) in answer.err
