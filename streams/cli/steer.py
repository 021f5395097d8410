"""Commands that steer a running portfolio: registrations, control requests, risk signals."""

import difflib
import secrets
from typing import Annotated, Literal

import msgspec
import typer

from schemas.events import ControlRequest, RiskSignal, StrategyRegistration
from schemas.units import FAMILIES
from streams.operate.console import EXIT_INPUT, answer, fail
from streams.operate.current import reachable_kafka
from streams.operate.members import read_registry
from streams.operate.send import Sender
from streams.settings import KafkaSettings

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
PortfolioId = Annotated[str, typer.Option("--portfolio", help="Id of the portfolio.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; kept with the request.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command()(halt)
    app.command()(resume)
    app.command()(reduce)
    app.command()(rebalance)
    app.command()(pause)
    strategy = typer.Typer(help="Register strategies.", no_args_is_help=True)
    strategy.callback()(_group)
    strategy.command("add")(strategy_add)
    app.add_typer(strategy, name="strategy")


def _group() -> None:
    """Register strategies."""


def strategy_add(
    strategy_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the strategy.")],
    family: Annotated[str, typer.Option(help=f"One of {', '.join(FAMILIES)}.")],
    portfolio: Annotated[
        list[str], typer.Option("--portfolio", help="Portfolio it joins; may be repeated.")
    ],
    account: Annotated[str | None, typer.Option(help="Account it trades in.")] = None,
    weight_max: Annotated[float | None, typer.Option(min=0.0, help="Its own upper weight.")] = None,
    as_json: Json = False,
) -> None:
    """Register a strategy, or let an ended one start again; exit 2 where a portfolio is none."""
    check_family(family)
    registration = StrategyRegistration(
        strategy_id=strategy_id,
        family=family,
        portfolios=tuple(portfolio),
        account_id=account,
        weight_max=weight_max,
    )
    with Sender(_kafka_of(*portfolio)) as sender:
        sender.strategy(registration)
    words = f"{strategy_id} ({family}) joins {', '.join(portfolio)}"
    answer(msgspec.to_builtins(registration), words, as_json=as_json)


def check_family(family: str) -> None:
    """Leave with a sentence where a family is none of ours."""
    if family not in FAMILIES:
        fail(f"--family {family!r} is not one of {', '.join(FAMILIES)}", EXIT_INPUT)


def halt(portfolio: PortfolioId, reason: Reason = "", as_json: Json = False) -> None:
    """Stop all commands of a portfolio at once; a pending request is voided."""
    _risk(portfolio, "halt", reason, as_json=as_json)


def resume(portfolio: PortfolioId, reason: Reason = "", as_json: Json = False) -> None:
    """Clear halt, reduce and pause."""
    request = _control_request(portfolio, "resume", reason)
    signal = _risk_signal(portfolio, "resume", reason)
    with Sender(_kafka_of(portfolio)) as sender:
        sender.control(request)
        sender.risk(signal)
    words = f"resume sent to {portfolio}: request {request.request_id}, signal {signal.signal_id}"
    answer([msgspec.to_builtins(request), msgspec.to_builtins(signal)], words, as_json=as_json)


def reduce(
    portfolio: PortfolioId,
    to: Annotated[float, typer.Option(min=0.0, max=1.0, help="Share of the weights to keep.")],
    reason: Reason = "",
    as_json: Json = False,
) -> None:
    """Scale the weights down at once; the rest goes to cash."""
    _risk(portfolio, "reduce", reason, multiplier=to, as_json=as_json)


def rebalance(portfolio: PortfolioId, reason: Reason = "", as_json: Json = False) -> None:
    """Ask for a decision now."""
    _control(portfolio, "rebalance", reason, as_json=as_json)


def pause(portfolio: PortfolioId, reason: Reason = "", as_json: Json = False) -> None:
    """Decline every trigger until resumed."""
    _control(portfolio, "pause", reason, as_json=as_json)


def _control(
    portfolio: str, action: Literal["rebalance", "pause"], reason: str, *, as_json: bool
) -> None:
    request = _control_request(portfolio, action, reason)
    with Sender(_kafka_of(portfolio)) as sender:
        sender.control(request)
    words = f"{action} requested for {portfolio}: request {request.request_id}"
    answer(msgspec.to_builtins(request), words, as_json=as_json)


def _risk(
    portfolio: str,
    action: Literal["halt", "reduce"],
    reason: str,
    *,
    as_json: bool,
    multiplier: float | None = None,
) -> None:
    signal = _risk_signal(portfolio, action, reason, multiplier)
    with Sender(_kafka_of(portfolio)) as sender:
        sender.risk(signal)
    words = f"{action} sent to {portfolio}: signal {signal.signal_id}"
    answer(msgspec.to_builtins(signal), words, as_json=as_json)


def _kafka_of(*portfolios: str) -> KafkaSettings:
    """Return where portfolios live; an order for one that does not exist is no success."""
    kafka = reachable_kafka()
    known = read_registry(kafka).portfolios
    for portfolio in portfolios:
        if portfolio not in known:
            near = difflib.get_close_matches(portfolio, known, n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]!r}?" if near else "; none is registered"
            fail(f"portfolio {portfolio!r} is not registered{hint}", EXIT_INPUT)
    return kafka


def _control_request(
    portfolio: str, action: Literal["rebalance", "pause", "resume"], reason: str
) -> ControlRequest:
    return ControlRequest(
        request_id=secrets.token_hex(16),
        portfolio_id=portfolio,
        action=action,
        reason=reason,
        requested_by="cli",
    )


def _risk_signal(
    portfolio: str,
    action: Literal["halt", "reduce", "resume"],
    reason: str,
    multiplier: float | None = None,
) -> RiskSignal:
    return RiskSignal(
        signal_id=secrets.token_hex(16),
        portfolio_id=portfolio,
        action=action,
        multiplier=multiplier,
        reason=reason,
        source="cli",
    )
