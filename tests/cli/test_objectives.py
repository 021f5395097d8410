"""Custom objectives from the portfolio file to the answer, and the worked files of the docs."""

from pathlib import Path

import cvxpy as cp
import numpy as np
import pytest

from streams.core.optimize.registry import register
from tests.cli.files import NAMES, ragged_values, write_policy, write_wide

ROOT = Path(__file__).parents[2]
WORKED = sorted((ROOT / "examples" / "policies").glob("*.yaml"))
IDS = (
    "arb-pairs-consumer-pharma",
    "reversion-bollinger-stocks",
    "reversion-rsi2-spx",
    "trend-sma-200d-spx",
    "trend-xsmom-12m-stocks",
)


def written(tmp_path, *terms, **changes):
    lines = ", ".join(terms)
    objective = f"{{type: custom, terms: [{lines}]}}"
    return write_policy(tmp_path / "custom.yaml", objective=objective, **changes)


@pytest.fixture
def whole_file(tmp_path):
    return write_wide(tmp_path / "whole.csv", np.nan_to_num(ragged_values(), nan=0.0011))


@pytest.mark.parametrize("path", WORKED, ids=lambda path: path.stem)
def test_a_worked_file_is_checked_solved_and_named_in_the_docs(apse, path, tmp_path):
    rng = np.random.default_rng(12)
    returns = 0.01 * rng.standard_normal((300, 5)) + np.linspace(0.0001, 0.0006, 5)
    file = write_wide(tmp_path / "returns.csv", returns, IDS)
    assert apse("policy", "check", path).code == 0
    answer = apse("optimize", "--returns", file, "--portfolio", path, "--json")
    assert answer.code == 0, answer.out + answer.err
    told = answer.json
    assert told["verified"] is True
    assert set(told["weights"]) == set(IDS)
    assert path.name in (ROOT / "docs" / "objectives.md").read_text()


def test_there_is_a_worked_file_for_each_way_to_combine():
    texts = "".join(path.read_text() for path in WORKED)
    assert len(WORKED) == 3
    for combine in ("weighted_sum", "epsilon_constraint", "lexicographic"):
        assert f"combine: {combine}" in texts


def test_terms_of_the_file_are_those_of_the_problem_written_out(apse, whole_file, tmp_path):
    policy = written(
        tmp_path,
        "{linear: return, sense: maximise, weight: 1.0}",
        "{variance: {scope: all}, weight: 2.0}",
        "{sum: {scope: strategies.mm-d}, sense: ge, bound: 0.3}",
    )
    told = apse("optimize", "--returns", whole_file, "--portfolio", policy, "--json").json
    bars = np.nan_to_num(ragged_values(), nan=0.0011)
    mean, cov = bars.mean(axis=0) * 252, np.cov(bars, rowvar=False) * 252
    weights = cp.Variable(4)
    value = -mean @ weights + 2.0 * cp.quad_form(weights, cp.psd_wrap(cov))
    limits = [cp.sum(weights) == 1, weights >= 0, weights <= 0.6, weights[1] >= 0.3]
    program = cp.Problem(cp.Minimize(value), limits)
    program.solve(solver="SCS", eps_abs=1e-10, eps_rel=1e-10, max_iters=100_000)
    assert told["objective_value"] == pytest.approx(program.value, rel=1e-5)
    assert told["weights"][NAMES[1]] >= 0.3 - 1e-9


@pytest.mark.parametrize(
    ("term", "words"),
    [
        ("{variance: {scope: all}, sense: maximise, weight: 1}", "variance is not convex"),
        ("{norm1: {to: held}, sense: ge, bound: 0.1}", "ge of norm1 is not convex"),
        ("{linear: capasity, weight: 1}", "has no attribute 'capasity'"),
        ("{linear: return, cvar: {alpha: 0.9}, weight: 1}", "expected one of"),
        ("{linear: return}", "expected either a weight or a bound"),
        ("{sum: {scope: families.tren}, weight: 1}", "no strategy is in 'families.tren'"),
        ("{norm2: {to: reference}, weight: 1}", "needs objective.reference"),
        ("{linaer: return, weight: 1}", "did you mean 'objective.terms.1.linear'"),
        ("{python: nobody, weight: 1}", "'nobody' is not registered"),
    ],
)
def test_a_term_that_cannot_be_used_exits_2_and_is_named(apse, whole_file, tmp_path, term, words):
    policy = written(
        tmp_path,
        "{linear: return, sense: maximise, name: earn, weight: 1}",
        term,
        strategies="[" + ", ".join(f"{{id: {name}}}" for name in NAMES) + "]",
    )
    for command in (
        ("policy", "check", policy),
        ("optimize", "--returns", whole_file, "--portfolio", policy),
    ):
        answer = apse(*command)
        assert answer.code == 2
        assert words in answer.err
        assert "objective.terms" in answer.err


class Concave:
    def expression(self, weights, _):
        return cp.sqrt(weights[0])

    def value(self, weights, _):
        return float(np.sqrt(weights[0]))


def test_a_registered_class_that_is_not_convex_exits_2_and_is_named(apse, tmp_path):
    register("root-of-first", Concave())
    policy = written(tmp_path, "{python: root-of-first, name: rooted, weight: 1}")
    answer = apse("policy", "check", policy)
    assert answer.code == 2
    assert "'rooted' is concave; to minimise it must be convex (DCP)" in answer.err
    policy = written(tmp_path, "{python: root-of-first, sense: maximise, weight: 1}")
    assert apse("policy", "check", policy).code == 0


def test_a_conflict_of_limits_tells_ways_out(apse, whole_file, tmp_path):
    tight = write_policy(tmp_path / "tight.yaml", constraints="{weight_max: 0.2}")
    answer = apse("optimize", "--returns", whole_file, "--portfolio", tight, "--json")
    assert answer.code == 3
    assert answer.json["violated"] == ["weight_max"]
    assert [(one["way"], one["key"], one["needed"]) for one in answer.json["relax"]] == [
        (1, "weight_max", 0.25),
        (2, "cash.max", 0.2),
    ]
    said = apse("optimize", "--returns", whole_file, "--portfolio", tight).out
    assert "way 2: cash.max 0 would have to be 0.2" in said


def test_an_optimum_is_told_with_prices_and_the_spread_of_its_weights(apse, whole_file, tmp_path):
    policy = write_policy(tmp_path / "p.yaml", constraints="{weight_max: 0.3}")
    told = apse("optimize", "--returns", whole_file, "--portfolio", policy, "--json").json
    explained = told["explanation"]
    assert {price["constraint"] for price in explained["shadow_prices"]} >= {"weight_max"}
    assert all("objective_per_point" in price for price in explained["shadow_prices"])
    spread = explained["spread"]
    assert spread["resamples"] == 64
    for name, low, high in zip(NAMES, spread["low"], spread["high"], strict=True):
        assert low - 1e-9 <= told["weights"][name] <= high + 1e-9
