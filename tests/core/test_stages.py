"""From solved to sent weights: each step, and what stops it."""

from dataclasses import replace

import msgspec
import numpy as np
import pytest

from streams.core.conclusions import Pending
from streams.core.stages import scaled, staged, verify_overlay
from tests.core.test_bands import problem
from tests.core.test_decide import asked, book, context
from tests.core.worlds import policy_for

NAMES = ("a", "b", "c", "d")
ROUNDED = 1e-9  # weights are multiples of 1e-10
RAW = np.array([0.37, 0.33, 0.2, 0.1])
HELD = [0.36, 0.32, 0.1, 0.22]


def waiting(**changes) -> Pending:
    return msgspec.structs.replace(
        asked(policy_for(NAMES), book(policy_for(NAMES)), context(**changes)), nav=1.0
    )


def through(policy, held=HELD, high=0.5, **changes):
    return staged(problem(held, high=high), RAW, 0.0, policy, waiting(**changes))


def banded_policy(**changes):
    return policy_for(NAMES, rebalance={"band": {"width": 0.02}}, **changes)


def test_without_more_in_the_policy_what_was_solved_is_sent():
    found = through(policy_for(NAMES))
    for stage in ("raw", "overlay", "banded", "rounded"):
        assert found.weights[stage] == pytest.approx(RAW, abs=ROUNDED)
    assert (found.cash["rounded"], found.band) == (0.0, "")


def test_the_band_leaves_small_changes_alone():
    found = through(banded_policy())
    assert found.weights["rounded"][:2] == pytest.approx(HELD[:2], abs=0.0101)
    moved = np.abs(found.weights["rounded"] - HELD).sum()
    assert moved < np.abs(RAW - HELD).sum()
    assert found.weights["rounded"].sum() == pytest.approx(1.0, abs=ROUNDED)


@pytest.mark.parametrize("waiver", ["first_build", "overlay"])
def test_building_and_overlays_know_no_band(waiver):
    found = through(banded_policy(), gate_waived=waiver)
    assert found.weights["rounded"] == pytest.approx(RAW, abs=ROUNDED)


def test_an_overlay_moves_the_rest_to_cash():
    found = through(policy_for(NAMES), multiplier=0.25, gate_waived="overlay")
    assert found.weights["rounded"] == pytest.approx(0.25 * RAW, abs=ROUNDED)
    assert found.cash["rounded"] == pytest.approx(0.75, abs=ROUNDED)


def test_lots_come_last_and_hold_the_upper_limits():
    policy = banded_policy(execution={"capital": 1000, "lot": 30})
    found = through(policy, high=0.37)
    lots = found.weights["rounded"] * 1000 / 30
    assert lots == pytest.approx(np.round(lots), abs=1e-6)
    assert found.weights["rounded"].max() <= 0.37
    assert 0.0 <= found.cash["rounded"] < 0.12
    assert found.weights["banded"] != pytest.approx(found.weights["rounded"], abs=1e-4)


def lots_within(turnover_max, cash_max, raw=RAW, high=0.5):
    limited = replace(
        problem([0.4, 0.35, 0.15, 0.1], high=high, cash=(0.0, cash_max)), turnover_max=turnover_max
    )
    policy = policy_for(NAMES, execution={"capital": 1000, "lot": 30})
    return staged(limited, raw, 1.0 - float(raw.sum()), policy, waiting())


def test_lots_hold_the_limits_of_turnover_and_cash_or_stop_the_decision():
    target = np.array([0.385, 0.365, 0.15, 0.1])
    found = lots_within(0.03, 0.1, target)
    sent, cash = found.weights["rounded"], found.cash["rounded"]
    moved = np.abs(sent - found.weights["held"]).sum() + cash
    assert 0.5 * moved <= 0.03 + ROUNDED
    assert cash <= 0.1
    assert lots_within(0.016, 0.1, target).startswith("lots: turnover_max: ")  # half a lot
    level = np.full(4, 0.25)  # 0.01 of each is no lot, and none may have one more
    assert lots_within(None, 0.0, level, high=0.25).startswith("lots: cash: ")
    assert lots_within(None, 0.04, level, high=0.25).cash["rounded"] == pytest.approx(0.04)


def test_what_is_scaled_keeps_its_proportions_in_whole_lots_and_below():
    plain = scaled(RAW, 0.5, policy_for(NAMES), NAMES, 1.0)
    assert plain[1] == pytest.approx(0.5 * RAW, abs=ROUNDED)
    policy = policy_for(NAMES, execution={"capital": 1000, "lot": 30})
    _, sent, cash = scaled(RAW, 0.5, policy, NAMES, 1.0)
    assert (sent <= 0.5 * RAW + ROUNDED).all()
    assert sent * 1000 / 30 == pytest.approx(np.round(sent * 1000 / 30), abs=1e-6)
    assert sent.sum() + cash == pytest.approx(1.0, abs=ROUNDED)


def test_an_overlay_that_is_not_the_solved_weights_scaled_is_told():
    assert verify_overlay(RAW, 0.5 * RAW, 0.5, 0.5) == ()
    assert "not 0.5 times" in verify_overlay(RAW, 0.6 * RAW, 0.4, 0.5)[0]
    assert "budget" in verify_overlay(RAW, 0.5 * RAW, 0.4, 0.5)[0]


def test_stages_are_spread_over_all_members():
    found = through(policy_for(NAMES)).spread(np.array([0, 2, 3, 5]), 6)
    assert found.raw == pytest.approx((0.37, 0.0, 0.33, 0.2, 0.0, 0.1), abs=ROUNDED)
    assert found.cash["raw"] == 0.0
