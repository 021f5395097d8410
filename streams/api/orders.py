"""What the API appends to the topics for people: rebalances, risk orders, policies.

An idempotency key names a request: told again with the same body it is the same request, with
another body it is refused.
"""

import hashlib
import secrets
import threading
from typing import Final

import msgspec

from schemas.events import ControlRequest, PortfolioRegistration, RiskSignal
from schemas.policy import PortfolioPolicy
from streams.api.bodies import RiskOrder
from streams.api.problems import ProblemError
from streams.core.errors import ApseError
from streams.operate.send import Sender
from streams.readmodel.changes import Put
from streams.readmodel.store import Store
from streams.settings import KafkaSettings

KEY_LENGTH_MAX: Final = 255


class Orders:
    """Appends orders, each acknowledged by the broker before it is answered."""

    def __init__(self, kafka: KafkaSettings, store: Store) -> None:
        self._sender = Sender(kafka)
        self._store = store
        self._lock = threading.Lock()

    def rebalance(self, portfolio_id: str, reason: str, by: str, key: str | None) -> str:
        """Order a manual rebalance; return the request's id."""
        if key is None:
            request_id = f"api-{secrets.token_hex(16)}"
        else:
            request_id = f"api-{_digest(portfolio_id, by, key)[:32]}"
        request = ControlRequest(
            request_id=request_id,
            portfolio_id=portfolio_id,
            action="rebalance",
            reason=reason,
            requested_by=by,
        )
        with self._lock:
            if key is None or self._is_new(request_id, _digest(reason)):
                self._sender.control(request)
                self._acknowledged()
                if key is not None:
                    self._remember(request_id, _digest(reason))
        return request_id

    def risk(self, portfolio_id: str, order: RiskOrder, by: str) -> str:
        """Order a halt, a reduction, a pause, or the end of all three; return the order's id."""
        identifier = f"api-{secrets.token_hex(16)}"
        with self._lock:
            if order.action in {"pause", "resume"}:
                self._sender.control(
                    ControlRequest(
                        request_id=identifier,
                        portfolio_id=portfolio_id,
                        action="pause" if order.action == "pause" else "resume",
                        reason=order.reason,
                        requested_by=by,
                    )
                )
            if order.action != "pause":
                self._sender.risk(
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

    def policy(self, now: PortfolioRegistration, policy: PortfolioPolicy) -> int:
        """Put a new policy in force; return its version."""
        version = now.policy_version + 1
        with self._lock:
            self._sender.portfolio(policy, version=version, shard=now.shard, epoch=now.epoch)
            self._acknowledged()
        return version

    def _acknowledged(self) -> None:
        try:
            self._sender.flush()
        except ApseError as error:
            message = f"the broker did not take the order: {error}"
            raise ProblemError(503, message, {"Retry-After": "2"}) from error

    def _is_new(self, request_id: str, body: str) -> bool:
        held = self._store.get(f"idempotency/{request_id}")
        if held is None:
            return True
        if held.decode() != body:
            message = "this Idempotency-Key was used with another body; choose a new key"
            raise ProblemError(422, message)
        return False

    def _remember(self, request_id: str, body: str) -> None:
        self._store.apply([Put(f"idempotency/{request_id}", body.encode())], {})


def decode_order(kind: type[msgspec.Struct], data: bytes) -> msgspec.Struct:
    """Return a body as its type; what is wrong with it is said."""
    try:
        return msgspec.json.decode(data or b"{}", type=kind)
    except msgspec.ValidationError as error:
        raise ProblemError(422, f"body: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ProblemError(400, f"body: no JSON: {error}") from error


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
