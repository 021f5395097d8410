"""What is told of a solve beside its weights, as it travels with the answer."""

from schemas.explain import Explanation, ShadowPrice, WeightSpread
from streams.core.optimize.prices import Price, shadow_prices
from streams.core.optimize.problem import Problem, Solved
from streams.core.optimize.resample import Spread, weight_spread

# Figures are told to this many digits: what differs beyond is rounding of the solves.
_DIGITS = 10


def explain(
    problem: Problem, solved: Solved, *, seed: str, n_common: int, prices: int, resamples: int
) -> Explanation:
    """Explain a solved problem.

    Parameters
    ----------
    problem : Problem
        N strategies.
    solved : Solved
        Its optimum.
    seed : str
        The request's id: the only source of chance.
    n_common : int
        Rows behind the estimates.
    prices : int
        Limits whose price is measured by solving again; 0 for the multipliers alone.
    resamples : int
        Draws of the weights' spread; 0 for no spread.

    Returns
    -------
    Explanation
        To travel with the answer.
    """
    spread = weight_spread(problem, solved.weights, seed, n_common, resamples)
    return Explanation(
        shadow_prices=tuple(map(_price, shadow_prices(problem, solved, prices))),
        spread=None if spread is None else _spread(spread),
    )


def _price(price: Price) -> ShadowPrice:
    sharpe = price.sharpe_per_point
    return ShadowPrice(
        constraint=price.binding.key,
        side="max" if price.binding.side == "max" else "min",
        objective_per_point=price.objective_per_point,
        sharpe_per_point=None if sharpe is None else round(sharpe, _DIGITS),
        one_sided=price.one_sided,
        strategy=price.binding.strategy,
    )


def _spread(spread: Spread) -> WeightSpread:
    return WeightSpread(
        low=tuple(round(value, _DIGITS) for value in spread.low.tolist()),
        high=tuple(round(value, _DIGITS) for value in spread.high.tolist()),
        resamples=spread.resamples,
    )
