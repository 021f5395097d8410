"""The map of the system on one screen: the stages in the order of the data, what each reads and writes, and its pure function.

A test holds it true: every topic of the table has the writer and readers named here, every stage's code is where this says, and no
stage reads what nobody writes.
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
    STATE,
    Topic,
)


class Stage(msgspec.Struct, frozen=True, kw_only=True):
    """One stage. ``step`` is its pure function, ``shell`` the module that runs it; both as ``module:name``."""

    name: str
    reads: tuple[Topic, ...]
    writes: tuple[Topic, ...]
    step: str
    shell: str


STAGES: Final = (
    Stage(
        name="ingest",
        reads=(RETURNS, REGISTRY, CONTROL, RISK, REPORTS),
        writes=(JOURNAL, DEAD_LETTERS),
        step="streams.ingest.route:Router.route",
        shell="streams.ingest.service:run",
    ),
    Stage(
        name="portfolio",
        reads=(JOURNAL, CHECKPOINTS),
        writes=(
            METRICS,
            COVARIANCE,
            STATE,
            OPTIMIZE,
            DECISIONS,
            REBALANCE,
            CHECKPOINTS,
            JOURNAL,
            DEAD_LETTERS,
        ),
        step="streams.core.fold:Shard.step",
        shell="streams.agents.portfolio:build",
    ),
    Stage(
        name="optimizer",
        reads=(OPTIMIZE,),
        writes=(JOURNAL,),
        step="streams.core.requests:solve_request",
        shell="streams.agents.optimizer:build",
    ),
    Stage(
        name="execution",
        reads=(REBALANCE, STATE, REPORTS),
        writes=(REPORTS,),
        step="streams.execution.gate:CommandGate.admit",
        shell="streams.execution.paper:run",
    ),
)
