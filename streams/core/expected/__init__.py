"""Expected returns of strategies, each with its standard error."""

from streams.core.expected.estimators import ExpectedReturns, MeanSpec, parse_mean
from streams.core.expected.returns import expected_returns

__all__ = ["ExpectedReturns", "MeanSpec", "expected_returns", "parse_mean"]
