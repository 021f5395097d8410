"""One solve over a whole file, against pandas and a textbook solution."""

import numpy as np
import pandas as pd
import pytest

from schemas.policy import load_policy
from streams.core.errors import DataError
from streams.files import ReturnsTable, to_rows
from streams.runtime.whatif import optimize_once

NAMES = ("a", "b", "c")
DAY = 86_400 * 10**9
BARS = 40


def policy(**changes):
    document = {
        "portfolio_id": "p",
        "bar": "1d",
        "periods_per_year": 252,
        "strategies": [{"id": name, "family": "trend"} for name in NAMES],
        "estimation": {"window_bars": 252, "covariance": "sample"},
        "objective": {"type": "min_variance"},
        "costs": {"linear_bps": 10},
    }
    return load_policy({**document, **changes})


def table(bars=BARS, **holes):
    values = np.random.default_rng(4).normal(0.0005, [0.01, 0.012, 0.011], (bars, 3))
    for name, rows in holes.items():
        values[rows, NAMES.index(name)] = np.nan
    stamps_ns = np.arange(1, bars + 1, dtype=np.int64) * DAY
    return ReturnsTable(stamps_ns=stamps_ns, names=NAMES, values=values)


def answer(returns, **changes):
    given = policy(**changes)
    return optimize_once(given, to_rows(returns, given.bar))


def test_all_rows_are_the_window_and_the_optimum_is_the_textbook_s():
    returns = table(a=[3, 7], b=[11])
    rows = pd.DataFrame(returns.values).dropna()
    cov = rows.cov().to_numpy() * 252
    inverse = np.linalg.inv(cov) @ np.ones(3)
    weights = inverse / inverse.sum()
    assert (weights > 0).all()  # so that no bound is in the way of the closed form
    found = answer(returns)
    assert found["status"] == "optimal"
    # two solvers of one strictly convex problem, the sent weights rounded to 1e-10
    assert list(found["weights"].values()) == pytest.approx(weights, abs=1e-8)
    assert found["objective_value"] == pytest.approx(1 / inverse.sum(), rel=1e-8)
    assert found["n_common"] == BARS - 3
    ante = found["ex_ante"]
    mean = rows.mean().to_numpy() * 252
    assert ante["return_annual"] == pytest.approx(mean @ weights, rel=1e-6)
    assert ante["volatility_annual"] == pytest.approx(inverse.sum() ** -0.5, rel=1e-8)
    assert ante["sharpe"] == pytest.approx(ante["return_annual"] / ante["volatility_annual"])
    assert (found["turnover"], found["cost"]) == pytest.approx((1.0, 0.001), abs=1e-9)


def test_binding_limits_are_told():
    found = answer(table(), constraints={"weight_max": 0.34})
    capped = {limit.get("strategy") for limit in found["binding"]} - {None}
    assert capped == {name for name, weight in found["weights"].items() if weight > 0.3399}
    assert max(found["weights"].values()) == pytest.approx(0.34, abs=1e-9)


def test_limits_in_conflict_are_named_by_their_key():
    found = answer(table(), constraints={"weight_max": 0.2})
    assert (found["status"], found["violated"]) == ("infeasible", ["weight_max"])


def test_who_has_too_few_rows_or_has_ended_is_left_out_and_why():
    found = answer(table(a=slice(0, 25), c=slice(38, 40)))
    assert found["excluded"] == {"a": "too_few_observations", "c": "ended"}
    assert found["weights"] == {"a": 0.0, "b": 1.0, "c": 0.0}


def test_too_few_are_said_so():
    found = answer(table(a=slice(0, 25)), constraints={"weight_max": 0.4})
    assert found == {"status": "too_few_eligible", "excluded": {"a": "too_few_observations"}}


def test_the_initial_build_is_exempt_from_turnover_and_a_held_mix_is_not():
    limits = {"turnover_max": 0.1}
    assert answer(table(), constraints=limits)["turnover"] == pytest.approx(1.0, abs=1e-9)
    held = answer(table(), constraints=limits, initial_weights={"a": 1.0})
    assert held["turnover"] == pytest.approx(0.1, abs=1e-8)


def test_one_bar_is_too_little():
    with pytest.raises(DataError, match="make 1 bars of 1d, expected at least 2"):
        answer(table(bars=1))


def test_columns_that_are_not_the_portfolio_s_are_not_looked_at():
    returns = table()
    wide = ReturnsTable(
        stamps_ns=returns.stamps_ns,
        names=(*NAMES, "z"),
        values=np.column_stack([returns.values, returns.values[:, 0] * 3]),
    )
    assert answer(wide)["weights"] == answer(returns)["weights"]
