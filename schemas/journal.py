"""Records of the journal: whatever can change a portfolio, in one order a shard.

MessagePack, tagged. Every record that came from a source topic carries its position there; the fold
drops what it has seen. Columns of a :class:`Frame` are little-endian arrays in ``bytes``, one
element a row.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from schemas.events import (
    ControlRequest,
    ExecutionReport,
    PortfolioRegistration,
    RiskSignal,
    StrategyRegistration,
)
from schemas.optimize import OptimizeReply
from schemas.units import PortfolioId, StrategyId, TsNs

ROWS_PER_FRAME_MAX = 4096
FRAME_BYTES_MAX = 512 * 1024

ROW_VALUE, ROW_PROGRESS, ROW_INACTIVE = 0, 1, 2
"""Codes of a row's kind in :attr:`Frame.kind`."""


class Position(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """Where a record stood in its source topic."""

    topic: str
    partition: int
    offset: int


class _Record(msgspec.Struct, frozen=True, kw_only=True, tag_field="t", gc=False):
    """Base of journal records."""


class Reported(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a strategy said of itself beside the return in row ``row`` of a frame."""

    row: int
    volatility_annual: float | None
    drawdown: float | None


class Frame(_Record, frozen=True, kw_only=True, tag="frame"):
    """Rows of returns and marks, columnar: (R,) each, in the order they were read.

    ``strategies`` is the dictionary of the frame; ``strategy`` holds indices into it (u2).
    ``period_end_ns`` (i8), ``value`` (f8, NaN for marks), ``kind`` (u1), ``revision`` (i4),
    ``source_partition`` (i4), ``source_offset`` (i8).
    """

    topic: str
    strategies: tuple[str, ...]
    strategy: bytes
    period_end_ns: bytes
    value: bytes
    kind: bytes
    revision: bytes
    source_partition: bytes
    source_offset: bytes
    reported: tuple[Reported, ...] = ()


class StrategyRegistered(_Record, frozen=True, kw_only=True, tag="strategy"):
    """A strategy joins, or changes in, the portfolios it names."""

    source: Position
    registration: StrategyRegistration


class PortfolioRegistered(_Record, frozen=True, kw_only=True, tag="portfolio"):
    """A portfolio is created on this shard, or its policy changes."""

    source: Position
    registration: PortfolioRegistration


class Control(_Record, frozen=True, kw_only=True, tag="control"):
    """A control request."""

    source: Position
    request: ControlRequest


class Risk(_Record, frozen=True, kw_only=True, tag="risk"):
    """A risk signal."""

    source: Position
    signal: RiskSignal


class Report(_Record, frozen=True, kw_only=True, tag="report"):
    """An execution report."""

    source: Position
    report: ExecutionReport


class Release(_Record, frozen=True, kw_only=True, tag="release", omit_defaults=True):
    """A silent strategy's shares are final through an instant, though it said nothing.

    Ingest appends it only when it has read the source to its end and the strategy is more than the
    allowance behind. The allowance counts bars of one portfolio, so that the release is for
    ``portfolio_id`` alone; None is every portfolio of the shard, as the first writers said it.
    """

    strategy_id: StrategyId
    through_ns: TsNs
    portfolio_id: PortfolioId | None = None


class Tick(_Record, frozen=True, kw_only=True, tag="tick"):
    """The wall clock, for policies that use it."""

    now_ns: TsNs


class Reply(_Record, frozen=True, kw_only=True, tag="reply"):
    """The optimizer's answer to a request."""

    reply: OptimizeReply


class Nudge(_Record, frozen=True, kw_only=True, tag="nudge"):
    """The shell waited too long for an answer: the fold re-issues the request, or gives it up."""

    portfolio_id: PortfolioId
    request_id: str
    attempt: Annotated[int, Meta(ge=1)]


Record = (
    Frame
    | StrategyRegistered
    | PortfolioRegistered
    | Control
    | Risk
    | Report
    | Release
    | Tick
    | Reply
    | Nudge
)
