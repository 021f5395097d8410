"""The views in Redis: one store for several API processes.

Layout, every key behind one prefix: ``v:KEY`` strings; ``s:NAME`` a sorted set of places (all of
score 0, so that they are ordered as text, to all 64 bits) and ``x:NAME`` their values; ``told`` a
stream whose ids are ``NUMBER-0``; ``positions`` a hash; ``lease`` names who writes, and ends by
itself. A batch is one transaction, which ends in nothing where the lease has changed hands.
"""

import re
import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final

import redis

from streams.readmodel.changes import Append, Change, Put
from streams.readmodel.store import (
    TOLD_MAX,
    Entry,
    ForgottenError,
    LeaseLostError,
    Place,
    StoreUnavailableError,
    Told,
)

_TIMEOUT_S: Final = 2.0
_OFFSET: Final = 2**63  # makes places positive, so that their digits sort as they do
_SCAN: Final = 1_000
_HOLD: Final = """
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return 1
"""
_RELEASE: Final = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
"""


class RedisStore:
    """A store in a Redis server; ``prefix`` keeps scopes on one server apart."""

    def __init__(self, url: str, prefix: str = "apse:") -> None:
        self._redis: Any = redis.Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        )
        self._prefix = prefix
        self._name = secrets.token_hex(8).encode()
        self._is_writer = False

    def hold(self, seconds: float) -> bool:
        """Take the lease, or keep it for so long from now; tell whether it is ours."""
        with _answering():
            found = self._redis.eval(_HOLD, 1, self._lease, self._name, int(seconds * 1e3))
        self._is_writer = bool(found)
        return self._is_writer

    def release(self) -> None:
        """Give the lease back, where it is ours."""
        self._is_writer = False
        with _answering():
            self._redis.eval(_RELEASE, 1, self._lease, self._name)

    @property
    def _lease(self) -> str:
        return self._prefix + "lease"

    def _check_lease(self, pipe: redis.client.Pipeline) -> None:
        """Let the transaction to come fail where the lease changes hands before its end."""
        pipe.watch(self._lease)  # type: ignore[no-untyped-call]  # untyped there
        if pipe.get(self._lease) != self._name:
            raise LeaseLostError
        pipe.multi()

    def positions(self) -> dict[Place, int]:
        """Return the first offset of each partition whose changes are not stored yet."""
        with _answering():
            held = self._redis.hgetall(self._prefix + "positions")
        found = {}
        for place, following in held.items():
            topic, _, shard = place.decode().rpartition("/")
            found[topic, int(shard)] = int(following)
        return found

    def apply(self, changes: Sequence[Change], positions: Mapping[Place, int]) -> None:
        """Store changes and the positions they lead to, both or neither."""
        with _answering(), self._redis.pipeline(transaction=True) as pipe:
            if self._is_writer:
                self._check_lease(pipe)
            number = self.newest_told()
            for change in changes:
                if isinstance(change, Put):
                    pipe.set(f"{self._prefix}v:{change.key}", change.value)
                elif isinstance(change, Append):
                    member = _member(change.place)
                    pipe.zadd(f"{self._prefix}s:{change.series}", {member: 0})
                    pipe.hset(f"{self._prefix}x:{change.series}", member, change.value)
                else:
                    number += 1
                    fields = {"k": change.kind, "p": change.portfolio_id, "v": change.value}
                    pipe.xadd(self._prefix + "told", fields, id=f"{number}-0", maxlen=TOLD_MAX)
            if positions:
                held = {f"{topic}/{shard}": n for (topic, shard), n in positions.items()}
                pipe.hset(self._prefix + "positions", mapping=held)
            pipe.execute()

    def get(self, key: str) -> bytes | None:
        """Return the newest value under a key."""
        with _answering():
            value: bytes | None = self._redis.get(f"{self._prefix}v:{key}")
        return value

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with ``prefix``, sorted."""
        start = f"{self._prefix}v:"
        with _answering():
            found = list(self._redis.scan_iter(_beginning(start + prefix), count=_SCAN))
        return sorted(key.decode().removeprefix(start) for key in found)

    def series(
        self,
        name: str,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 1_000,
        newest_first: bool = False,
    ) -> list[Entry]:
        """Return entries with ``after`` < place < ``before``, at most ``limit``."""
        low = "-" if after is None else f"({_member(after)}"
        high = "+" if before is None else f"({_member(before)}"
        key = f"{self._prefix}s:{name}"
        with _answering():
            members = (
                self._redis.zrevrangebylex(key, high, low, 0, limit)
                if newest_first
                else self._redis.zrangebylex(key, low, high, 0, limit)
            )
            values = self._redis.hmget(f"{self._prefix}x:{name}", members) if members else []
        return [
            Entry(int(member) - _OFFSET, value)
            for member, value in zip(members, values, strict=True)
            if value is not None
        ]

    def told(self, after: int, limit: int = 1_000) -> list[Told]:
        """Return live events with larger numbers than ``after``, oldest first."""
        with _answering():
            found = self._redis.xrange(self._prefix + "told", f"({after}-0", "+", limit)
            newest = self.newest_told()
        told = [
            Told(int(number.partition(b"-")[0]), f[b"k"].decode(), f[b"p"].decode(), f[b"v"])
            for number, f in found
        ]
        if after > newest or (told and told[0].number != after + 1):
            message = f"events after {after} are not kept; the newest is {newest}"
            raise ForgottenError(message)
        return told

    def newest_told(self) -> int:
        """Return the number of the newest live event, 0 where there is none."""
        with _answering():
            found = self._redis.xrevrange(self._prefix + "told", count=1)
        return int(found[0][0].partition(b"-")[0]) if found else 0

    def clear(self) -> None:
        """Forget everything that is stored."""
        with _answering():
            for key in self._redis.scan_iter(_beginning(self._prefix), count=_SCAN):
                if key.decode() != self._lease:
                    self._redis.delete(key)

    def close(self) -> None:
        """Let go of everything."""
        self._redis.close()


def _beginning(prefix: str) -> str:
    """Return the pattern of keys that begin with a prefix."""
    return re.sub(r"([\\*?\[\]])", r"\\\1", prefix) + "*"


def _member(place: int) -> str:
    return f"{place + _OFFSET:020d}"


@contextmanager
def _answering() -> Iterator[None]:
    try:
        yield
    except redis.WatchError as error:
        raise LeaseLostError from error
    except redis.RedisError as error:
        message = f"Redis: {error}"
        raise StoreUnavailableError(message) from error
