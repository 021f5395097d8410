"""Every objective against the same problem written plainly in cvxpy for another solver.

SCS is a first-order method with no code in common with the interior points used in the product,
HiGHS a simplex method. 1e-5 relative is what SCS reaches at its tolerance of 1e-9 on these.
"""

from dataclasses import replace

import cvxpy as cp
import numpy as np
import pytest

from streams.core.optimize import Aim, Caps, Failed, GroupLimit, Solved, TradeCosts, solve, verify
from streams.core.optimize.objectives import cdar, cvar, objective_terms
from tests.core.optimize.real import stocks

NEAR = 1e-5


def limited(objective, **changes):
    """Limits that bind: bounds, a family, cash, turnover."""
    names = 10
    half = np.arange(names) < 5
    base = {
        "weight_max": np.full(names, 0.3),
        "groups": (GroupLimit(key="families.a", members=half, minimum=0.2, maximum=0.45),),
        "held": np.full(names, 0.09),
        "held_cash": 0.1,
        "turnover_max": 0.5,
        "cash_max": 0.05,
    }
    return stocks(objective, **{**base, **changes})


def limits_on(problem, w, cash, scale=1.0):
    rows = [
        cp.sum(w) + cash == scale,
        w >= problem.weight_min * scale,
        w <= problem.weight_max * scale,
        cash >= problem.cash_min * scale,
        cash <= problem.cash_max * scale,
    ]
    for group in problem.groups:
        total = group.members.astype(float) @ w
        rows += [total <= group.maximum * scale]
        rows += [total >= group.minimum * scale] if np.isfinite(group.minimum) else []
    if problem.turnover_max is not None:
        moved = cp.norm1(w - problem.held * scale) + cp.abs(cash - problem.held_cash * scale)
        rows.append(moved <= 2.0 * problem.turnover_max * scale)
    return rows


def optimum(sense, value, rows, solver="SCS"):
    options = {"eps_abs": 1e-9, "eps_rel": 1e-9, "max_iters": 400_000} if solver == "SCS" else {}
    asked = cp.Problem(sense(value), rows)
    with np.errstate(invalid="ignore"):  # HiGHS leaves variables at infinity before it starts
        asked.solve(solver=solver, **options)
    assert asked.status == "optimal"
    return float(asked.value)


def variables(problem):
    return cp.Variable(len(problem.strategies)), cp.Variable()


def root(problem):
    return np.linalg.cholesky(problem.cov_annual).T


def check(problem, expected, rel=NEAR):
    outcome = solve(problem)
    assert isinstance(outcome, Solved), outcome
    assert verify(problem, outcome.weights, outcome.cash) == ()
    assert outcome.objective_value == pytest.approx(expected, rel=rel)
    return outcome


@pytest.mark.parametrize("make", [stocks, limited])
def test_max_sharpe(make):
    problem = make("max_sharpe", cash_return=0.02 / 252)
    (w, cash), k = variables(problem), cp.Variable(nonneg=True)
    rows = [*limits_on(problem, w, cash, k), (problem.mean_annual - 0.02) @ w == 0.1]
    least = optimum(cp.Minimize, cp.sum_squares(root(problem) @ w), rows)
    check(problem, 0.1 / np.sqrt(least))


def test_max_sharpe_without_an_excess_return_is_the_least_variance_and_says_so():
    problem = limited("max_sharpe")
    problem = replace(problem, mean_annual=-np.abs(problem.mean_annual))
    outcome = solve(problem)
    least = solve(replace(problem, objective="min_variance"))
    assert outcome.weights.tolist() == least.weights.tolist()
    assert outcome.fallback == "min_variance: no return is above that of cash"


def test_max_sharpe_where_the_limits_leave_no_excess_return():
    mean = np.full(10, -0.05)
    mean[0] = 0.01
    problem = stocks("max_sharpe", weight_max=np.full(10, 0.2), mean_annual=mean)
    outcome = solve(problem)
    assert outcome.fallback.startswith("min_variance")


@pytest.mark.parametrize("make", [stocks, limited])
def test_max_diversification(make):
    problem = make("max_diversification")
    (w, cash), k = variables(problem), cp.Variable(nonneg=True)
    spread = np.sqrt(problem.cov_annual.diagonal())
    rows = [*limits_on(problem, w, cash, k), spread @ w == 1.0]
    least = optimum(cp.Minimize, cp.sum_squares(root(problem) @ w), rows)
    check(problem, 1.0 / np.sqrt(least))


