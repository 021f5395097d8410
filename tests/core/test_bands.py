"""No-trade bands: what is left alone, where trades end, and that limits hold."""

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.policy import Band
from streams.core.bands import banded, to_the_edge
from streams.core.optimize import Problem, verify
from streams.core.optimize.terms import GroupLimit

ROUNDING = 1e-9  # far below any weight, far above the rounding of sums of a few
WIDE = Band(width=0.05)


def problem(held, *, high=1.0, groups=(), cash=(0.0, 0.0)):
    held = np.array(held, dtype=float)
    size = len(held)
    return Problem(
        strategies=tuple(f"s{i}" for i in range(size)),
        mean_annual=np.zeros(size),
        cov_annual=np.eye(size),
        held=held,
        held_cash=1.0 - float(held.sum()),
        objective="min_variance",
        risk_aversion=1.0,
        weight_min=np.zeros(size),
        weight_max=np.full(size, high),
        groups=groups,
        cash_min=cash[0],
        cash_max=cash[1],
        turnover_max=None,
        long_only=True,
    )


def test_everything_within_the_band_is_left_alone():
    held = [0.27, 0.36, 0.37]
    weights, cash = banded(problem(held), np.array([0.3, 0.35, 0.35]), 0.0, WIDE, edge=True)
    assert weights.tolist() == pytest.approx(held, abs=ROUNDING)
    assert cash == pytest.approx(0.0, abs=ROUNDING)


def test_what_is_outside_goes_to_the_edge_or_to_the_target():
    held, target = [0.5, 0.1, 0.4], np.array([0.3, 0.3, 0.4])
    edge, _ = banded(problem(held), target, 0.0, WIDE, edge=True)
    assert edge.tolist() == pytest.approx([0.35, 0.25, 0.4], abs=ROUNDING)
    centre, _ = banded(problem(held), target, 0.0, WIDE, edge=False)
    assert centre.tolist() == pytest.approx([0.3, 0.3, 0.4], abs=ROUNDING)


def test_the_budget_is_met_by_legs_that_trade_anyway():
    # the small legs stay 0.06 above their targets together, which the traded one makes up for
    held, target = [0.76, 0.12, 0.12], np.array([0.9, 0.05, 0.05])
    weights, cash = banded(problem(held), target, 0.0, Band(width=0.08), edge=False)
    assert weights.sum() + cash == pytest.approx(1.0, abs=ROUNDING)
    assert verify(problem(held), weights, cash) == ()


def test_cash_takes_what_it_may():
    held, target = [0.5, 0.3], np.array([0.52, 0.32])
    weights, cash = banded(problem(held, cash=(0.0, 0.3)), target, 0.16, WIDE, edge=True)
    assert weights.tolist() == held
    assert cash == pytest.approx(0.2, abs=ROUNDING)


def test_a_group_that_binds_is_kept_though_its_members_are_within_the_band():
    group = GroupLimit(
        key="families.trend",
        members=np.array([True, True, False]),
        minimum=-np.inf,
        maximum=0.6,
    )
    found = problem([0.33, 0.33, 0.34], groups=(group,))
    target = np.array([0.3, 0.3, 0.4])
    weights, cash = banded(found, target, 0.0, Band(width=0.1), edge=True)
    assert verify(found, weights, cash) == ()
    assert weights[:2].sum() == pytest.approx(0.6, abs=ROUNDING)


def test_what_is_held_beyond_its_bound_is_traded_back_to_it():
    found = problem([0.42, 0.30, 0.28], high=0.4)
    weights, cash = banded(found, np.array([0.4, 0.3, 0.3]), 0.0, WIDE, edge=True)
    assert weights[0] == pytest.approx(0.4, abs=ROUNDING)
    assert verify(found, weights, cash) == ()


@pytest.mark.parametrize(
    ("trade_to", "ticket_bps", "expected"),
    [("auto", 0.0, True), ("auto", 1.0, False), ("edge", 1.0, True), ("centre", 0.0, False)],
)
def test_the_form_of_the_cost_says_where_trades_end(trade_to, ticket_bps, expected):
    assert to_the_edge(Band(width=0.1, trade_to=trade_to), ticket_bps) is expected


SHARES = st.lists(st.floats(0.0, 1.0), min_size=5, max_size=5)


@given(SHARES, SHARES, st.floats(0.005, 0.3), st.booleans(), st.floats(0.0, 0.2))
def test_every_leg_ends_between_what_is_held_and_its_target_within_the_band(
    held, target, width, edge, room
):
    assume(sum(held) > 0.1)
    assume(sum(target) > 0.1)
    held, target = np.array(held) / sum(held), np.array(target) / sum(target)
    group = GroupLimit(
        key="families.trend",
        members=np.array([True, True, True, False, False]),
        minimum=max(0.0, float(target[:3].sum()) - room),
        maximum=min(1.0, float(target[:3].sum()) + room),
    )
    found = problem(held, groups=(group,))
    weights, cash = banded(found, target, 0.0, Band(width=width), edge=edge)
    low, high = np.minimum(held, target) - ROUNDING, np.maximum(held, target) + ROUNDING
    assert (weights >= low).all()
    assert (weights <= high).all()
    assert np.abs(weights - target).max() <= width + ROUNDING
    assert verify(found, weights, cash) == ()
    assert np.abs(weights - held).sum() <= np.abs(target - held).sum() + ROUNDING
