"""Worlds whose policy has paper books."""

import numpy as np

from schemas.shadows import ShadowRecord
from schemas.topics import SHADOWS
from tests.core.test_walk_runs import rows_of
from tests.core.worlds import World, of_topic, policy_for

NAMES = ("a", "b", "c")
BOOKS = (
    {"name": "parity", "objective": {"type": "inverse_volatility"}},
    {"name": "return", "objective": {"type": "mean_variance", "risk_aversion": 3.0},
     "constraints": {"weight_max": 0.5, "turnover_max": 0.3}},
)  # fmt: skip
CALM = {
    "estimation__covariance": "sample",
    "rebalance": {"schedule": "weekly"},
    "constraints": {"weight_max": 1.0},
}


def policy_of(shadows=BOOKS, **changes):
    return policy_for(NAMES, **{**CALM, **changes}, shadows=list(shadows))


def played(policy, rows=None, sizes=(7,), lag=0):
    """A world that has seen the rows and answered every request."""
    world = World(policy, lag=lag)
    world.publish(rows_of(2) if rows is None else rows, sizes)
    while not world.portfolio.idle:
        world.answer_all()
    return world


def records(world) -> list[ShadowRecord]:
    """The last record of each bar."""
    return list({r.bar_number: r for r in of_topic(world.outputs, SHADOWS.name)}.values())


def book(record, name):
    return next(each for each in record.books if each.book == name)


def navs(found, name):
    return np.array([book(record, name).nav for record in found])
