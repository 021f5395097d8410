"""What a seed stands for: portfolios, ragged returns, requests of people, and the weather.

A *calm* world has rows alone, so that its decisions do not depend on who was read first and are
known beforehand. A *steered* one has requests, revisions, releases and changes of policy as well,
whose effect depends on their place in the journal: its decisions are those of the journal.
"""

import zlib
from dataclasses import dataclass
from typing import Any, Final, Literal

import msgspec

from schemas.codec import canonical_json
from schemas.events import (
    ControlRequest,
    PortfolioRegistration,
    RiskSignal,
    StrategyRegistration,
    StrategyReturn,
)
from schemas.policy import PortfolioPolicy, load_policy
from schemas.topics import CONTROL, REGISTRY, RETURNS, RISK
from schemas.units import format_instant
from streams.core.calendar import DAY_NS
from streams.simulation.log import Dice

START_NS: Final = 18_000 * DAY_NS  # a Thursday in 2019
SOURCE_PARTITIONS: Final = 2
SHARDS: Final = 2
STEERED: Final = 0.4
PAPER_NAMES: Final = 3  # portfolios of so many strategies have paper books
FAMILIES: Final = ("trend", "arbitrage", "mean_reversion", "market_making")

Fate = Literal["good", "bad"]


@dataclass(frozen=True, slots=True)
class Message:
    """One record to publish; a bad one has to be refused."""

    topic: str
    partition: int
    key: bytes
    value: bytes
    fate: Fate = "good"


@dataclass(frozen=True, slots=True, kw_only=True)
class Weather:
    """Probabilities of a fault, each at its own occasion."""

    crash: float  # each step
    zombie: float  # each step
    repeat_requests: float  # each step in which ingest has appended some and not committed
    freeze_executor: float  # each step in which it has a command in hand
    lose: float  # each request, each reply
    answer_twice: float
    republish: float  # each row
    compact: float  # each step
    interim_report: float
    checkpoint: float  # each move of a worker
    optimizer_lag_steps: int
    nudge_after_steps: int
    poll_rows_max: int
    pause: float  # of the publishers, each step
    broker_lag: float  # each output sent, each acknowledgement


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """Everything that a seed decides before the first step."""

    seed: int
    calm: bool
    portfolios: tuple[PortfolioRegistration, ...]
    rows: dict[str, list[StrategyReturn]]
    queues: list[list[Message]]  # each keeps its order; between them the scheduler chooses
    weather: Weather

    def members_of(self, registration: PortfolioRegistration) -> list[str]:
        """Return the strategies that a portfolio's own policy lists."""
        entries = registration.policy.strategies
        assert isinstance(entries, tuple)
        return [entry.id for entry in entries]


def draw(seed: int, dice: Dice) -> Scenario:
    """Return the world of a seed; ``dice`` are those of the same seed."""
    calm = not dice.chance(STEERED)
    names = [f"s{number}" for number in range(dice.between(2, 4))]
    bars = dice.between(10, 18)
    portfolios = _portfolios(names, dice, calm=calm)
    rows = _ragged(names, bars, dice, calm=calm)
    queues = [_published(rows[name], dice) for name in names]
    if not calm:
        queues.append(_steering(portfolios, dice))
        if dice.chance(0.4):
            queues.append(_latecomer(portfolios, bars, dice))
    return Scenario(
        seed=seed,
        calm=calm,
        portfolios=portfolios,
        rows=rows,
        queues=queues,
        weather=_weather(dice),
    )


def registration_message(
    registration: PortfolioRegistration | StrategyRegistration,
) -> Message:
    """Return the record of the registry topic that tells of a registration."""
    key = (
        f"portfolio/{registration.portfolio_id}"
        if isinstance(registration, PortfolioRegistration)
        else f"strategy/{registration.strategy_id}"
    )
    return Message(REGISTRY.name, 0, key.encode(), canonical_json(registration))


def source_partition(strategy_id: str) -> int:
    """Return the partition that a strategy publishes to."""
    return zlib.crc32(strategy_id.encode()) % SOURCE_PARTITIONS


