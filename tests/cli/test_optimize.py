import cvxpy as cp
import numpy as np
import pytest
from scipy.optimize import minimize

from tests.cli.files import NAMES, ragged_values, write_policy, write_wide

KEYS = [
    "status", "weights", "cash", "objective_value", "objective_terms", "ex_ante", "binding",
    "verified", "solver",
    "solve_seconds",
]  # fmt: skip


def complete(bars=160):
    """No holes and nobody ended, so that the window is plainly all rows."""
    return np.nan_to_num(ragged_values(bars=bars), nan=0.0011)


@pytest.fixture
def whole_file(tmp_path):
    return write_wide(tmp_path / "whole.csv", complete())


def optimize(apse, returns, policy, code=0):
    answer = apse("optimize", "--returns", returns, "--portfolio", policy, "--json")
    assert answer.code == code, answer.err
    return answer.json


def test_minimum_variance_is_scipys_and_verified(apse, whole_file, policy_file):
    told = optimize(apse, whole_file, policy_file)
    sigma = np.cov(complete(), rowvar=False) * 252
    found = minimize(
        lambda w: w @ sigma @ w * 1e3,
        np.full(4, 0.25),
        jac=lambda w: 2e3 * sigma @ w,
        bounds=[(0.0, 0.6)] * 4,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1.0},
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert set(KEYS) <= set(told)
    assert told["status"] == "optimal"
    assert told["verified"] is True
    weights = np.array([told["weights"][name] for name in NAMES])
    # the oracle stops at a step of about 1e-7; its objective is flat there, so tighter by far
    np.testing.assert_allclose(weights, found.x, atol=1e-5)
    assert told["objective_value"] == pytest.approx(found.fun / 1e3, rel=1e-8)
    assert weights.sum() + told["cash"] == pytest.approx(1.0, abs=1e-12)
    assert set(told["ex_ante"]) == {"return_annual", "volatility_annual", "sharpe", "cvar_95"}
    assert told["ex_ante"]["volatility_annual"] == pytest.approx(
        np.sqrt(weights @ sigma @ weights), rel=1e-9
    )
    assert told["ex_ante"]["return_annual"] == pytest.approx(
        complete().mean(axis=0) @ weights * 252, rel=1e-9
    )


def test_mean_variance_with_families_and_cash_is_cvxpys(apse, whole_file, tmp_path):
    families = ("arbitrage", "market_making", "mean_reversion", "trend")
    entries = [f"{{id: {n}, family: {f}}}" for n, f in zip(NAMES, families, strict=True)]
    policy = write_policy(
        tmp_path / "mv.yaml",
        strategies=f"[{', '.join(entries)}]",
        objective="{type: mean_variance, risk_aversion: 4.0}",
        constraints="{weight_max: 0.5, families: {arbitrage: {min: 0.0, max: 0.3}}}",
        cash="{min: 0.05, max: 0.4, rate: 0.0}",
    )
    told = optimize(apse, whole_file, policy)
    sigma, mu = np.cov(complete(), rowvar=False) * 252, complete().mean(axis=0) * 252
    w, cash = cp.Variable(4), cp.Variable()
    utility = mu @ w - 2.0 * cp.quad_form(w, cp.psd_wrap(sigma))
    limits = [w >= 0, w <= 0.5, w[0] <= 0.3, cash >= 0.05, cash <= 0.4, cp.sum(w) + cash == 1]
    best = cp.Problem(cp.Maximize(utility), limits).solve(
        solver=cp.CLARABEL, tol_gap_abs=1e-12, tol_gap_rel=1e-12
    )
    assert told["objective_value"] == pytest.approx(best, rel=1e-7)
    weights = np.array([told["weights"][name] for name in NAMES])
    np.testing.assert_allclose(weights, w.value, atol=1e-5)  # a vertex more or less: flat nearby
    assert told["cash"] == pytest.approx(float(cash.value), abs=1e-5)
    held_back = {(limit["constraint"], limit["side"]) for limit in told["binding"]}
    assert held_back
    assert all(isinstance(limit["price"], float) for limit in told["binding"])


def test_equal_and_inverse_volatility_are_their_formulas(apse, whole_file, tmp_path):
    equal = write_policy(tmp_path / "e.yaml", objective="{type: equal}")
    told = optimize(apse, whole_file, equal)
    assert list(told["weights"].values()) == pytest.approx([0.25] * 4, abs=1e-10)
    inverse = write_policy(tmp_path / "i.yaml", objective="{type: inverse_volatility}")
    told = optimize(apse, whole_file, inverse)
    ratio = 1.0 / complete().std(axis=0, ddof=1)
    np.testing.assert_allclose(list(told["weights"].values()), ratio / ratio.sum(), atol=1e-9)


def test_no_weights_fit_exits_3_and_names_the_limit(apse, whole_file, tmp_path):
    policy = write_policy(tmp_path / "tight.yaml", constraints="{weight_max: 0.2}")
    told = optimize(apse, whole_file, policy, code=3)
    assert told["status"] == "infeasible"
    assert told["violated"] == ["weight_max"]
    shown = apse("optimize", "--returns", whole_file, "--portfolio", policy)
    assert shown.code == 3
    assert "weight_max" in shown.out


def test_an_ended_strategy_takes_no_part(apse, returns_file, policy_file):
    told = optimize(apse, returns_file, policy_file)
    assert told["weights"]["rev-c"] == 0.0
    assert told["excluded"] == {"rev-c": "ended"}


def test_returns_of_other_strategies_are_refused(apse, returns_file, tmp_path):
    policy = write_policy(tmp_path / "other.yaml", strategies="[{id: nobody, family: trend}]")
    answer = apse("optimize", "--returns", returns_file, "--portfolio", policy)
    assert answer.code == 2
    assert "arb-a" in answer.err
