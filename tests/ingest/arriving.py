"""Records as they arrive, for the tests of ingest."""

import msgspec

from schemas.codec import encode_message
from schemas.events import PortfolioRegistration, StrategyRegistration, StrategyReturn
from schemas.policy import load_policy
from schemas.topics import CONTROL, REGISTRY, REPORTS, RETURNS, RISK
from schemas.units import format_instant
from streams.ingest.arrivals import Arrival

SECOND_NS = 10**9
START_NS = 1_700_000_000 * SECOND_NS


def policy(portfolio_id="p", bar="1s", members=None, clock="event"):
    entries = {"from_returns": True} if members is None else [{"id": name} for name in members]
    return load_policy(
        {
            "portfolio_id": portfolio_id,
            "bar": bar,
            "periods_per_year": 252,
            "strategies": entries,
            "clock": clock,
        }
    )


def portfolio(portfolio_id="p", shard=3, **options):
    return PortfolioRegistration(
        portfolio_id=portfolio_id, shard=shard, policy=policy(portfolio_id, **options)
    )


def strategy(strategy_id, *portfolios):
    return StrategyRegistration(strategy_id=strategy_id, family="trend", portfolios=portfolios)


def on_registry(offset, event):
    kind = "portfolio" if isinstance(event, PortfolioRegistration) else "strategy"
    name = event.portfolio_id if kind == "portfolio" else event.strategy_id
    return Arrival(REGISTRY.name, 0, offset, f"{kind}/{name}".encode(), encode_message(event))


def with_policy(offset, **sections):
    """A registration as another program may write it, past the checks of ours."""
    event = msgspec.to_builtins(portfolio("z"))
    event["policy"] = {**event["policy"], **sections}
    return Arrival(REGISTRY.name, 0, offset, b"portfolio/z", msgspec.json.encode(event))


def tombstone(offset, key):
    return Arrival(REGISTRY.name, 0, offset, key.encode(), None)


def registry(*events):
    return [on_registry(offset, event) for offset, event in enumerate(events)]


def return_bytes(strategy_id, second, value=0.01, status="value"):
    return encode_message(
        StrategyReturn(
            strategy_id=strategy_id,
            period_end=format_instant(START_NS + second * SECOND_NS),
            value=value if status == "value" else None,
            status=status,
        )
    )


def a_return(
    offset, strategy_id, second, value=0.01, *, status="value", partition=0, published_s=None
):
    """A return dated ``second`` and published at ``published_s``, both since START_NS."""
    data = return_bytes(strategy_id, second, value, status)
    published_ns = None if published_s is None else START_NS + published_s * SECOND_NS
    return Arrival(RETURNS.name, partition, offset, strategy_id.encode(), data, published_ns)


def request(topic, offset, event):
    assert topic in (CONTROL, RISK, REPORTS)
    return Arrival(topic.name, 0, offset, event.portfolio_id.encode(), encode_message(event))


VALID = b'{"strategy_id": "s0", "period_end": "2024-05-31T20:00:00Z", "return": 0}'
POISON = [
    (None, "empty"),
    (b"", "empty"),
    (b"not json", "malformed"),
    (b"\xff\xfe\x00", "malformed"),
    (b'{"strategy_id": "s0"', "malformed"),
    (b"[" * 60_000, None),
    (b"[]", "invalid"),
    (b'{"strategy_id": "s0"}', "invalid"),
    (b'{"strategy_id": "s0", "period_end": "2024-05-31T20:00:00Z"}', "invalid"),
    (b'{"strategy_id": "", "period_end": "2024-05-31T20:00:00Z", "return": 0}', "invalid"),
    (b'{"strategy_id": "s0", "period_end": "2024-05-31T20:00:00Z", "return": "1"}', "invalid"),
    (b'{"strategy_id": "s0", "period_end": "2024-05-31T20:00:00Z", "return": -2}', "invalid"),
    (b'{"strategy_id": "s0", "period_end": "2024-05-31T20:00:00Z", "return": 1e999}', None),
    (b'{"strategy_id": "s0", "period_end": "2024-05-31T20:00:00Z", "return": NaN}', "malformed"),
    (b'{"strategy_id": "s0", "period_end": "2024-05-31T20:00:00", "return": 0}', "bad_period_end"),
    (b'{"strategy_id": "s0", "period_end": "9999-05-31T20:00:00Z", "return": 0}', "bad_period_end"),
    (b'{"strategy_id": "s0", "period_end": "2200-05-31T20:00:00Z", "return": 0}', "bad_period_end"),
    (VALID[:-1] + b', "status": "progress"}', "invalid"),
    (VALID[:-1] + b', "revision": 99999999999}', "invalid"),
    (
        b'{"strategy_id": "ghost", "period_end": "2024-05-31T20:00:00Z", "return": 0}',
        "unknown_strategy",
    ),
    (b'{"strategy_id": "s0", "period_end": "2024-05-31T20:00:00Z", "return": -1.5}', "invalid"),
    (b'{"strategy_id": "s0", "period_end": "2024-05-31T20:00:00Z", "return": Infinity}', None),
    (b'{"strategy_id": "s0", "period_end": "2024-05-31T20:00:00Z", "return": true}', "invalid"),
    (b'{"strategy_id": "s\xff0", "period_end": "2024-05-31T20:00:00Z", "return": 0}', "malformed"),
    (b'{"a":' * 900 + b"0" + b"}" * 900, None),
    (VALID[:-1] + b', "return": 0.5}', "duplicate_key"),
    (VALID[:-1] + b', "\xc3\x28": 1}', "malformed"),
    (b'"' + b"x" * 2_000_000 + b'"', "oversize"),
]
"""Values of returns that cannot be used, with the code of their refusal (None: any)."""
