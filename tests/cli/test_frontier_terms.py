"""`apse frontier --terms`: fronts of the file's own terms, each point against a second solver."""

import csv
import xml.etree.ElementTree as ET
from itertools import pairwise

import cvxpy as cp
import numpy as np
import pytest

from streams.core.optimize.registry import register
from tests.cli.files import NAMES, ragged_values, write_policy, write_wide

BARS = np.nan_to_num(ragged_values(), nan=0.0011)
MEAN, COV = BARS.mean(axis=0) * 252, np.cov(BARS, rowvar=False) * 252
HELD, EVEN = np.array([0.6, 0.4, 0.0, 0.0]), np.full(4, 0.25)
TAIL = 0.1  # of 160 bars
TERMS = (
    "{name: earn, linear: return, sense: maximise, weight: 1}",
    "{name: calm, variance: {scope: all}, weight: 1}",
    "{name: bad days, cvar: {alpha: 0.9}, weight: 1}",
    "{name: trading, norm1: {to: held}, weight: 1}",
    "{name: closeness, norm2: {to: reference}, weight: 1}",
    "{sum: {scope: strategies.mm-d}, sense: maximise, weight: 1}",
    "{name: spread, python: spread-of-weights, sense: maximise, weight: 1}",
    "{name: ceiling, sum: {scope: strategies.trend-b}, sense: le, bound: 0.45}",
)


class Spread:
    def expression(self, weights, _):
        return cp.sum(cp.entr(weights))

    def value(self, weights, _):
        held = weights[weights > 0.0]
        return float(-(held * np.log(held)).sum())


def tail_by_hand(weights):
    threshold = cp.Variable()
    return threshold + cp.sum(cp.pos(-(BARS @ weights) - threshold)) / (TAIL * len(BARS))


# Each term as it is minimised: for the second solver, and in plain numpy.
BY_HAND = {
    "earn": (lambda w: -MEAN @ w, lambda w: -MEAN @ w),
    "calm": (lambda w: cp.quad_form(w, cp.psd_wrap(COV)), lambda w: w @ COV @ w),
    "bad days": (tail_by_hand, lambda w: np.sort(-(BARS @ w))[-16:].mean()),
    "trading": (lambda w: cp.norm1(w - HELD), lambda w: np.abs(w - HELD).sum()),
    "closeness": (lambda w: cp.norm(w - EVEN), lambda w: np.linalg.norm(w - EVEN)),
    "sum strategies.mm-d": (lambda w: -w[1], lambda w: -w[1]),
    "spread": (lambda w: -cp.sum(cp.entr(w)), lambda w: -Spread().value(w, None)),
}
MAXIMISED = {"earn", "sum strategies.mm-d", "spread"}
PAIRS = (
    ("calm", "earn"),
    ("bad days", "earn"),
    ("trading", "bad days"),
    ("closeness", "sum strategies.mm-d"),
    ("earn", "spread"),
)


@pytest.fixture(scope="module", autouse=True)
def _registered():
    register("spread-of-weights", Spread())


@pytest.fixture
def returns(tmp_path):
    return write_wide(tmp_path / "returns.csv", BARS)


@pytest.fixture
def policy(tmp_path):
    return aims(tmp_path)


def aims(tmp_path, terms=TERMS, **changes):
    reference = ", ".join(f"{name}: 0.25" for name in NAMES)
    lines = {
        "initial_weights": "{arb-a: 0.6, mm-d: 0.4}",
        "objective": f"{{type: custom, terms: [{', '.join(terms)}], reference: {{{reference}}}}}",
    }
    return write_policy(tmp_path / "aims.yaml", **(lines | changes))


def least(name, **bounds):
    """The best of a term within the limits of the file and some bounds, by SCS."""
    weights = cp.Variable(4)
    limits = [cp.sum(weights) == 1, weights >= 0, weights <= 0.6, weights[3] <= 0.45]
    limits += [BY_HAND[other][0](weights) <= bound for other, bound in bounds.items()]
    program = cp.Problem(cp.Minimize(BY_HAND[name][0](weights)), limits)
    program.solve(solver="SCS", eps_abs=1e-9, eps_rel=1e-9, max_iters=200_000)
    return program.value


def weights_of(point):
    return np.array([point["weights"][name] for name in NAMES])


