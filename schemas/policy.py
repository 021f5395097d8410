"""The portfolio file: what a portfolio holds, how it estimates, what it wants and what bounds it.

Keys and literals are those of the reference page of the project; a key that does not exist is
refused, naming the nearest one that does. Times are bars, costs are basis points, weights are
shares of NAV.
"""

import difflib
import math
import re
import types
import typing
from typing import Annotated, Any, Final, Literal

import msgspec
from msgspec import Meta

from schemas.units import FAMILIES, Bps, Family, PortfolioId, StrategyId, Weight

Bar = Literal["1s", "5s", "10s", "30s", "1m", "5m", "15m", "30m", "1h", "4h", "1d", "1w", "1mo"]
PositiveInt = Annotated[int, Meta(ge=1, le=1_000_000)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class PolicyError(ValueError):
    """A portfolio file that cannot be used; names the key, its value and what was expected."""


class _Section(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Base of the sections: immutable, and closed to unknown keys."""


class StrategyEntry(_Section, frozen=True, kw_only=True):
    """One strategy of the portfolio, its family, and bounds of its own."""

    id: StrategyId
    family: Family = "other"
    weight_min: Weight | None = None
    weight_max: Weight | None = None
    account: str | None = None


class FromReturns(_Section, frozen=True, kw_only=True):
    """All strategies found in the returns file, family ``other``."""

    from_returns: Literal[True]


class Estimation(_Section, frozen=True, kw_only=True):
    """Windows and estimators. ``min_bars`` None means min(window_bars, max(20, N + 2))."""

    window_bars: Annotated[int, Meta(ge=2, le=100_000)] = 252
    min_bars: Annotated[int, Meta(ge=2, le=100_000)] | None = None
    stale_bars: PositiveInt = 5
    windows: tuple[Annotated[int, Meta(ge=2, le=100_000)], ...] = (20, 60, 252)
    covariance: Annotated[
        str, Meta(pattern=r"^(sample|ledoit_wolf|ewma:0?\.[0-9]*[1-9][0-9]*)$(?!\n)")
    ] = "sample"
    mean: Literal["sample"] = "sample"


class Objective(_Section, frozen=True, kw_only=True):
    """What the optimizer seeks."""

    type: Literal["mean_variance", "min_variance", "equal", "inverse_volatility"] = "min_variance"
    risk_aversion: Annotated[float, Meta(gt=0.0)] = 1.0


class FamilyLimit(_Section, frozen=True, kw_only=True):
    """Bounds of a family's total weight."""

    min: float = 0.0
    max: float = 1.0


class Constraints(_Section, frozen=True, kw_only=True):
    """Hard limits of every decision."""

    long_only: bool = True
    weight_min: Weight = 0.0
    weight_max: Weight = 1.0
    families: dict[Family, FamilyLimit] = {}
    turnover_max: Annotated[float, Meta(gt=0.0)] | None = None


class Costs(_Section, frozen=True, kw_only=True):
    """Cost model of a trade: linear on both sides, cash free."""

    linear_bps: Bps = 0.0


class Cash(_Section, frozen=True, kw_only=True):
    """Bounds of cash, and its simple return per bar."""

    min: Share = 0.0
    max: Share = 0.0
    rate: Annotated[float, Meta(ge=-1.0, le=1.0)] = 0.0


class Execution(_Section, frozen=True, kw_only=True):
    """When a decision is filled: 0 at its own bar's close, 1 one bar later."""

    delay_bars: Literal[0, 1] = 0


class Drift(_Section, frozen=True, kw_only=True):
    """Largest distance of a held, drifted weight (or cash) from its last target."""

    max_abs: Annotated[float, Meta(gt=0.0)]


class Rebalance(_Section, frozen=True, kw_only=True):
    """When the mix is looked at."""

    schedule: Annotated[
        str, Meta(pattern=r"^(never|every_bar|daily|weekly|monthly|cron:.+)$(?!\n)")
    ] = "never"
    drift: Drift | None = None
    gate: Literal["none"] = "none"
    cooldown_bars: Annotated[int, Meta(ge=0, le=1_000_000)] = 0


class PortfolioPolicy(_Section, frozen=True, kw_only=True):
    """A whole portfolio file."""

    portfolio_id: PortfolioId
    bar: Bar
    periods_per_year: Annotated[float, Meta(gt=0.0)]
    strategies: tuple[StrategyEntry, ...] | FromReturns
    initial_weights: dict[StrategyId, Weight] = {}
    estimation: Estimation = Estimation()
    objective: Objective = Objective()
    constraints: Constraints = Constraints()
    costs: Costs = Costs()
    cash: Cash = Cash()
    execution: Execution = Execution()
    ledger: Literal["assumed", "reported"] = "assumed"
    clock: Literal["event", "wall"] = "event"
    rebalance: Rebalance = Rebalance()


_SUM_TOLERANCE: Final = 1e-9
_NOT_YET: Final = {
    "constraints.correlation": "correlation constraints are not built yet; remove the key",
}


def load_policy(document: object) -> PortfolioPolicy:
    """Return the policy in a parsed portfolio file.

    Parameters
    ----------
    document
        The mapping read from YAML or JSON.

    Raises
    ------
    PolicyError
        When a key is unknown, a value has the wrong type or range, or limits contradict each other.

    Examples
    --------
    >>> load_policy({"portfolio_id": "p", "bar": "1d", "periods_per_year": 252, "strategis": []})
    Traceback (most recent call last):
    ...
    schemas.policy.PolicyError: unknown key 'strategis'; did you mean 'strategies'?
    """
    if not isinstance(document, dict):
        message = f"a portfolio file is a mapping of keys, got {type(document).__name__}"
        raise PolicyError(message)
    _refuse_unknown_keys(document, PortfolioPolicy, ())
    _refuse_infinite(document, ())
    try:
        policy = msgspec.convert(document, PortfolioPolicy)
    except msgspec.ValidationError as error:
        raise PolicyError(_readable(error, document)) from error
    check_policy(policy)
    return policy


def _refuse_unknown_keys(value: object, expected: object, path: tuple[str, ...]) -> None:
    """Walk the document beside the types and stop at the first key that does not exist."""
    struct = _struct_for(value, expected)
    if struct is None:
        return
    if isinstance(value, list):
        for number, item in enumerate(value):
            _refuse_unknown_keys(item, struct, (*path, str(number)))
        return
    assert isinstance(value, dict)
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    for key, item in value.items():
        where = ".".join((*path, str(key)))
        if where in _NOT_YET:
            message = f"{where}: {_NOT_YET[where]}"
            raise PolicyError(message)
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.0)
            message = f"unknown key {where!r}; did you mean {'.'.join((*path, *near))!r}?"
            raise PolicyError(message)
        if fields[key] == dict[Family, FamilyLimit] and isinstance(item, dict):
            for name, limit in item.items():
                _refuse_unknown_keys(limit, FamilyLimit, (*path, key, str(name)))
        else:
            _refuse_unknown_keys(item, fields[key], (*path, key))


def _refuse_infinite(value: object, path: tuple[str, ...]) -> None:
    """Refuse a NaN or an infinity: every bound would let the one by, and YAML can spell both."""
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{'.'.join(path)}: expected a finite number, got {value!r}"
        raise PolicyError(message)
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_infinite(item, (*path, str(key)))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _refuse_infinite(item, (*path, str(number)))


def _struct_for(value: object, expected: object) -> type[_Section] | None:
    """Return the section type of a mapping, or of a list's items; None where there is none."""
    origin = typing.get_origin(expected)
    options = (
        typing.get_args(expected) if origin in (typing.Union, types.UnionType) else (expected,)
    )
    for option in options:
        if isinstance(value, list) and typing.get_origin(option) is tuple:
            item = typing.get_args(option)[0]
            return item if isinstance(item, type) and issubclass(item, _Section) else None
        if isinstance(value, dict) and isinstance(option, type) and issubclass(option, _Section):
            return option
    return None


def _readable(error: msgspec.ValidationError, document: dict[str, Any]) -> str:
    """Return the error with the key's path and the value found there."""
    text, _, place = str(error).partition(" - at `$")
    path = place.rstrip("`").lstrip(".")
    value: Any = document
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            value = value[int(part)] if isinstance(value, (list, tuple)) else value[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return f"{path or 'portfolio file'}: {text}"
    return f"{path}: {text}, got {value!r}" if path else text


def check_policy(policy: PortfolioPolicy) -> None:
    """Refuse limits that contradict each other whatever the data say.

    Raises
    ------
    PolicyError
        Naming the first contradiction.
    """
    for problem in _contradictions(policy):
        raise PolicyError(problem)


def _contradictions(policy: PortfolioPolicy) -> typing.Iterator[str]:
    limits, cash = policy.constraints, policy.cash
    if limits.weight_min > limits.weight_max:
        low, high = limits.weight_min, limits.weight_max
        yield f"constraints.weight_min {low} is above constraints.weight_max {high}"
    if limits.long_only and limits.weight_min < 0:
        yield f"constraints.weight_min {limits.weight_min} is negative while long_only is true"
    if cash.min > cash.max:
        yield f"cash.min {cash.min} is above cash.max {cash.max}"
    estimation = policy.estimation
    if estimation.min_bars is not None and estimation.min_bars > estimation.window_bars:
        low, high = estimation.min_bars, estimation.window_bars
        yield f"estimation.min_bars {low} is above window_bars {high}"
    if len(set(estimation.windows)) != len(estimation.windows) or not estimation.windows:
        yield f"estimation.windows {list(estimation.windows)} must be one or more different lengths"
    initial = policy.initial_weights
    if initial and sum(initial.values()) > 1 + _SUM_TOLERANCE:
        yield f"initial_weights sum to {sum(initial.values())}, above 1"
    entries = () if isinstance(policy.strategies, FromReturns) else policy.strategies
    yield from _contradictory_families(limits.families, {entry.family for entry in entries})
    if not isinstance(policy.strategies, FromReturns):
        yield from _contradictory_strategies(policy, entries)


def _contradictory_families(
    limits: dict[str, FamilyLimit], present: set[str]
) -> typing.Iterator[str]:
    known = sorted(present.union(FAMILIES))
    for name, limit in limits.items():
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1, cutoff=0.0)
            yield f"constraints.families: no strategy is of {name!r}; did you mean {near[0]!r}?"
        if limit.min > limit.max:
            yield f"constraints.families.{name}.min {limit.min} is above its max {limit.max}"


def _contradictory_strategies(
    policy: PortfolioPolicy, entries: tuple[StrategyEntry, ...]
) -> typing.Iterator[str]:
    limits = policy.constraints
    seen: set[str] = set()
    for entry in entries:
        if entry.id in seen:
            yield f"strategies: id {entry.id!r} stands twice"
        seen.add(entry.id)
        low = limits.weight_min if entry.weight_min is None else entry.weight_min
        high = limits.weight_max if entry.weight_max is None else entry.weight_max
        if low > high:
            yield f"strategies: {entry.id!r} has weight_min {low} above weight_max {high}"
        if limits.long_only and low < 0:
            yield f"strategies: {entry.id!r} has weight_min {low} while long_only is true"
    for name in policy.initial_weights:
        if name not in seen:
            near = difflib.get_close_matches(name, sorted(seen), n=1, cutoff=0.0)
            hint = f"; did you mean {near[0]!r}?" if near else ", of which there are none"
            yield f"initial_weights: {name!r} is not among the strategies{hint}"
