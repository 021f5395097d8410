"""What the API appends to the topics for people: rebalances, risk orders, policies.

An idempotency key names a request: told again with the same body it is the same request, with
another body it is refused.
"""

import hashlib
import secrets
import threading
from contextlib import suppress
from typing import Final, Protocol, TypeVar

import msgspec

from schemas.codec import decode_control, encode_message
from schemas.events import ControlRequest, PortfolioRegistration, RiskSignal
from schemas.policy import Overrides, PolicyError, PortfolioPolicy, with_overrides
from streams.api.bodies import RebalanceOrder, RiskOrder
from streams.api.problems import ProblemError, fault
from streams.core.errors import ApseError
from streams.readmodel.changes import Put
from streams.readmodel.store import Store, StoreUnavailableError
from streams.readmodel.writer import Health

KEY_LENGTH_MAX: Final = 255
T = TypeVar("T", bound=msgspec.Struct)


class Outbox(Protocol):
    """Where orders go: the topics of an engine."""

    def control(self, request: ControlRequest) -> None:
        """Append a person's request."""

    def risk(self, signal: RiskSignal) -> None:
        """Append an order of the risk function."""

    def portfolio(
        self,
        policy: PortfolioPolicy,
        *,
        version: int = 1,
        shard: int | None = None,
        epoch: int = 1,
    ) -> None:
        """Append a portfolio's registration."""

    def flush(self) -> None:
        """Return once all is taken; ApseError where it is not."""


class Orders:
    """Appends orders, each acknowledged by the broker before it is answered."""

    def __init__(self, outbox: Outbox, store: Store, health: Health) -> None:
        self._outbox = outbox
        self._store = store
        self._health = health
        self._lock = threading.Lock()

    def ordered(
        self, portfolio_id: str, order: RebalanceOrder, by: str, key: str | None
    ) -> str | None:
        """Return the id of a rebalance that was ordered under this key before; None for a new one.

        Raises
        ------
        ProblemError
            422 for a key that was used with another body, 503 while it is not known whether it was.
        """
        request = _request(portfolio_id, order, by, key)
        return None if key is None or self._is_new(request) else request.request_id

    def rebalance(self, portfolio_id: str, order: RebalanceOrder, by: str, key: str | None) -> str:
        """Order a manual rebalance; return the request's id, whose fate can be asked for at once.

        Raises
        ------
        ProblemError
            As :meth:`ordered`.
        """
        request = _request(portfolio_id, order, by, key)
        with self._lock:
            if key is None or self._is_new(request):
                self._outbox.control(request)
                self._acknowledged()
                with suppress(StoreUnavailableError):  # it is ordered all the same
                    told = Put(f"request/{request.request_id}", encode_message(request))
                    self._store.apply([told], {})
        return request.request_id

    def risk(self, portfolio_id: str, order: RiskOrder, by: str) -> str:
        """Order a halt, a reduction, a pause, or the end of all three; return the order's id."""
        identifier = f"api-{secrets.token_hex(16)}"
        with self._lock:
            if order.action in {"pause", "resume"}:
                self._outbox.control(
                    ControlRequest(
                        request_id=identifier,
                        portfolio_id=portfolio_id,
                        action="pause" if order.action == "pause" else "resume",
                        reason=order.reason,
                        requested_by=by,
                    )
                )
            if order.action != "pause":
                self._outbox.risk(
                    RiskSignal(
                        signal_id=identifier,
                        portfolio_id=portfolio_id,
                        action=order.action,
                        multiplier=order.multiplier,
                        reason=order.reason,
                        source=by,
                    )
                )
            self._acknowledged()
        return identifier

    def policy(self, policy: PortfolioPolicy, only_if: str | None) -> int:
        """Put a new policy of a registered portfolio in force; return its version.

        It stands in the store at once: the engine passes over a second policy of one version.

        Raises
        ------
        ProblemError
            412 where ``only_if`` names another version than the one in force.
        """
        name = policy.portfolio_id
        with self._lock:
            held = self._store.get(f"portfolio/{name}/registration")
            assert held is not None, name
            now = msgspec.json.decode(held, type=PortfolioRegistration)
            if only_if not in {None, "*", str(now.policy_version)}:
                message = f"the policy's version is {now.policy_version}, If-Match said {only_if}"
                raise ProblemError(412, message)
            version = now.policy_version + 1
            self._outbox.portfolio(policy, version=version, shard=now.shard, epoch=now.epoch)
            self._acknowledged()
            following = msgspec.structs.replace(now, policy=policy, policy_version=version)
            with suppress(StoreUnavailableError):  # it is in force all the same
                told = Put(f"portfolio/{name}/registration", encode_message(following))
                self._store.apply([told], {})
        return version

    def _acknowledged(self) -> None:
        try:
            self._outbox.flush()
        except ApseError as error:
            message = f"the broker did not take the order: {error}"
            raise ProblemError(503, message, {"Retry-After": "2"}) from error

    def _is_new(self, request: ControlRequest) -> bool:
        """Tell whether a named request is not on its topic yet, as far as that was read."""
        held = self._store.get(f"request/{request.request_id}")
        if held is None:
            if not self._health.caught_up:
                message = "the orders so far are still being read, and this one may be among them"
                raise ProblemError(503, message, {"Retry-After": "1"})
            return True
        if decode_control(held) != request:
            message = "this Idempotency-Key was used with another body; choose a new key"
            raise ProblemError(422, message)
        return False


def _request(portfolio_id: str, order: RebalanceOrder, by: str, key: str | None) -> ControlRequest:
    """Return an order as the engine is told it; a key names it."""
    named = secrets.token_hex(16) if key is None else _digest(portfolio_id, by, key)[:32]
    return ControlRequest(
        request_id=f"api-{named}",
        portfolio_id=portfolio_id,
        action="rebalance",
        reason=order.reason,
        requested_by=by,
        overrides=order.overrides,
    )


def decode_order(kind: type[T], data: bytes) -> T:
    """Return a body as its type; what is wrong with it is said."""
    try:
        return msgspec.json.decode(data or b"{}", type=kind)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        where = "body" + path.rstrip("`")
        raise ProblemError(422, f"body: {error}", errors=[fault(where, message)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(400, f"body: no JSON: {error}") from error


def checked_overrides(policy: PortfolioPolicy, overrides: Overrides | None) -> Overrides | None:
    """Return overrides that a policy can be asked to follow.

    Raises
    ------
    ProblemError
        422 where they contradict themselves or the rest of the policy.
    """
    try:
        with_overrides(policy, overrides)
    except PolicyError as error:
        message = str(error)
        key = message.split(maxsplit=1)[0].rstrip(":")
        faults = [fault(f"body.overrides.{key}", message)]
        raise ProblemError(422, f"overrides: {message}", errors=faults) from error
    return overrides


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