@pytest.mark.parametrize("budgets", [None, np.arange(1.0, 11.0)])
def test_risk_parity_meets_its_budgets(budgets):
    problem = stocks("risk_parity", aim=Aim(budgets=budgets))
    outcome = solve(problem)
    wanted = np.full(10, 0.1) if budgets is None else budgets / budgets.sum()
    pull = problem.cov_annual @ outcome.weights
    shares = outcome.weights * pull / (outcome.weights @ pull)
    assert outcome.exact
    assert shares == pytest.approx(wanted, rel=1e-12)
    assert outcome.objective_value == pytest.approx(np.sqrt(outcome.weights @ pull), rel=1e-15)
    other = solve(problem, "modelled")
    assert other.weights == pytest.approx(outcome.weights, abs=1e-6)


def test_risk_parity_within_limits():
    problem = limited("risk_parity", cash_max=0.0)
    (w, cash), k = variables(problem), cp.Variable(nonneg=True)
    rows = [*limits_on(problem, w, cash, k), cp.sum(cp.log(w)) >= 10 * np.log(0.1)]
    # A hundred times as large: SCS stops at absolute residuals.
    optimum(cp.Minimize, 100.0 * cp.sum_squares(root(problem) @ w), rows)
    weights = w.value / k.value
    outcome = check(problem, np.sqrt(weights @ problem.cov_annual @ weights), rel=1e-4)
    assert outcome.weights == pytest.approx(weights, abs=1e-3)


@pytest.mark.parametrize("make", [stocks, limited])
@pytest.mark.parametrize("alpha", [0.95, 0.99, 0.9])
def test_min_cvar(make, alpha):
    problem = make("min_cvar", aim=Aim(alpha=alpha))
    (w, cash), v = variables(problem), cp.Variable()
    losses = cp.pos(-(problem.scenarios @ w) - v)
    tail = v + cp.sum(losses) / ((1.0 - alpha) * 500)
    check(problem, optimum(cp.Minimize, tail, limits_on(problem, w, cash), "HIGHS"))


@pytest.mark.parametrize("make", [stocks, limited])
def test_min_cdar(make):
    problem = make("min_cdar")
    (w, cash), v, peak = variables(problem), cp.Variable(), cp.Variable(501)
    path = cp.cumsum(problem.scenarios @ w)
    rows = [*limits_on(problem, w, cash), peak[0] == 0.0, peak[1:] >= peak[:-1], peak[1:] >= path]
    tail = v + cp.sum(cp.pos(peak[1:] - path - v)) / (0.05 * 500)
    check(problem, optimum(cp.Minimize, tail, rows, "HIGHS"))


@pytest.mark.parametrize("make", [stocks, limited])
def test_kelly(make):
    problem = make("kelly")
    w, cash = variables(problem)
    growth = cp.sum(cp.log(1.0 + problem.scenarios @ w)) * 252.0 / 500
    check(problem, optimum(cp.Maximize, growth, limits_on(problem, w, cash)))


@pytest.mark.parametrize("make", [stocks, limited])
def test_target_volatility(make):
    target = 0.25
    problem = make("target_volatility", aim=Aim(target=target))
    w, cash = variables(problem)
    rows = [*limits_on(problem, w, cash), cp.norm2(root(problem) @ w) <= target]
    check(problem, optimum(cp.Maximize, problem.mean_annual @ w, rows))


@pytest.mark.parametrize("make", [stocks, limited])
def test_target_return(make):
    problem = make("target_return", aim=Aim(target=0.2))
    w, cash = variables(problem)
    rows = [*limits_on(problem, w, cash), problem.mean_annual @ w >= 0.2]
    check(problem, optimum(cp.Minimize, cp.sum_squares(root(problem) @ w), rows))


@pytest.mark.parametrize("objective", ["target_return", "target_volatility"])
def test_a_target_out_of_reach_is_named(objective):
    target = 9.0 if objective == "target_return" else 0.01
    outcome = solve(limited(objective, aim=Aim(target=target)))
    assert outcome.violated == ("objective.target",)


@pytest.mark.parametrize("make", [stocks, limited])
def test_tracking(make):
    reference = np.arange(10.0) / 45.0
    problem = make("tracking", aim=Aim(reference=reference))
    w, cash = variables(problem)
    apart = cp.sum_squares(root(problem) @ (w - reference))
    outcome = solve(problem)
    if make is stocks:
        assert outcome.weights == pytest.approx(reference, abs=1e-12)
    else:
        check(problem, optimum(cp.Minimize, apart, limits_on(problem, w, cash)))


@pytest.mark.parametrize("make", [stocks, limited])
def test_robust_mean_variance(make):
    problem = make("robust_mean_variance", aim=Aim(kappa=1.5, years=500 / 252))
    w, cash = variables(problem)
    spread = cp.norm2(root(problem) @ w)
    utility = problem.mean_annual @ w - 1.5 * cp.square(spread) - 1.5 * spread / np.sqrt(500 / 252)
    check(problem, optimum(cp.Maximize, utility, limits_on(problem, w, cash)))


