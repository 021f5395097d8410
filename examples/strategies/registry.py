"""The sleeves: one line each, sorted by id."""

from collections.abc import Callable
from dataclasses import dataclass

from examples.strategies import arbitrage, market_making, mean_reversion, trend
from examples.strategies.book import Book
from examples.strategies.prices import Prices

# Of the value traded, each side. Passive fills pay the same: no rebate is assumed.
STOCK_COST_BPS, FUND_COST_BPS, INDEX_COST_BPS, WTI_COST_BPS = 5.0, 2.0, 1.0, 3.0

Rule = Callable[[Prices, float], Book]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sleeve:
    """One rule-based strategy."""

    id: str
    family: str
    rule: Rule
    cost_bps: float

    @property
    def description(self) -> str:
        """The first sentence of the rule's docstring."""
        return (self.rule.__doc__ or "").partition("\n")[0]


def _sleeve(sleeve_id: str, family: str, rule: Rule, cost_bps: float) -> Sleeve:
    return Sleeve(id=sleeve_id, family=family, rule=rule, cost_bps=cost_bps)


SLEEVES: tuple[Sleeve, ...] = (
    _sleeve("arb-basket-spx", "arbitrage", arbitrage.basket_against_spx, STOCK_COST_BPS),
    _sleeve("arb-factor-residual", "arbitrage", arbitrage.factor_residual, FUND_COST_BPS),
    _sleeve("arb-nasdaq-spx", "arbitrage", arbitrage.nasdaq_against_spx, INDEX_COST_BPS),
    _sleeve(
        "arb-pairs-consumer-pharma", "arbitrage", arbitrage.pairs_consumer_pharma, STOCK_COST_BPS
    ),
    _sleeve("arb-pairs-energy-banks", "arbitrage", arbitrage.pairs_energy_banks, STOCK_COST_BPS),
    _sleeve("arb-sector-residual", "arbitrage", arbitrage.sector_residual_stocks, STOCK_COST_BPS),
    _sleeve("mm-auction-factors", "market_making", market_making.auction_factors, FUND_COST_BPS),
    _sleeve("mm-auction-wti", "market_making", market_making.auction_wti, WTI_COST_BPS),
    _sleeve("mm-fair-nasdaq", "market_making", market_making.fair_nasdaq, INDEX_COST_BPS),
    _sleeve("mm-fair-spx", "market_making", market_making.fair_spx, INDEX_COST_BPS),
    _sleeve("mm-touch-nasdaq", "market_making", market_making.touch_nasdaq, INDEX_COST_BPS),
    _sleeve("mm-touch-spx", "market_making", market_making.touch_spx, INDEX_COST_BPS),
    _sleeve(
        "reversion-bollinger-stocks",
        "mean_reversion",
        mean_reversion.bollinger_stocks,
        STOCK_COST_BPS,
    ),
    _sleeve(
        "reversion-ibs-nasdaq",
        "mean_reversion",
        mean_reversion.bar_strength_nasdaq,
        INDEX_COST_BPS,
    ),
    _sleeve(
        "reversion-overnight-nasdaq",
        "mean_reversion",
        mean_reversion.overnight_nasdaq,
        INDEX_COST_BPS,
    ),
    _sleeve("reversion-rsi14-wti", "mean_reversion", mean_reversion.rsi14_wti, WTI_COST_BPS),
    _sleeve("reversion-rsi2-factors", "mean_reversion", mean_reversion.rsi2_factors, FUND_COST_BPS),
    _sleeve("reversion-rsi2-spx", "mean_reversion", mean_reversion.rsi2_spx, INDEX_COST_BPS),
    _sleeve("trend-breakout-wti", "trend", trend.breakout_wti, WTI_COST_BPS),
    _sleeve("trend-crossing-nasdaq", "trend", trend.average_crossing_nasdaq, INDEX_COST_BPS),
    _sleeve("trend-relative-factors", "trend", trend.relative_strength_factors, FUND_COST_BPS),
    _sleeve("trend-sma-200d-spx", "trend", trend.moving_average_spx, INDEX_COST_BPS),
    _sleeve("trend-tsmom-12m-stocks", "trend", trend.time_series_momentum_stocks, STOCK_COST_BPS),
    _sleeve(
        "trend-xsmom-12m-stocks", "trend", trend.cross_sectional_momentum_stocks, STOCK_COST_BPS
    ),
)
