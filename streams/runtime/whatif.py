"""One solve with all rows of a file as the window, through the same steps as a live decision."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from schemas.decisions import Decision, Trigger
from schemas.optimize import OptimizeReply, SolveDiagnostics
from schemas.policy import FromReturns, PortfolioPolicy
from streams.core.bars import BarBuilder, ClosedBar
from streams.core.conclusions import Pending
from streams.core.decide import decide, pending_of
from streams.core.eligibility import Book, select, too_few_eligible
from streams.core.errors import DataError
from streams.core.frames import Rows
from streams.core.identity import Context
from streams.core.ledger import Ledger
from streams.core.optimize import Solved
from streams.core.optimize.elastic import relax
from streams.core.optimize.explain import explain
from streams.core.optimize.whole import GAP_MAX
from streams.core.requests import problem_of, reply_to, solve_request
from streams.core.windows import RollingWindows

_ALL_BARS = 2**31
# One solve for a person: there is time to measure every price that matters, and the spread.
_PRICES = 20
_RESAMPLES = 64


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Asked:
    """A decision that waits for its answer, the book it is taken on, the policy with its window."""

    book: Book
    pending: Pending
    policy: PortfolioPolicy


def optimize_once(policy: PortfolioPolicy, rows: Iterable[Rows]) -> dict[str, Any]:
    """Return the optimum and what explains it, as ``apse optimize --json`` prints it.

    Raises
    ------
    DataError
        When the rows make fewer than two bars.
    """
    asked = ask_once(policy, rows)
    if not isinstance(asked, Asked):
        return asked
    pending, policy = asked.pending, asked.policy
    request = pending.request
    outcome = solve_request(request)
    nobody = SolveDiagnostics(solve_seconds=0.0, worker="", iterations=0)
    reply = reply_to(request, outcome, nobody)
    answer = _answer(decide(pending, reply, policy, asked.book.returns), reply)
    if answer["status"] == "infeasible":
        answer["relax"] = msgspec.to_builtins(relax(problem_of(request)))
    if isinstance(outcome, Solved):
        told = explain(
            problem_of(request),
            outcome,
            seed=request.request_id,
            n_common=pending.estimates.n_common,
            prices=_PRICES,
            resamples=_RESAMPLES,
        )
        answer["explanation"] = msgspec.to_builtins(told)
    return answer


def ask_once(policy: PortfolioPolicy, rows: Iterable[Rows]) -> Asked | dict[str, Any]:
    """Return the request that a decision on all rows would make, or why there is none.

    Raises
    ------
    DataError
        When the rows make fewer than two bars.
    """
    bars, builder = _bars(policy, rows)
    if len(bars) < 2:  # noqa: PLR2004  # no estimate is made of one bar
        message = f"the returns make {len(bars)} bars of {policy.bar}, expected at least 2"
        raise DataError(message)
    estimation = msgspec.structs.replace(policy.estimation, window_bars=len(bars))
    policy = msgspec.structs.replace(policy, estimation=estimation)
    book = _book(policy, bars, builder)
    context = _context(policy, bars[-1].end_ns)
    selection = select(book, policy)
    if too_few_eligible(book, selection, policy):
        return {"status": "too_few_eligible", "excluded": selection.excluded}
    pending = pending_of(book, selection, policy, context)
    if isinstance(pending, str):
        why = pending.partition(":")[0]
        return {"status": why, "reason": pending, "excluded": selection.excluded}
    return Asked(book=book, pending=pending, policy=policy)


def _bars(policy: PortfolioPolicy, rows: Iterable[Rows]) -> tuple[list[ClosedBar], BarBuilder]:
    assert not isinstance(policy.strategies, FromReturns), "members are spelled out before"
    names = tuple(sorted(entry.id for entry in policy.strategies))
    builder = BarBuilder(policy.bar, names, horizon_bars=_ALL_BARS)
    column = {name: i for i, name in enumerate(names)}
    closed: list[ClosedBar] = []
    for chunk in rows:
        found = np.array([column.get(name, -1) for name in chunk.names], dtype=np.int64)
        columns = found[chunk.strategy]
        ours = np.flatnonzero(columns >= 0)
        builder.absorb(chunk.take(ours), columns[ours])
        closed += builder.close()
    return closed, builder


def _book(policy: PortfolioPolicy, bars: list[ClosedBar], builder: BarBuilder) -> Book:
    assert not isinstance(policy.strategies, FromReturns)
    windows = RollingWindows((len(bars),), len(builder.names))
    for bar in bars:
        windows.push(bar.values)
    ledger = Ledger(len(builder.names))
    if policy.initial_weights:
        held = [policy.initial_weights.get(name, 0.0) for name in builder.names]
        ledger.start_with(np.array(held))
    entries = {entry.id: entry for entry in policy.strategies}
    return Book(
        names=builder.names,
        entries=tuple(entries[name] for name in builder.names),
        returns=windows.values(len(bars)),
        n_obs=windows.summary(len(bars)).count,
        age_bars=windows.last_value_age(),
        ended=bars[-1].ended,
        held=ledger.held,
        held_cash=ledger.cash,
    )


def _context(policy: PortfolioPolicy, bar_end_ns: int) -> Context:
    building = not policy.initial_weights and policy.constraints.turnover_max is not None
    return Context(
        portfolio_id=policy.portfolio_id,
        shard=0,
        epoch=1,
        version=1,
        policy_version=1,
        bar_end_ns=bar_end_ns,
        trigger=Trigger(kind="manual"),
        exempt=("turnover_max",) if building else (),
        multiplier=1.0,
        gate_waived="manual" if policy.initial_weights else "first_build",
    )


def _answer(decision: Decision, reply: OptimizeReply) -> dict[str, Any]:
    if decision.outcome == "declined":
        status = "infeasible" if reply.status == "infeasible" else "failed"
        return {"status": status, "violated": list(decision.violated), "reason": decision.reason}
    stages, ante = decision.stages, decision.ex_ante
    assert stages is not None
    assert ante is not None
    return {
        # What counts positions or iterates may stop short of a proof; it is verified all the same.
        "status": "optimal" if reply.gap <= GAP_MAX else "feasible",
        "gap": reply.gap if math.isfinite(reply.gap) else None,
        "instead": reply.instead or None,
        "correlation": None
        if reply.correlation is None
        else msgspec.to_builtins(reply.correlation),
        "weights": dict(zip(decision.strategies, stages.rounded, strict=True)),
        "cash": stages.cash["rounded"],
        "objective_value": decision.objective_value,
        "objective_terms": {term.name: term.value for term in decision.objective_terms},
        "ex_ante": msgspec.to_builtins(ante),
        "binding": msgspec.to_builtins(decision.binding),
        "verified": True,
        "solver": decision.solver,
        "excluded": decision.excluded,
        "n_common": decision.estimates.n_common if decision.estimates else None,
        "turnover": decision.turnover,
        "cost": decision.cost,
    }