def _weather(dice: Dice) -> Weather:
    stormy = dice.chance(0.7)
    return Weather(
        crash=dice.pick((0.004, 0.01, 0.02)) if stormy else 0.001,
        zombie=dice.pick((0.0, 0.004, 0.01)) if stormy else 0.0,
        repeat_requests=dice.pick((0.0, 0.2)) if stormy else 0.0,
        freeze_executor=dice.pick((0.0, 0.2)) if stormy else 0.0,
        lose=dice.pick((0.0, 0.1, 0.3)),
        answer_twice=dice.pick((0.0, 0.2)),
        republish=dice.pick((0.0, 0.05, 0.2)),
        compact=dice.pick((0.0, 0.02)),
        interim_report=dice.pick((0.0, 0.5)),
        checkpoint=dice.pick((0.05, 0.2)),
        optimizer_lag_steps=dice.pick((0, 20, 200, 600)),
        nudge_after_steps=dice.pick((40, 150)),
        poll_rows_max=dice.pick((2, 5, 12)),
        pause=dice.pick((0.0, 0.7, 0.9)),
        broker_lag=dice.pick((0.0, 0.8, 0.95)),
    )


def _portfolios(names: list[str], dice: Dice, *, calm: bool) -> tuple[PortfolioRegistration, ...]:
    found = [
        PortfolioRegistration(
            portfolio_id="p", shard=0, policy=_policy("p", names, dice, calm=calm)
        )
    ]
    if dice.chance(0.3):
        some = names[: dice.between(2, len(names))]
        policy = _policy("q", some, dice, calm=calm)
        found.append(
            PortfolioRegistration(portfolio_id="q", shard=dice.below(SHARDS), policy=policy)
        )
    return tuple(found)


def _policy(portfolio_id: str, names: list[str], dice: Dice, *, calm: bool) -> PortfolioPolicy:
    document: dict[str, Any] = {
        "portfolio_id": portfolio_id,
        "bar": "1d",
        "periods_per_year": 252,
        "strategies": [{"id": name, "family": FAMILIES[int(name[1:])]} for name in names],
        "estimation": {
            "window_bars": dice.pick((6, 9)),
            "min_bars": dice.between(2, 5),
            "stale_bars": 3,
            "windows": dice.pick(([4], [3, 6])),
            "covariance": dice.pick(("sample", "ledoit_wolf", "ewma:0.9")),
        },
        "objective": {
            "type": dice.pick(("min_variance", "mean_variance", "equal", "inverse_volatility"))
        },
        "costs": {"linear_bps": dice.pick((0, 7))},
        "constraints": {"weight_max": dice.pick((0.7, 1.0))},
        "execution": {"delay_bars": dice.below(2)},
        "rebalance": {
            "schedule": dice.pick(("every_bar", "daily", "weekly", "never")),
            "drift": {"max_abs": dice.pick((0.005, 0.02))},
            "cooldown_bars": dice.pick((0, 2)),
        },
    }
    if dice.chance(0.3):
        document["constraints"]["turnover_max"] = 0.3
    if dice.chance(0.3):
        document["cash"] = {"max": 0.4}
    if dice.chance(0.3):
        document["initial_weights"] = dict.fromkeys(names, 1.0 / len(names))
    if len(names) == PAPER_NAMES:
        document["shadows"] = [
            {"name": "parity", "objective": {"type": "inverse_volatility"}},
            {
                "name": "tight",  # infeasible as soon as one of them is not eligible
                "objective": {"type": "min_variance"},
                "constraints": {"weight_max": 0.4},
            },
        ]
    if not calm and dice.chance(0.4):
        document["ledger"] = "reported"
    return load_policy(document)


