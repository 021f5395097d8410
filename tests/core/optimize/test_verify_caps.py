"""Each limit is broken by hand, and named with its value."""

from dataclasses import replace

import numpy as np
import pytest

from streams.core.optimize import Aim, Caps, verify
from streams.core.optimize.correlation import Correlation, CorrelationLimits
from tests.core.optimize.problems import plain

COV = np.array([[0.04, 0.03, 0.0], [0.03, 0.04, 0.0], [0.0, 0.0, 0.01]])
WEIGHTS = np.array([0.5, 0.3, 0.2])


def faults(weights=WEIGHTS, **changes):
    problem = plain(COV, weight_min=np.full(3, -1.0), long_only=False, **changes)
    return verify(problem, np.asarray(weights), 1.0 - float(np.sum(weights)))


@pytest.mark.parametrize(
    ("caps", "said"),
    [
        (Caps(volatility_max=0.15), "volatility_max: 0.15"),  # √0.0230
        (Caps(cvar_max=0.02), "cvar_max: 0.0299"),
        (Caps(leverage_max=0.9), "leverage_max: 1.0 > 0.9"),
        (Caps(diversification_ratio_min=1.3), "correlation.diversification_ratio_min: 1.18"),
        (Caps(risk_contribution_max=0.6), "risk_contribution_max: s0000 has 0.63"),
        (Caps(held_correlation_max=0.9), "correlation.held_correlation_max: s0000 has 0.95"),
        (Caps(cardinality_max=2), "cardinality_max: 3 > 2"),
        (Caps(position_min=0.25), "position_min: s0002 has 0.2 < 0.25"),
        (Caps(exclusive=((0, 2),)), "correlation.exclusive: s0000 and s0002 are held together"),
    ],
)
def test_a_broken_cap_is_named_with_its_value(caps, said):
    scenarios = np.zeros((20, 3))
    scenarios[3] = [-0.06, 0.0, 0.0]  # the worst twentieth loses 3 %
    (fault,) = faults(caps=caps, scenarios=scenarios)
    assert fault.startswith(said)


def test_a_cap_that_holds_is_not_mentioned():
    loose = Caps(
        volatility_max=0.16,
        leverage_max=1.0,
        short_max=0.0,
        diversification_ratio_min=1.1,
        risk_contribution_max=0.7,
        held_correlation_max=0.96,
        cardinality_max=3,
        position_min=0.2,
        exclusive=((0,),),
    )
    assert faults(caps=loose) == ()


def test_shorts_are_summed():
    (fault,) = faults([0.9, 0.3, -0.2], caps=Caps(short_max=0.1))
    assert fault == "short_max: 0.2 > 0.1"


@pytest.mark.parametrize(
    ("limits", "said"),
    [
        ({"pair_limit": 0.5, "pair_weight_max": 0.7, "confidence": 0.0}, "pair_weight_max: s0000"),
        ({"pair_limit": 0.5, "exclusive": True, "observations": 300.0}, "exclusive: s0000 and"),
        ({"cluster_limit": 0.5, "cluster_weight_max": 0.75}, "cluster_weight_max: the cluster of"),
        ({"cluster_limit": 0.5, "cluster_risk_max": 0.8}, "cluster_risk_max: the cluster of s0000"),
    ],
)
def test_limits_on_correlation_are_checked_from_the_covariance_itself(limits, said):
    structure = Correlation(
        limits=CorrelationLimits(**limits), capped=(), watched=(), clusters=((0, 1),)
    )
    (fault,) = faults(correlation=structure)
    assert fault.startswith(f"correlation.{said}")


def test_a_pair_that_may_be_chance_is_not_capped():
    limits = CorrelationLimits(pair_limit=0.7, pair_weight_max=0.1, observations=20.0)
    structure = Correlation(limits=limits, capped=(), watched=((0, 1),), clusters=())
    assert faults(correlation=structure) == ()
    surely = replace(structure, limits=replace(limits, observations=3000.0))
    assert len(faults(correlation=surely)) == 1


def test_targets_are_checked():
    problem = plain(COV, [0.1, 0.1, 0.1], objective="target_return", aim=Aim(target=0.2))
    (fault,) = verify(problem, WEIGHTS, 0.0)
    assert fault.startswith("objective.target: return 0.1")
    problem = replace(problem, objective="target_volatility", aim=Aim(target=0.1))
    (fault,) = verify(problem, WEIGHTS, 0.0)
    assert fault.startswith("objective.target: volatility 0.15")
