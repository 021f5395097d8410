"""Admission of rebalance commands: each portfolio moves only forward, and no command counts twice.

A pure state machine: the clock's reading comes with the call, nothing is read or sent. What the
gate knows of a portfolio is the fence, the highest (epoch, version) it admitted, and the newest
command ids with a digest of their content.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Literal, Self

import msgspec

from schemas.codec import canonical_json
from schemas.decisions import RebalanceCommand
from schemas.units import parse_instant
from streams.core.errors import DataError

# A restarted engine repeats the commands of the seconds since its checkpoint; this is far more.
KNOWN_MAX: Final = 512
STATE_FORMAT: Final = 1

Fence = tuple[int, int]
"""(epoch, version)."""
Verdict = Literal["admitted", "expired", "fenced"]


@dataclass(frozen=True, slots=True)
class Admitted:
    """Apply it. ``ordinal`` counts the portfolio's admitted commands from 1.

    ``resumed``: it was admitted before, and work on it was interrupted before its final answer.
    """

    ordinal: int
    resumed: bool


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Known by id, with the same content: it has been answered, or is being worked on."""


@dataclass(frozen=True, slots=True)
class Fenced:
    """Not above ``last``, which was admitted before. ``forgotten``: it may have been answered."""

    last: Fence
    forgotten: bool


@dataclass(frozen=True, slots=True)
class Expired:
    """The clock is past its expiry."""

    expires_at_ns: int
    now_ns: int


@dataclass(frozen=True, slots=True)
class Conflict:
    """Known by id, with other content: refuse it and raise the alarm."""

    known: str
    found: str


Admission = Admitted | Duplicate | Fenced | Expired | Conflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What a past report tells of a command; an unknown ``digest`` is empty."""

    command_id: str
    portfolio_id: str
    epoch: int
    version: int
    digest: str
    verdict: Verdict
    final: bool


class _Known(msgspec.Struct, array_like=True):
    at: Fence
    digest: str
    standing: Literal["working", "interrupted", "done"]
    ordinal: int  # 0 when it was not admitted


class _Book(msgspec.Struct, array_like=True):
    last: Fence = (0, 0)
    floor: Fence = (0, 0)  # the highest forgotten
    admitted: int = 0
    known: dict[str, _Known] = msgspec.field(default_factory=dict)


class _State(msgspec.Struct, array_like=True):
    format: int
    books: dict[str, _Book]


def command_digest(command: RebalanceCommand) -> str:
    """Return the digest of a command's whole content, 32 hexadecimal digits."""
    return hashlib.sha256(canonical_json(command)).hexdigest()[:32]


class CommandGate:
    """Decide what to do with each command that arrives, in whatever order and however often.

    The rule, in its order: known by id with other content is a conflict; known and interrupted is
    resumed while it is still the newest; known is a duplicate; not above the fence is fenced; past
    its expiry is expired (the fence stays); else it is admitted and the fence moves to it.
    """

    def __init__(self) -> None:
        self._books: dict[str, _Book] = {}

    def admit(self, command: RebalanceCommand, now_ns: int) -> Admission:
        """Judge one command.

        Parameters
        ----------
        command
            As decoded.
        now_ns
            The executor's clock, nanoseconds UTC.

        Raises
        ------
        ValueError
            When ``expires_at`` is no instant.
        """
        expires_at_ns = parse_instant(command.expires_at)
        book = self._books.setdefault(command.portfolio_id, _Book())
        digest = command_digest(command)
        known = book.known.get(command.command_id)
        if known is not None:
            return _judge_known(book, known, digest)
        at = (command.epoch, command.version)
        if at <= book.floor:
            return Fenced(last=book.last, forgotten=True)
        if at <= book.last:
            _remember(book, command.command_id, _Known(at, digest, "done", 0))
            return Fenced(last=book.last, forgotten=False)
        if now_ns > expires_at_ns:
            _remember(book, command.command_id, _Known(at, digest, "done", 0))
            return Expired(expires_at_ns=expires_at_ns, now_ns=now_ns)
        book.last = at
        book.admitted += 1
        _remember(book, command.command_id, _Known(at, digest, "working", book.admitted))
        return Admitted(ordinal=book.admitted, resumed=False)

    def done(self, portfolio_id: str, command_id: str) -> None:
        """Record that an admitted command has its final answer."""
        book = self._books.get(portfolio_id)
        known = None if book is None else book.known.get(command_id)
        if known is not None:
            known.standing = "done"

    def recall(self, past: Answered) -> None:
        """Learn of a command from a report of it; reports come in the order they were written."""
        book = self._books.setdefault(past.portfolio_id, _Book())
        known = book.known.get(past.command_id)
        if known is not None:
            known.standing = "done" if past.final else known.standing
            return
        at = (past.epoch, past.version)
        ordinal = 0
        if past.verdict == "admitted":
            book.last = max(book.last, at)
            book.admitted += 1
            ordinal = book.admitted
        standing: Literal["interrupted", "done"] = "done" if past.final else "interrupted"
        _remember(book, past.command_id, _Known(at, past.digest, standing, ordinal))

    def interrupt(self) -> None:
        """Mark every command in work as interrupted: the process that worked on it has ended."""
        for book in self._books.values():
            for known in book.known.values():
                if known.standing == "working":
                    known.standing = "interrupted"

    def last(self, portfolio_id: str) -> Fence | None:
        """Return the highest (epoch, version) admitted for a portfolio, None before the first."""
        book = self._books.get(portfolio_id)
        return book.last if book is not None and book.admitted else None

    def to_state(self) -> bytes:
        """Return the exact state; equal states give equal bytes."""
        return msgspec.msgpack.encode(_State(STATE_FORMAT, self._books), order="deterministic")

    @classmethod
    def from_state(cls, data: bytes) -> Self:
        """Return the gate that :meth:`to_state` described.

        Raises
        ------
        DataError
            When the bytes are no gate's state, or of another format.
        """
        try:
            state = msgspec.msgpack.decode(data, type=_State)
        except msgspec.DecodeError as error:
            text = f"{len(data)} bytes are not the state of a command gate: {error}"
            raise DataError(text) from error
        if state.format != STATE_FORMAT:
            text = f"the state of a command gate has format {state.format}, expected {STATE_FORMAT}"
            raise DataError(text)
        gate = cls()
        gate._books = state.books
        return gate


def _judge_known(book: _Book, known: _Known, digest: str) -> Admission:
    if known.digest and known.digest != digest:
        return Conflict(known=known.digest, found=digest)
    if known.standing != "interrupted":
        return Duplicate()
    if known.at < book.last:
        known.standing = "done"
        return Fenced(last=book.last, forgotten=False)
    known.standing = "working"
    return Admitted(ordinal=known.ordinal, resumed=True)


# The lowest is forgotten first, so that the known ids are always those nearest to the fence.
def _remember(book: _Book, command_id: str, known: _Known) -> None:
    book.known[command_id] = known
    if len(book.known) > KNOWN_MAX:
        oldest = min(book.known, key=lambda name: (book.known[name].at, name))
        book.floor = max(book.floor, book.known.pop(oldest).at)
