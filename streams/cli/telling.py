"""A decision as sentences for a person."""

from collections.abc import Iterator
from typing import Final

from schemas.codec import canonical_json
from schemas.decisions import Correlations, CostParts, Decision, ExAnte, GateCheck
from schemas.explain import ShadowPrice
from schemas.optimize import BindingLimit
from streams.core.gate import words_of

SHARES_TOLD: Final = 5
"""So many contributions to risk are told one by one."""

_WAIVED: Final = {
    "first_build": "it builds the book",
    "manual": "a person asked for it",
    "risk": "risk comes before cost",
    "limits": "what is held is beyond a limit",
    "leaving": "a strategy that is held takes no part any more",
    "overlay": "a risk overlay is on, or goes off",
}
_FALLBACKS: Final = {
    "other_solver": "The chosen solver did not answer; another one did.",
    "hrp": "No solver answered; the weights are those of hierarchical risk parity.",
    "inverse_volatility": "No solver answered; the weights are by inverse volatility.",
}


def sentences(decision: Decision) -> Iterator[str]:
    """Tell what was decided, what it costs, and what it is expected to change."""
    if decision.outcome == "declined":
        yield f"Declined: {decision.reason}. The held weights stay."
        if decision.violated:
            yield f"Limits in conflict: {', '.join(decision.violated)}."
        yield from _relaxed(decision)
    else:
        yield (
            f"Accepted: {decision.objective} by {decision.solver},"
            f" turnover {decision.turnover:.2%}, cost {decision.cost * 1e4:.2f} bps of NAV"
            f"{_causes(decision.cost_parts)}."
        )
    yield from _asked(decision)
    if decision.fallback in _FALLBACKS:
        yield _FALLBACKS[decision.fallback]
    if decision.gate is not None:
        yield _gate(decision.gate)
    if decision.multiplier < 1.0:
        yield f"A risk overlay leaves {decision.multiplier:.0%} of the solved weights."
    if decision.exempt:
        yield f"Waived for this decision: {', '.join(decision.exempt)}."
    if decision.ex_ante is not None or decision.outcome == "accepted":
        yield f"Before: {_ante(decision.ex_ante_held)}"
        yield f"After:  {_ante(decision.ex_ante)}"
    yield from _objective(decision)
    if decision.estimates is not None:
        average = _figure(decision.estimates.average_correlation, 3)
        yield (
            f"Estimates: {decision.estimates.covariance} covariance over"
            f" {decision.estimates.n_common} common bars, average correlation {average}."
        )
    if decision.band:
        yield f"The no-trade band was left out, for it would break a limit: {decision.band}."


def limits_told(decision: Decision) -> Iterator[str]:
    """Tell what held the mix back, at what price, and who takes no part."""
    if decision.shadow_prices:
        yield "What held it back, and what one percentage point more of it would do in a year:"
        yield from (f"  {_price(price)}" for price in decision.shadow_prices)
    elif decision.binding:
        yield "What held it back (price: change of the objective per unit of the limit, annual):"
        yield from (f"  {_binding(limit)}" for limit in decision.binding)
    for name, why in decision.excluded.items():
        yield f"  {name} takes no part: {why.replace('_', ' ')}"


def risk_told(decision: Decision) -> Iterator[str]:
    """Tell who carries the risk, and how correlated the mix is."""
    shares = decision.risk_contributions
    if shares:
        largest = sorted(shares.items(), key=lambda item: -abs(item[1]))
        told = ", ".join(f"{name} {share:.1%}" for name, share in largest[:SHARES_TOLD])
        more = len(largest) - SHARES_TOLD
        yield f"The risk is carried by {told}{f' and {more} more' if more > 0 else ''}."
    before, after = decision.correlations_held, decision.correlations
    if after is not None:
        yield f"Correlation of the mix: {_correlations(after)}."
        if before is not None and before.average is not None:
            yield f"  of what is held: {_correlations(before)}."
    for pair in decision.watched:
        first, second = pair.strategies
        yield (
            f"  watched, not capped: {first} and {second} at {pair.correlation:.2f},"
            " over the limit by no more than chance may explain"
        )


def _objective(decision: Decision) -> Iterator[str]:
    terms = decision.objective_terms
    told = ", ".join(f"{term.name} {term.value:.6g}" for term in terms)
    together = f"; together {sum(term.value for term in terms):.6g}" if len(terms) > 1 else ""
    if terms:
        yield f"Objective {decision.objective}: {told}{together}."


def _asked(decision: Decision) -> Iterator[str]:
    if decision.trigger.overrides is not None:
        asked = canonical_json(decision.trigger.overrides).decode()
        yield f"A person asked, for this decision alone, for {asked}."


def _relaxed(decision: Decision) -> Iterator[str]:
    ways = sorted({limit.way for limit in decision.relaxed})
    for way in ways:
        needed = [limit.words for limit in decision.relaxed if limit.way == way]
        lead = "It could be solved if" if way == ways[0] else "  or if"
        yield f"{lead} {', and '.join(needed)}."


def _causes(parts: CostParts | None) -> str:
    if parts is None or not (parts.impact or parts.ticket):
        return ""
    return (
        f" ({parts.linear * 1e4:.2f} proportional, {parts.impact * 1e4:.2f} impact,"
        f" {parts.ticket * 1e4:.2f} tickets)"
    )


def _gate(gate: GateCheck) -> str:
    told = (
        f"Worth its cost? The utility gained is {gate.gain_annual * 1e4:.1f} bps a year, give or"
        f" take {gate.gain_error_annual * 1e4:.1f}; {words_of(gate)}."
    )
    return f"{told} That had no say here: {_WAIVED[gate.waived]}." if gate.waived else told


def _price(price: ShadowPrice) -> str:
    whom = f" of {price.strategy}" if price.strategy else ""
    sharpe = "" if price.sharpe_per_point is None else f", Sharpe {price.sharpe_per_point:+.4f}"
    side = " (downwards it is worth something else)" if price.one_sided else ""
    return (
        f"{price.constraint}{whom}, {price.side}:"
        f" objective {price.objective_per_point:+.3g}{sharpe}{side}"
    )


def _binding(limit: BindingLimit) -> str:
    whom = f" of {limit.strategy}" if limit.strategy else ""
    return f"{limit.constraint}{whom}, {limit.side}: {limit.price:+.6g}"


def _correlations(found: Correlations) -> str:
    told = (
        f"average {_figure(found.average, 3)},"
        f" diversification ratio {_figure(found.diversification_ratio, 2)}"
    )
    if found.max_pair is None:
        return told
    first, second = found.max_pair.strategies
    return f"{told}, most of all {first} and {second} at {found.max_pair.correlation:.2f}"


def _ante(figures: ExAnte | None) -> str:
    if figures is None:
        return "not estimated"
    tail = "" if figures.cvar_95 is None else f", worst twentieth of bars {-figures.cvar_95:.2%}"
    return (
        f"expected return {figures.return_annual:.2%},"
        f" volatility {figures.volatility_annual:.2%}, Sharpe {_figure(figures.sharpe, 2)}{tail}"
    )


def _figure(value: float | None, decimals: int) -> str:
    return "undefined" if value is None else f"{value:.{decimals}f}"
