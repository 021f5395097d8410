"""A decision told to a person: sentences, with the numbers that matter."""

import msgspec
import pytest

from schemas.decisions import (
    Correlations,
    CostParts,
    GateCheck,
    ObjectiveTerm,
    Trigger,
    WatchedPair,
)
from schemas.explain import RelaxedLimit, ShadowPrice, WeightSpread
from schemas.policy import ConstraintOverrides, Overrides
from streams.cli.explain import _weights
from streams.cli.telling import limits_told, risk_told, sentences
from streams.core.commands import words_of
from streams.core.decide import decide
from tests.core.test_decide import NAMES, answer, asked, book, context
from tests.core.worlds import policy_for

GATE = GateCheck(
    passed=False,
    gain=0.0002,
    cost=0.0004,
    k=1.5,
    horizon_bars=21,
    gain_annual=0.004,
    gain_error_annual=0.001,
    standard_errors=1.0,
)


@pytest.fixture(scope="module")
def decision():
    policy = policy_for(NAMES)
    pending = asked(policy, book(policy), context())
    return decide(pending, answer(pending), policy, book(policy).returns)


def told(decision, **changes):
    changed = msgspec.structs.replace(decision, **changes)
    return [*sentences(changed), *limits_told(changed), *risk_told(changed)]


def test_an_accepted_decision_is_told_in_sentences(decision):
    lines = told(decision)
    assert lines[0].startswith("Accepted: min_variance by ")
    assert any(line.startswith("Before: expected return ") for line in lines)
    assert any(line.startswith("The risk is carried by ") for line in lines)
    assert any("worst twentieth of bars -" in line for line in lines)
    assert not any("None" in line for line in lines)


def test_the_terms_of_the_objective_are_told_with_their_sum(decision):
    (variance,) = decision.objective_terms
    assert f"Objective min_variance: variance {variance.value:.6g}." in told(decision)
    terms = (
        ObjectiveTerm(name="return", value=0.08),
        ObjectiveTerm(name="risk", value=-0.03),
    )
    (line,) = [line for line in told(decision, objective_terms=terms) if "together" in line]
    assert line.endswith(": return 0.08, risk -0.03; together 0.05.")
    assert not any("Objective" in line for line in told(decision, objective_terms=()))


def test_the_gate_tells_gain_error_cost_and_whether_it_had_a_say(decision):
    lines = told(decision, outcome="declined", reason="gate: x", gate=GATE)
    (line,) = [line for line in lines if line.startswith("Worth its cost?")]
    assert "40.0 bps a year, give or take 10.0" in line
    assert "a gain of 2.00 bps over 21 bars is not above 1.5 times the cost of 4.00 bps" in line
    waived = msgspec.structs.replace(GATE, waived="manual")
    (line,) = [line for line in told(decision, gate=waived) if line.startswith("Worth")]
    assert line.endswith("That had no say here: a person asked for it.")


def test_what_a_person_asked_for_is_told(decision):
    asked = Overrides(constraints=ConstraintOverrides(weight_max=0.5, turnover_max=None))
    trigger = Trigger(kind="manual", overrides=asked)
    assert (
        "A person asked, for this decision alone, for"
        ' {"constraints":{"weight_max":0.5,"turnover_max":null}}.'
    ) in told(decision, trigger=trigger)
    assert not any("A person asked" in line for line in told(decision))


def test_causes_of_cost_are_told_where_there_are_several(decision):
    parts = CostParts(linear=1e-4, impact=2e-4, ticket=3e-4)
    assert "(1.00 proportional, 2.00 impact, 3.00 tickets)" in told(decision, cost_parts=parts)[0]


def test_prices_are_told_by_percentage_point(decision):
    price = ShadowPrice(
        constraint="weight_max",
        side="max",
        objective_per_point=-0.0012,
        sharpe_per_point=0.013,
        strategy="a",
        one_sided=True,
    )
    lines = told(decision, shadow_prices=(price,))
    assert (
        "  weight_max of a, max: objective -0.0012, Sharpe +0.0130"
        " (downwards it is worth something else)"
    ) in lines


def test_what_would_have_to_give_is_told_by_way(decision):
    relaxed = tuple(
        RelaxedLimit(way=way, key=key, limit=0.1, needed=0.2, words=f"{key} would be 0.2")
        for way, key in ((1, "weight_max"), (1, "cash.max"), (2, "turnover_max"))
    )
    lines = told(decision, outcome="declined", reason="infeasible", relaxed=relaxed)
    assert "It could be solved if weight_max would be 0.2, and cash.max would be 0.2." in lines
    assert "  or if turnover_max would be 0.2." in lines


def test_overlays_waivers_fallbacks_bands_and_watched_pairs_are_told(decision):
    lines = told(
        decision,
        multiplier=0.5,
        exempt=("families.trend.min",),
        fallback="hrp",
        band="cash: 0.2 > 0.1",
        watched=(WatchedPair(strategies=("a", "b"), correlation=0.71),),
        correlations_held=Correlations(average=0.3, diversification_ratio=1.2),
    )
    assert "A risk overlay leaves 50% of the solved weights." in lines
    assert "Waived for this decision: families.trend.min." in lines
    assert any("hierarchical risk parity" in line for line in lines)
    assert any("cash: 0.2 > 0.1" in line for line in lines)
    assert any(line.startswith("  watched, not capped: a and b at 0.71") for line in lines)
    assert any(line.startswith("  of what is held: average 0.300") for line in lines)


def test_the_table_shows_every_stage_and_how_sure_the_weights_are(decision):
    plain = [column.header for column in _weights(decision).columns]
    assert plain == ["strategy", "held", "solved", "after overlay", "after band", "sent", "change"]
    spread = WeightSpread(low=(0.0,) * 4, high=(0.5,) * 4, resamples=8)
    table = _weights(msgspec.structs.replace(decision, spread=spread))
    assert table.columns[-1].header == "could be"
    assert next(iter(table.columns[-1].cells)) == "0.0% to 50.0%"


@pytest.mark.parametrize(
    ("kind", "value", "threshold", "words"),
    [
        ("drift_risk", 0.0213, 0.02, "2.13% a year"),
        ("turbulence", 4.2, 3.0, "4.20 times"),
        ("correlation_break", 0.31, 0.3, "0.310"),
        ("volatility_regime", 1.7, 1.5, "1.70 times"),
        ("drawdown", 0.08, 0.05, "drawdown of 8.00%"),
    ],
)
def test_every_kind_of_trigger_has_its_words(kind, value, threshold, words):
    assert words in words_of(Trigger(kind=kind, value=value, threshold=threshold))
