"""Facts that reach the engine: returns, registrations, requests, risk signals, reports.

All are JSON on public topics. Unknown fields are ignored, so that a newer writer does not stop an
older reader; the fields here are checked after reading (:func:`schemas.codec.decode_return` and its
like) and before publishing (:func:`schemas.codec.encode_message`).
"""

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from schemas.policy import Overrides, PortfolioPolicy
from schemas.units import (
    Family,
    Identifier,
    Instant,
    Ordinal,
    PortfolioId,
    SimpleReturn,
    StrategyId,
    Text,
    Weight,
)

Revision = Annotated[int, Meta(ge=0, le=2**31 - 1)]
NonNegative = Annotated[float, Meta(ge=0.0)]


class Event(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Base of public messages: immutable, keyword only, defaults left out of the bytes."""


class StrategyReturn(Event, frozen=True, kw_only=True):
    """One strategy's return over the period that ends at ``period_end``, or a mark of its progress.

    ``status`` is ``value`` (the default, with ``return``), ``progress`` (no value up to this
    instant: a hole or an end of data) or ``inactive`` (the strategy has ended). ``0`` is flat;
    absent is missing. A higher ``revision`` of the same period corrects an earlier row.
    """

    strategy_id: StrategyId
    period_end: Instant
    value: SimpleReturn | None = msgspec.field(name="return", default=None)
    status: Literal["value", "progress", "inactive"] = "value"
    revision: Revision = 0
    account_id: Identifier | None = None
    capital: NonNegative | None = None
    target_capital: NonNegative | None = None
    currency: Annotated[str, Meta(pattern=r"^[A-Z]{3,5}$(?!\n)")] | None = None
    reported_volatility_annual: NonNegative | None = None
    reported_drawdown: Annotated[float, Meta(ge=-1.0, le=0.0)] | None = None


class StrategyRegistration(Event, frozen=True, kw_only=True, tag="strategy", tag_field="kind"):
    """A strategy, its family, and the portfolios it belongs to; its key is ``strategy/ID``."""

    strategy_id: StrategyId
    family: Family
    portfolios: tuple[PortfolioId, ...]
    account_id: Identifier | None = None
    weight_min: Weight | None = None
    weight_max: Weight | None = None


class PortfolioRegistration(Event, frozen=True, kw_only=True, tag="portfolio", tag_field="kind"):
    """A portfolio, the shard that holds it, and its policy; its key is ``portfolio/ID``."""

    portfolio_id: PortfolioId
    shard: Annotated[int, Meta(ge=0)]
    policy: PortfolioPolicy
    policy_version: Ordinal = 1
    epoch: Ordinal = 1


Registration = StrategyRegistration | PortfolioRegistration


class ControlRequest(Event, frozen=True, kw_only=True):
    """A person's wish for one portfolio; an event of the journal, so that a replay sees it too.

    A repeat is recognised by ``action`` and ``request_id``, among the portfolio's last 512, and
    changes nothing.
    ``overrides`` go with ``rebalance``: what that one decision does otherwise than the policy.
    """

    request_id: Identifier
    portfolio_id: PortfolioId
    action: Literal["rebalance", "pause", "resume"]
    reason: Text = ""
    requested_by: Text = ""
    overrides: Overrides | None = None


class RiskSignal(Event, frozen=True, kw_only=True):
    """An order of the risk function.

    ``halt`` stops commands, ``reduce`` scales the weights by ``multiplier``, ``resume`` clears
    both.
    """

    signal_id: Identifier
    portfolio_id: PortfolioId
    action: Literal["halt", "reduce", "resume"]
    multiplier: Annotated[float, Meta(ge=0.0, le=1.0)] | None = None
    reason: Text = ""
    source: Text = ""


class ExecutionReport(Event, frozen=True, kw_only=True):
    """What the execution layer did with one command; a repeat is recognised by ``report_id``."""

    report_id: Identifier
    command_id: Identifier
    portfolio_id: PortfolioId
    epoch: Ordinal
    version: Ordinal
    status: Literal["accepted", "rejected", "partially_filled", "filled", "expired"]
    as_of: Instant
    filled_weights: dict[StrategyId, Weight] | None = None
    cost: NonNegative | None = None
    reason: Text = ""
    executor: Text = ""