@pytest.mark.parametrize(("x", "y"), PAIRS)
def test_no_weights_are_better_in_one_term_at_a_points_value_of_the_other(
    apse, returns, policy, x, y
):
    answer = apse("frontier", returns, policy, "--terms", x, y, "--points", 6, "--json")
    assert answer.code == 0, answer.err
    told = answer.json
    across, up = told["terms"]
    assert [across["name"], up["name"]] == [x, y]
    signs = np.array([-1.0 if name in MAXIMISED else 1.0 for name in (x, y)])
    best = signs * [across["utopia"], up["utopia"]]
    worst = signs * [across["nadir"], up["nadir"]]
    span = worst - best
    values = signs * [list(point["values"].values()) for point in told["points"]]

    by_hand = [[BY_HAND[n][1](weights_of(p)) for n in (x, y)] for p in told["points"]]
    assert values == pytest.approx(np.array(by_hand), rel=1e-9, abs=1e-12)
    # SCS: 1e-9 of numbers of size one; a ten-thousandth of the range is far above that
    assert (best - [least(x), least(y)]) / span == pytest.approx([0.0, 0.0], abs=1e-4)
    shares = (values - best) / span
    assert shares[:, 1] == pytest.approx(np.linspace(1.0, 0.0, 6), abs=1e-5)
    assert shares[0, 0] == pytest.approx(0.0, abs=1e-6)
    assert shares[-1, 0] == pytest.approx(1.0, abs=1e-3)  # where the front is steepest
    for value, bound in values[1:-1]:
        assert (value - least(x, **{y: bound})) / span[0] == pytest.approx(0.0, abs=1e-4)
    assert all(before[0] < after[0] for before, after in pairwise(values.tolist()))
    for point in told["points"]:
        weights = weights_of(point)
        assert weights.max() <= 0.6 + 1e-8
        assert weights[3] <= 0.45 + 1e-7
    distance = 1.0 - shares.sum(axis=1)  # from the chord, times √2
    straight = float(distance.max()) < 1e-6  # nothing but the solvers' rounding
    assert told["knee"] == (None if straight else int(np.argmax(distance)))
    assert straight == ((x, y) == ("closeness", "sum strategies.mm-d"))
    assert told["unsolved"] == []


def test_files_and_table_hold_what_json_does(apse, returns, tmp_path):
    policy = aims(tmp_path, TERMS[:3])
    svg, table = tmp_path / "f.svg", tmp_path / "f.csv"
    asked = ("frontier", returns, policy, "--terms", "bad days", "earn", "--points", 5)
    told = apse(*asked, "--json").json
    answer = apse(*asked, "--svg", svg, "--csv", table)
    assert answer.code == 0, answer.err
    for words in ("bad days", "earn", "knee", "target (custom)", "(utopia)", "(nadir)"):
        assert words in answer.out
    # the range is of tenths: five decimals are a hundred-thousandth of it
    assert f"earn, maximised: at best {told['terms'][1]['utopia']:.5f} (utopia)" in answer.out
    rows = list(csv.DictReader(table.read_text().splitlines()))
    assert [[float(row["bad days"]), float(row["earn"]), float(row["arb-a"])] for row in rows] == [
        [*point["values"].values(), point["weights"]["arb-a"]] for point in told["points"]
    ]
    drawn = "".join(ET.parse(svg).getroot().itertext())
    for words in (
        "bad days (minimised)", "earn (maximised)", "knee", "utopia", "nadir", "held", *NAMES,
    ):  # fmt: skip
        assert words in drawn
    held = told["marks"][0]
    assert held["values"]["bad days"] == pytest.approx(BY_HAND["bad days"][1](HELD))
    assert [mark["kind"] for mark in told["marks"]].count("strategy") == 4


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (("earn", "speed"), "'speed' is no term that the objective seeks; there are: 'earn', "),
        (("ceiling", "earn"), "'ceiling' is no term that the objective seeks"),
        (("earn", "earn"), "a front is of two terms, got 'earn' twice"),
        (("earn",), "requires 2 arguments"),
    ],
)
def test_terms_that_cannot_be_swept_exit_2_and_are_named(apse, returns, policy, terms, words):
    answer = apse("frontier", returns, policy, "--json", "--terms", *terms)
    assert answer.code == 2
    assert words in answer.err


def test_a_file_without_terms_says_so(apse, returns, policy_file):
    answer = apse("frontier", returns, policy_file, "--terms", "earn", "calm")
    assert answer.code == 2
    assert "there are: none, it is of type min_variance" in answer.err


def test_limits_that_cannot_be_met_tell_what_would_have_to_give(apse, returns, tmp_path):
    tight = aims(tmp_path, constraints="{weight_max: 0.2}")
    answer = apse("frontier", returns, tight, "--terms", "calm", "earn")
    assert answer.code == 3
    assert "way 1: weight_max 0.2 would have to be 0.25" in answer.out
    bounded = aims(tmp_path, (*TERMS, "{name: floor, linear: return, sense: ge, bound: 9}"))
    answer = apse("frontier", returns, bounded, "--terms", "calm", "earn", "--json")
    assert answer.code == 3
    assert answer.json["violated"] == ["objective.terms"]


def test_the_frontier_of_return_keeps_bounded_terms_as_well(apse, returns, policy):
    told = apse("frontier", returns, policy, "--points", 6, "--json").json
    plain = apse("frontier", returns, policy, "--terms", "calm", "earn", "--points", 6, "--json")
    assert [point["weights"] for point in told["points"]] == [
        pytest.approx(point["weights"], abs=1e-6) for point in plain.json["points"]
    ]
