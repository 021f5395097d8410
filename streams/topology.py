"""The map of the system on one screen: stages in the order of the data, and their pure functions.

A test holds it true: each topic of the table has the writers and readers named here, and the code
of each stage is where this says.
"""

from typing import Final

import msgspec

from schemas.topics import (
    CHECKPOINTS,
    CONTROL,
    COVARIANCE,
    DEAD_LETTERS,
    DECISIONS,
    JOURNAL,
    METRICS,
    OPTIMIZE,
    REBALANCE,
    REGISTRY,
    REPORTS,
    RETURNS,
    RISK,
    SHADOWS,
    STATE,
    Topic,
)


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage. ``step`` is its pure function, ``runner`` its shell; both as ``module:name``."""

    name: str
    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]
    step: str
    runner: str


STAGES: Final = (
    Stage(
        name="ingest",
        reads=(RETURNS, REGISTRY, CONTROL, RISK, REPORTS),
        writes=(JOURNAL, DEAD_LETTERS),
        step="streams.ingest.route:Router.route",
        runner="streams.ingest.service:run",
    ),
    Stage(
        name="portfolio",
        reads=(JOURNAL, CHECKPOINTS),
        writes=(
            METRICS,
            COVARIANCE,
            STATE,
            SHADOWS,
            OPTIMIZE,
            DECISIONS,
            REBALANCE,
            CHECKPOINTS,
            JOURNAL,
            DEAD_LETTERS,
        ),
        step="streams.core.fold:Shard.step",
        runner="streams.agents.portfolio:build",
    ),
    Stage(
        name="optimizer",
        reads=(OPTIMIZE,),
        writes=(JOURNAL,),
        step="streams.core.requests:solve_request",
        runner="streams.agents.optimizer:build",
    ),
    Stage(
        name="execution",
        reads=(REBALANCE, STATE, REPORTS),
        writes=(REPORTS,),
        step="streams.execution.gate:CommandGate.admit",
        runner="streams.execution.paper:run",
    ),
)