def _ragged(
    names: list[str], bars: int, dice: Dice, *, calm: bool
) -> dict[str, list[StrategyReturn]]:
    """Return each strategy's rows: late starts, holes with marks, early ends, perhaps revisions."""
    rows: dict[str, list[StrategyReturn]] = {}
    for number, name in enumerate(names):
        first = dice.below(bars // 3) if number % 3 == 1 else 0
        last = bars - dice.below(bars // 3) if number % 3 > 1 else bars
        values = dice.normal(bars)
        own = [_mark(name, first, "progress")] if first else []
        for bar in range(first, last):
            if dice.chance(0.1):
                own.append(_mark(name, bar + 1, "progress"))
                continue
            value = 0.0004 + 0.01 * values[bar]
            own.append(_row(name, bar + 1, value))
            if not calm and dice.chance(0.05):
                revised = max(first, bar - dice.below(3))
                own.append(_row(name, revised + 1, value / 2, revision=bar + 1))
        own.append(_mark(name, last, "inactive"))
        rows[name] = own
    return rows


def _row(name: str, bar: int, value: float, revision: int = 0) -> StrategyReturn:
    stamp = format_instant(START_NS + bar * DAY_NS)
    return StrategyReturn(strategy_id=name, period_end=stamp, value=value, revision=revision)


def _mark(name: str, bar: int, status: Literal["progress", "inactive"]) -> StrategyReturn:
    stamp = format_instant(START_NS + bar * DAY_NS)
    return StrategyReturn(strategy_id=name, period_end=stamp, status=status)


_POISON: Final = (
    b"",
    b"{",
    b'{"strategy_id": "s0", "period_end": "2019-04-15T00:00:00Z", "return": NaN}',
    b'{"strategy_id": "s0", "period_end": "2019-04-15T00:00:00Z", "return": -1.5}',
    b'{"strategy_id": "s0", "period_end": "2019-04-15T00:00:00Z"}',
    b'{"strategy_id": "s0", "strategy_id": "s1", "period_end": "2019-04-15T00:00Z", "return": 0}',
    b'{"strategy_id": "nobody", "period_end": "2019-04-15T00:00:00Z", "return": 0.01}',
)


def _published(rows: list[StrategyReturn], dice: Dice) -> list[Message]:
    """Return a strategy's records, with poison between them now and then."""
    partition = source_partition(rows[0].strategy_id)
    messages = []
    for row in rows:
        key = row.strategy_id.encode()
        if dice.chance(0.05):
            messages.append(Message(RETURNS.name, partition, key, dice.pick(_POISON), "bad"))
        messages.append(Message(RETURNS.name, partition, key, canonical_json(row)))
    return messages


def _steering(portfolios: tuple[PortfolioRegistration, ...], dice: Dice) -> list[Message]:
    """Return requests of people and of the risk function, and perhaps a change of policy."""
    messages = []
    for number in range(dice.between(1, 6)):
        portfolio = dice.pick(portfolios)
        makers = (_control, _control, _risk, _risk, _new_policy)
        messages.append(dice.pick(makers)(number, portfolio, dice))
    return messages


def _control(number: int, portfolio: PortfolioRegistration, dice: Dice) -> Message:
    action: Literal["rebalance", "pause", "resume"] = dice.pick(
        ("rebalance", "rebalance", "pause", "resume")
    )
    request = ControlRequest(
        request_id=f"c{number}", portfolio_id=portfolio.portfolio_id, action=action
    )
    return Message(CONTROL.name, 0, portfolio.portfolio_id.encode(), canonical_json(request))


def _risk(number: int, portfolio: PortfolioRegistration, dice: Dice) -> Message:
    action: Literal["halt", "reduce", "resume"] = dice.pick(("halt", "reduce", "resume", "resume"))
    signal = RiskSignal(
        signal_id=f"r{number}",
        portfolio_id=portfolio.portfolio_id,
        action=action,
        multiplier=0.5 if action == "reduce" else None,
    )
    return Message(RISK.name, 0, portfolio.portfolio_id.encode(), canonical_json(signal))


def _new_policy(number: int, portfolio: PortfolioRegistration, dice: Dice) -> Message:
    policy = msgspec.structs.replace(
        portfolio.policy,
        objective=msgspec.structs.replace(
            portfolio.policy.objective, type=dice.pick(("equal", "inverse_volatility"))
        ),
    )
    changed = msgspec.structs.replace(portfolio, policy=policy, policy_version=number + 2)
    return registration_message(changed)


def _latecomer(
    portfolios: tuple[PortfolioRegistration, ...], bars: int, dice: Dice
) -> list[Message]:
    """Return a strategy that no policy lists: its registration, then its rows."""
    names = tuple(portfolio.portfolio_id for portfolio in portfolios)
    registration = StrategyRegistration(strategy_id="late", family="other", portfolios=names)
    values = dice.normal(bars)
    rows = [_row("late", bar + 1, 0.01 * values[bar]) for bar in range(bars // 2, bars)]
    rows.append(_mark("late", bars, "inactive"))
    return [registration_message(registration), *_published(rows, dice)]


@dataclass(slots=True)
class Tally:
    """What happened in a run, or in many."""

    steps: int = 0
    crashes: int = 0
    zombies: int = 0
    stale_answers: int = 0
    republished: int = 0
    lost: int = 0
    nudges: int = 0
    releases: int = 0
    decisions: int = 0
    commands: int = 0
    dead_letters: int = 0
    calm: int = 0

    def add(self, other: "Tally") -> None:
        """Add another run's."""
        for name in self.__slots__:
            setattr(self, name, getattr(self, name) + getattr(other, name))
