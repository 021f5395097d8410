"""The same objectives in skfolio, on the same returns: neither finds the better weights."""

import numpy as np
import pytest
from skfolio import RiskMeasure
from skfolio.optimization import (
    MaximumDiversification,
    MeanRisk,
    ObjectiveFunction,
    RiskBudgeting,
)

from streams.core.optimize import solve
from tests.core.optimize.real import stock_returns, stocks

MODELS = {
    "min_variance": MeanRisk(risk_measure=RiskMeasure.VARIANCE, max_weights=0.3),
    "max_sharpe": MeanRisk(
        objective_function=ObjectiveFunction.MAXIMIZE_RATIO,
        risk_measure=RiskMeasure.STANDARD_DEVIATION,
        max_weights=0.3,
    ),
    "min_cvar": MeanRisk(risk_measure=RiskMeasure.CVAR, max_weights=0.3),
    "min_cdar": MeanRisk(risk_measure=RiskMeasure.CDAR, max_weights=0.3),
    "max_diversification": MaximumDiversification(max_weights=0.3),
    "risk_parity": RiskBudgeting(risk_measure=RiskMeasure.VARIANCE, max_weights=0.11),
}


@pytest.mark.parametrize("objective", MODELS)
def test_skfolio_agrees(objective):
    model = MODELS[objective]
    problem = stocks(objective, weight_max=np.full(10, model.max_weights))
    theirs = problem.objective_value(model.fit(stock_returns()).weights_)
    # Their solver stops at 1e-7 or so of the objective.
    assert solve(problem).objective_value == pytest.approx(theirs, rel=1e-5)