@pytest.mark.parametrize("objective", ["mean_variance", "min_variance", "robust_mean_variance"])
def test_costs_over_their_horizon(objective):
    costs = TradeCosts(
        linear=np.full(10, 0.002), impact=np.linspace(0.01, 0.05, 10), horizon_years=0.25
    )
    problem = limited(objective, costs=costs, aim=Aim(kappa=1.0, years=2.0), turnover_max=None)
    w, cash = variables(problem)
    spread = cp.norm2(root(problem) @ w)
    moved = cp.abs(w - problem.held)
    cost = (0.002 * cp.sum(moved) + costs.impact @ cp.power(moved, 1.5)) / 0.25
    if objective == "min_variance":
        value = optimum(
            cp.Minimize, cp.square(spread) + 2.0 / 3.0 * cost, limits_on(problem, w, cash)
        )
    else:
        utility = problem.mean_annual @ w - 1.5 * cp.square(spread) - cost
        if objective == "robust_mean_variance":
            utility -= spread / np.sqrt(2.0)
        value = optimum(cp.Maximize, utility, limits_on(problem, w, cash))
    outcome = check(problem, value)
    free = solve(replace(problem, costs=None))
    traded = [float(np.abs(each.weights - problem.held).sum()) for each in (outcome, free)]
    assert traded[0] < traded[1]
    assert objective_terms(problem, outcome.weights)["cost"] != 0.0


@pytest.mark.parametrize(
    ("cap", "value"),
    [("volatility_max", 0.236), ("cvar_max", 0.0385), ("leverage_max", 1.2), ("short_max", 0.05)],
)
@pytest.mark.parametrize("objective", ["mean_variance", "max_sharpe", "min_cvar", "risk_parity"])
def test_caps_bind_and_agree(cap, value, objective):
    short = cap in {"leverage_max", "short_max"}
    if short and objective == "risk_parity":
        return  # risk parity holds nothing short
    changes = {"weight_min": np.full(10, -0.3), "long_only": False} if short else {}
    problem = stocks(objective, weight_max=np.full(10, 0.4), caps=Caps(**{cap: value}), **changes)
    (w, cash), v = variables(problem), cp.Variable()
    k = cp.Variable(nonneg=True) if objective in {"max_sharpe", "risk_parity"} else 1.0
    risk = root(problem) @ w
    rows = limits_on(problem, w, cash, k)
    tail = v + cp.sum(cp.pos(-(problem.scenarios @ w) - v)) / (0.05 * 500)
    rows.append(
        {
            "volatility_max": cp.norm2(risk) <= value * k,
            "cvar_max": tail <= value * k,
            "leverage_max": cp.norm1(w) <= value * k,
            "short_max": cp.sum(cp.neg(w)) <= value * k,
        }[cap]
    )
    if objective == "mean_variance":
        utility = problem.mean_annual @ w - 1.5 * cp.sum_squares(risk)
        expected = optimum(cp.Maximize, utility, rows)
    elif objective == "min_cvar":
        expected = optimum(cp.Minimize, tail, rows)
    elif objective == "max_sharpe":
        rows.append(problem.mean_annual @ w == 0.1)
        expected = 0.1 / np.sqrt(optimum(cp.Minimize, cp.sum_squares(risk), rows))
    else:
        rows.append(cp.sum(cp.log(w)) >= 10 * np.log(0.1))
        optimum(cp.Minimize, cp.sum_squares(risk), rows)
        expected = float(np.linalg.norm(root(problem) @ w.value) / k.value)
    outcome = solve(problem)
    if objective == "risk_parity" and not isinstance(outcome, Solved):
        assert outcome.violated == (cap,)
        return
    check(problem, expected, rel=1e-4 if objective == "risk_parity" else NEAR)


def test_the_tail_counts_in_whole_returns_where_it_is_whole():
    losses = np.arange(20.0)
    assert cvar(losses, 0.95) == 19.0
    assert cvar(losses, 0.9) == 18.5
    assert cvar(losses, 0.925) == pytest.approx((19.0 + 0.5 * 18.0) / 1.5, rel=1e-12)
    assert cdar(np.array([-0.1, 0.05, -0.2]), 0.5) == pytest.approx(
        (0.25 + 0.5 * 0.1) / 1.5, rel=1e-12
    )


def test_a_flat_strategy_has_no_share_of_risk():
    problem = stocks("risk_parity")
    cov = problem.cov_annual.copy()
    cov[0] = cov[:, 0] = 0.0
    outcome = solve(replace(problem, cov_annual=cov))
    assert isinstance(outcome, Failed)
    assert "s0000 has no volatility" in outcome.reason
