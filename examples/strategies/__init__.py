"""Simple published trading rules on real daily prices: the engine's example input.

>>> from examples.strategies import build_sleeves, load_prices
>>> table = build_sleeves(load_prices())
>>> table.returns.shape[1] == len(table.ids)
True
"""

from examples.strategies.prices import PriceDataError, Prices, load_prices
from examples.strategies.registry import SLEEVES, Sleeve
from examples.strategies.table import SleeveTable, build_sleeves

__all__ = [
    "SLEEVES",
    "PriceDataError",
    "Prices",
    "Sleeve",
    "SleeveTable",
    "build_sleeves",
    "load_prices",
]
