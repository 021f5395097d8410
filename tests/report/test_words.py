import msgspec
import pytest

from schemas.decisions import Trigger
from schemas.optimize import BindingLimit
from streams.report.words import (
    bps,
    limits_of,
    outcome_of,
    percent,
    ratio,
    signed_percent,
    trigger_of,
)


@pytest.fixture
def decision(small):
    return next(d for d in reversed(small.book.decisions) if d.outcome == "accepted")


def changed(decision, **fields):
    return msgspec.structs.replace(decision, **fields)


def test_a_figure_that_rounds_to_nothing_has_no_sign():
    assert percent(-0.00001) == "0.0%"
    assert signed_percent(0.00001) == "0.0%"
    assert ratio(-0.001) == "0.00"
    assert bps(-1e-9) == "0.0 bps"


def test_why_the_mix_was_looked_at(decision):
    told = changed(decision, trigger=Trigger(kind="schedule", value="x", threshold="weekly"))
    assert trigger_of(told) == "Weekly schedule"
    told = changed(decision, trigger=Trigger(kind="manual", reason="new mandate"))
    assert trigger_of(told) == "Manual: new mandate"


def test_what_came_of_it(decision):
    assert outcome_of(decision) == "Accepted"
    assert "left 40% of the weights" in outcome_of(changed(decision, multiplier=0.4))
    infeasible = changed(decision, outcome="declined", reason="infeasible", violated=("cash",))
    assert outcome_of(infeasible) == "Declined: no weights met every limit (cash)"
    told = changed(decision, outcome="declined", reason="gate: a gain of 1.00 bps is too small")
    assert outcome_of(told) == (
        "Declined: the trade was not worth its cost: a gain of 1.00 bps is too small"
    )
    told = changed(decision, outcome="declined", reason="a later word")
    assert outcome_of(told) == "Declined: a later word"


def test_limits_are_told_together_by_price_and_plain_ones_are_not(decision):
    weights = (0.0, 0.6, 0.4, 0.0)
    stages = msgspec.structs.replace(
        decision.stages, rounded=weights, cash=decision.stages.cash | {"rounded": 0.0}
    )

    def limit(constraint, side, price, strategy=None):
        return BindingLimit(constraint=constraint, side=side, price=price, strategy=strategy)

    names = decision.strategies
    binding = (
        limit("weight_max", "max", -0.1, names[1]),
        limit("weight_max", "max", -0.3, names[2]),
        limit("families.trend", "max", -0.5),
        limit("turnover_max", "max", -0.2),
        limit("cash", "max", -0.9),
        limit("weight_min", "min", 0.9, names[0]),
        limit("weight_min", "min", 0.01, names[1]),
    )
    told = limits_of(changed(decision, stages=stages, binding=binding))
    assert told == (
        f"family trend at its maximum; largest weight: {names[1]}, {names[2]};"
        f" turnover max at its maximum; smallest weight: {names[1]}"
    )
    many = tuple(limit(f"factor_{n}", "max", float(n)) for n in range(6))
    assert limits_of(changed(decision, binding=many)).endswith("; and 2 more")
