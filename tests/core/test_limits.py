"""From a portfolio file to limits that hold: every section of it reaches the optimizer."""

import numpy as np
import pytest

from schemas.decisions import Trigger
from schemas.optimize import SolveDiagnostics
from schemas.policy import load_policy
from streams.core.decide import build_request
from streams.core.eligibility import Book, select
from streams.core.identity import Context
from streams.core.requests import problem_of, reply_to, solve_request
from tests.core.optimize.real import stock_returns

NAMES = ("a", "b", "c", "d", "e", "f")


def asked(objective=None, constraints=None, clusters=None, bar_end_ns=0, **sections):
    """The request of a policy over six stocks."""
    returns = stock_returns(300, 6)
    policy = load_policy(
        {
            "portfolio_id": "p",
            "bar": "1d",
            "periods_per_year": 252,
            "strategies": [
                {
                    "id": name,
                    "account": "x" if name < "c" else "y",
                    "tags": ["odd"] if index % 2 else ["even"],
                    "factors": {"market": 0.5 + 0.2 * index},
                    "dated": [{"until": "1971-01-01T00:00:00Z", "weight_max": 0.11}]
                    if name == "f"
                    else [],
                }
                for index, name in enumerate(NAMES)
            ],
            "estimation": {"window_bars": 300},
            "objective": objective or {},
            "constraints": constraints or {},
            **sections,
        }
    )
    book = Book(
        names=NAMES,
        entries=policy.strategies,
        returns=returns,
        n_obs=np.full(6, 300),
        age_bars=np.zeros(6, dtype=np.int64),
        ended=np.zeros(6, dtype=bool),
        held=np.zeros(6),
        held_cash=1.0,
        clusters=clusters,
    )
    context = Context(
        portfolio_id="p",
        shard=0,
        epoch=1,
        version=1,
        policy_version=1,
        bar_end_ns=bar_end_ns,
        trigger=Trigger(kind="manual"),
        exempt=(),
        multiplier=1.0,
    )
    request, _ = build_request(book, select(book, policy), policy, context)
    return request


def answered(request):
    outcome = solve_request(request)
    nobody = SolveDiagnostics(solve_seconds=0.0, worker="", iterations=0)
    return reply_to(request, outcome, nobody)


def weights(reply):
    assert reply.status == "solved", reply
    return np.frombuffer(reply.weights)


def test_accounts_tags_and_factors_are_bounded():
    limits = {
        "accounts": {"x": {"min": 0.45, "max": 0.5}},
        "tags": {"odd": {"max": 0.3}},
        "factors": {"market": {"max": 0.75}},
    }
    found = weights(answered(asked(constraints=limits)))
    assert 0.45 - 1e-9 <= found[:2].sum() <= 0.5 + 1e-9
    assert found[1::2].sum() <= 0.3 + 1e-9
    assert found @ (0.5 + 0.2 * np.arange(6)) <= 0.75 + 1e-9


def test_dated_bounds_hold_while_their_date_is():
    day_ns = 86_400 * 10**9
    within = problem_of(asked(bar_end_ns=365 * day_ns))
    after = problem_of(asked(bar_end_ns=365 * day_ns + 1))
    assert within.weight_max.tolist() == [1.0] * 5 + [0.11]
    assert after.weight_max.tolist() == [1.0] * 6


def test_correlation_limits_reach_the_weights_and_their_figures_the_reply():
    limits = {
        "correlation": {
            "pair_limit": 0.3,
            "pair_weight_max": 0.5,
            "cluster_limit": 0.55,
            "cluster_weight_max": 0.6,
        }
    }
    request = asked(constraints=limits)
    reply = answered(request)
    found, figures = weights(reply), reply.correlation
    assert figures.capped
    assert figures.clusters
    for pair in figures.capped:
        assert sum(found[NAMES.index(name)] for name in pair) <= 0.5 + 1e-9
    for cluster, weight in zip(figures.clusters, figures.cluster_weights, strict=True):
        assert weight == pytest.approx(sum(found[NAMES.index(name)] for name in cluster))
        assert weight <= 0.6 + 1e-9
    # The next decision is made with these clusters as the ones before.
    again = asked(constraints=limits, clusters=figures.clusters)
    assert again.correlation.previous == figures.clusters
    assert answered(again).correlation.clusters == figures.clusters


def test_without_limits_a_reply_has_no_figures():
    assert answered(asked()).correlation is None


@pytest.mark.parametrize(
    ("objective", "needs"),
    [
        ({"type": "min_cvar"}, True),
        ({"type": "kelly"}, True),
        ({"type": "max_sharpe"}, False),
        ({"type": "risk_parity", "budgets": {"a": 3.0}}, False),
        ({"type": "tracking", "reference": {"b": 0.4, "c": 0.6}}, False),
        ({"type": "target_volatility", "target": 0.5}, False),
        ({"type": "robust_mean_variance", "kappa": 0.5}, False),
        ({"type": "hrp"}, False),
    ],
)
def test_every_objective_is_reached_from_the_file(objective, needs):
    request = asked(objective=objective)
    assert bool(request.scenarios) == needs
    reply = answered(request)
    assert weights(reply).sum() == pytest.approx(1.0, abs=1e-9)
    if objective["type"] == "tracking":
        assert weights(reply)[1:3] == pytest.approx([0.4, 0.6], abs=1e-12)


def test_costs_are_weighed_where_a_horizon_is_given():
    costs = {"linear_bps": 50, "horizon_bars": 5, "impact": {"coefficient": 1.0}}
    request = asked(costs=costs)
    assert request.costs.linear == pytest.approx(0.005)
    assert request.costs.horizon_years == pytest.approx(5 / 252)
    assert len(request.costs.impact) == 8 * 6
    assert asked(costs={"linear_bps": 50}).costs is None


def test_caps_reach_the_weights():
    reply = answered(asked(constraints={"cardinality_max": 2, "position_min": 0.3}))
    found = weights(reply)
    assert sorted(found > 0.0) == [False] * 4 + [True] * 2
    assert found[found > 0.0].min() >= 0.3 - 1e-9
    assert reply.gap <= 1e-6
