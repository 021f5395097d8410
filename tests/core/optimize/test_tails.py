"""The grown program against the whole one, written for scipy with a row a scenario."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import linprog

from streams.core.optimize import Aim, Caps, Infeasible, Solved, solve, tails, verify
from streams.core.optimize.linear_program import GrowingProgram
from tests.core.optimize.problems import polytope, random_problem
from tests.core.optimize.real import stocks

KINDS = ("plain", "tied", "twins", "flat", "still", "zero", "huge")


def scenarios_of(rng, bars, names, kind):
    """Random returns, in most kinds degenerate."""
    returns = 0.01 * rng.standard_normal((bars, names))
    if kind == "tied":
        returns = np.round(returns, 2)  # a few values, each many times
    elif kind == "twins":
        returns[:, -1] = returns[:, 0]
        returns[bars // 2 :] = returns[: bars - bars // 2]
    elif kind == "flat":
        returns[:, 0] = 0.001
    elif kind == "still":
        returns[:, : names // 2 + 1] *= 1e-6
    elif kind == "zero":
        returns[:] = 0.0
    elif kind == "huge":
        returns *= 1e3
    return returns


def tail_problem(seed):
    """Any mix of limits, few or many scenarios; `random_problem` may not be feasible."""
    rng = np.random.default_rng([11, seed])
    problem = random_problem(rng, objective=str(rng.choice(["min_cvar", "min_cdar"])))
    names, bars = len(problem.strategies), int(rng.choice([1, 2, 5, 19, 40, 90]))
    kind = str(rng.choice(KINDS))
    returns = scenarios_of(rng, bars, names, kind)
    cov = np.atleast_2d(np.cov(returns, rowvar=False)) * 252.0 if bars > 1 else np.eye(names)
    caps = {"leverage_max": 1.2, "short_max": 0.15, "cvar_max": float(rng.choice([0.01, 0.02]))}
    return replace(
        problem,
        scenarios=returns,
        cov_annual=0.5 * (cov + cov.T),
        periods_per_year=252.0,
        cash_return=float(rng.choice([0.0, 0.0002])),
        aim=Aim(alpha=float(rng.choice([0.0, 0.5, 0.9, 0.95, 0.99]))),
        caps=Caps(
            **{name: value for name, value in caps.items() if rng.random() < 0.2},
            cvar_alpha=float(rng.choice([0.5, 0.95])),
        ),
    )


class Whole:
    """The program of Rockafellar and Uryasev with every scenario, over named blocks of columns."""

    def __init__(self, problem):
        limits = polytope(problem)
        self.bounds, self.options = list(limits["bounds"]), limits["options"]
        self.rows = [(limits["A_ub"], limits["b_ub"])]
        self.equal = limits["A_eq"], limits["b_eq"]
        self.names = len(problem.strategies)
        self.returns = np.hstack(
            [problem.scenarios, np.full((len(problem.scenarios), 1), problem.cash_return)]
        )
        self.scale = float(np.abs(problem.scenarios).max()) or 1.0
        self.returns /= self.scale
        falls = problem.objective == "min_cdar"
        self.costs = self.tail(problem.aim.alpha, falls=falls)
        caps = problem.caps
        if caps.cvar_max is not None:
            value = self.tail(caps.cvar_alpha, falls=False)
            self.add(value[None], [caps.cvar_max / self.scale])
        if caps.leverage_max is not None:
            self.sizes(np.abs, caps.leverage_max)
        if caps.short_max is not None:
            self.sizes(lambda sign: 1.0 * (sign < 0.0), caps.short_max)

    def columns(self, count, low=0.0):
        first = len(self.bounds)
        self.bounds += [(low, None)] * count
        return slice(first, first + count)

    def add(self, matrix, right):
        self.rows.append((np.asarray(matrix), np.asarray(right, dtype=np.float64)))

    def blank(self, count):
        return np.zeros((count, len(self.bounds)))

    def tail(self, alpha, *, falls):
        bars = len(self.returns)
        threshold, over = self.columns(1, None), self.columns(bars)
        peak = self.columns(bars) if falls else None
        gained = np.cumsum(self.returns, axis=0) if falls else self.returns
        row = self.blank(bars)  # loss − threshold − over ≤ 0
        row[:, : self.names + 1] = -gained
        row[:, threshold], row[:, over] = -1.0, -np.eye(bars)
        if falls:
            row[:, peak] = np.eye(bars)
            above, holds = self.blank(bars), self.blank(bars)
            above[:, : self.names + 1], above[:, peak] = gained, -np.eye(bars)
            holds[:, peak] = np.eye(bars, k=-1) - np.eye(bars)
            self.add(above, np.zeros(bars))
            self.add(holds, np.zeros(bars))
        self.add(row, np.zeros(bars))
        value = self.blank(1)[0]
        value[threshold], value[over] = 1.0, 1.0 / ((1.0 - alpha) * bars)
        return value

    def sizes(self, of, limit):
        """Limit the sum of what a weight counts, up and down."""
        counted = self.columns(self.names)
        for sign in (1.0, -1.0):
            row = self.blank(self.names)
            row[:, : self.names] = sign * of(sign) * np.eye(self.names)
            row[:, counted] = -np.eye(self.names)
            self.add(row, np.zeros(self.names))
        total = self.blank(1)
        total[:, counted] = 1.0
        self.add(total, [limit])

    def least(self):
        """The optimum; None where there is none."""
        width = len(self.bounds)

        def wide(matrix):
            return np.hstack([matrix, np.zeros((len(matrix), width - matrix.shape[1]))])

        answer = linprog(
            np.append(self.costs, np.zeros(width - len(self.costs))),
            A_ub=np.vstack([wide(matrix) for matrix, _ in self.rows]),
            b_ub=np.concatenate([right for _, right in self.rows]),
            A_eq=wide(self.equal[0]),
            b_eq=self.equal[1],
            bounds=self.bounds,
            options=self.options,
        )
        assert answer.status in {0, 2}, answer.message
        return None if answer.status == 2 else answer.fun * self.scale


@pytest.mark.parametrize(
    "batch", [0, 1, *(pytest.param(b, marks=pytest.mark.slow) for b in range(2, 20))]
)
def test_the_optimum_is_that_of_the_whole_program(batch):
    solved = 0
    for seed in range(100 * batch, 100 * (batch + 1)):
        problem = tail_problem(seed)
        outcome, least = tails.solve_tail(problem), Whole(problem).least()
        if least is None:
            assert outcome is None, seed
            continue
        assert isinstance(outcome, Solved), seed
        solved += 1
        assert verify(problem, outcome.weights, outcome.cash) == (), seed
        assert outcome.solver == "highs"
        assert all(np.isfinite(limit.price) for limit in outcome.binding), seed
        size = max(abs(least), float(np.abs(problem.scenarios).max()))
        # both stop at 1e-10 of size 1
        assert outcome.objective_value == pytest.approx(least, rel=1e-8, abs=1e-9 * size), seed
    assert solved > 40


@pytest.mark.parametrize("objective", ["min_cvar", "min_cdar"])
def test_however_few_scenarios_it_starts_with(objective, monkeypatch):
    problem = stocks(objective, weight_max=np.full(10, 0.3))
    wanted = solve(problem)
    monkeypatch.setattr(tails, "_TAILS", 0.0)
    monkeypatch.setattr(tails, "_SHARE_OF_NAMES", 0.0)
    grown = solve(problem)
    assert grown.solver == "highs"
    assert grown.exact
    # rounding of sums of 500 losses
    assert grown.objective_value == pytest.approx(wanted.objective_value, rel=1e-12)
    monkeypatch.setattr(tails, "_TAILS", 1e3)
    assert solve(problem).objective_value == pytest.approx(wanted.objective_value, rel=1e-12)


@pytest.mark.parametrize("objective", ["min_cvar", "min_cdar"])
@pytest.mark.parametrize(
    "changes",
    [
        {"weight_max": np.full(10, 0.3)},
        {"turnover_max": 0.3, "held": np.full(10, 0.095), "held_cash": 0.05, "cash_max": 0.2},
        {"weight_min": np.full(10, -0.2), "long_only": False, "caps": Caps(leverage_max=1.3)},
        {"weight_min": np.full(10, -0.2), "long_only": False, "caps": Caps(short_max=0.1)},
        {"caps": Caps(cvar_max=0.0385, cvar_alpha=0.95)},
    ],
    ids=["weights", "turnover", "leverage", "shorts", "tail"],
)
def test_the_prices_are_those_of_the_modelled_road(objective, changes):
    problem = stocks(objective, **changes)
    if "caps" in changes and changes["caps"].cvar_max is not None:
        problem = replace(problem, aim=Aim(alpha=0.9))
    found, other = solve(problem), solve(problem, "modelled")
    assert found.solver == "highs"
    assert other.solver == "cvxpy/clarabel"

    def prices(outcome):
        return {(limit.key, limit.strategy, limit.side): limit.price for limit in outcome.binding}

    assert found.objective_value == pytest.approx(other.objective_value, rel=1e-9)
    assert prices(found).keys() == prices(other).keys()
    # Clarabel's multipliers
    assert prices(found) == pytest.approx(prices(other), rel=1e-5)


def test_a_cap_that_cannot_be_met_is_named():
    outcome = solve(stocks("min_cdar", caps=Caps(cvar_max=0.005)))
    assert outcome == Infeasible(violated=("cvar_max",))


def test_the_same_problem_gives_the_same_bits():
    problem = stocks("min_cdar", weight_max=np.full(10, 0.3))
    first = solve(problem)
    solve(stocks("min_cvar"))
    again = solve(problem)
    assert first.weights.tobytes() == again.weights.tobytes()
    assert first.binding == again.binding


def test_where_the_proof_fails_the_modelled_road_answers(monkeypatch):
    problem = stocks("min_cvar")
    wanted = solve(problem)
    solve_lp = GrowingProgram.solve

    def unproven(program):
        return replace(solve_lp(program), value_min=0.5)

    monkeypatch.setattr(GrowingProgram, "solve", unproven)
    assert tails.solve_tail(problem) is None
    monkeypatch.setattr(GrowingProgram, "solve", lambda _program: None)
    other = solve(problem)
    assert other.solver == "cvxpy/clarabel"
    assert other.objective_value == pytest.approx(wanted.objective_value, rel=1e-9)


@pytest.mark.parametrize(
    "changes",
    [{"caps": Caps(volatility_max=0.3)}, {"objective": "min_variance"}, {"scenarios": None}],
    ids=["a cone", "no tail", "no scenarios"],
)
def test_other_problems_are_left_to_other_roads(changes):
    assert tails.solve_tail(replace(stocks("min_cvar"), **changes)) is None
