"""The real prices and what the sleeves make of them, computed once."""

import pytest

from examples.strategies import SLEEVES, build_sleeves, load_prices


@pytest.fixture(scope="session")
def prices():
    return load_prices()


@pytest.fixture(scope="session")
def table(prices):
    return build_sleeves(prices)


@pytest.fixture(scope="session")
def books(prices):
    return {sleeve.id: sleeve.rule(prices, sleeve.cost_bps) for sleeve in SLEEVES}


@pytest.fixture(scope="session")
def free_books(prices):
    return {sleeve.id: sleeve.rule(prices, 0.0) for sleeve in SLEEVES}
