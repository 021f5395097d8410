"""A preview is the decision that a manual rebalance would come to, whatever the engine is at."""

import msgspec
import pytest

from schemas.decisions import Decision, RebalanceCommand
from schemas.events import ControlRequest, PortfolioRegistration
from schemas.journal import Control, PortfolioRegistered, Position, Reply, Report
from schemas.optimize import OptimizeRequest, SolveDiagnostics
from schemas.policy import load_policy
from streams.api.problems import ProblemError
from streams.api.whatif import preview_of
from streams.core.fold import Shard
from streams.core.image import decode_image, encode_image
from streams.core.portfolio import Portfolio
from streams.core.requests import reply_to, solve_request
from streams.readmodel.embedded import EmbeddedStore
from tests.api.world import POLICY, World

OBJECTIVES = ["min_variance", "max_sharpe", "risk_parity", "hrp", "inverse_volatility"]
ORDER = Control(
    source=Position(topic="control.requests.v1", partition=0, offset=99),
    request=ControlRequest(
        request_id="r1", portfolio_id="main", action="rebalance", reason="why", requested_by="ann"
    ),
)


class Engine:
    """A shard whose requests wait until they are told to be answered."""

    def __init__(self, policy):
        self.shard, self.asked, self.messages = Shard(0), [], []
        source = Position(topic="registry.v1", partition=0, offset=0)
        registration = PortfolioRegistration(portfolio_id="main", shard=0, policy=policy)
        self.step(PortfolioRegistered(source=source, registration=registration))

    def step(self, record):
        for output in self.shard.step([(self.shard.next_offset, record)]):
            self.messages.append(output.message)
            if isinstance(output.message, OptimizeRequest):
                self.asked.append(output.message)

    def answer(self):
        while self.asked:
            request = self.asked.pop()
            facts = SolveDiagnostics(solve_seconds=1.0, worker="w", iterations=3)
            self.step(Reply(reply=reply_to(request, solve_request(request), facts)))

    def image(self):
        return encode_image(self.shard.portfolios["main"].to_state())

    def newest(self, kind):
        return [message for message in self.messages if isinstance(message, kind)][-1]


def fed(tmp_path, policy, *, bars, leave_open):
    """An engine with bars; the newest request unanswered where that is asked for."""
    world = World(EmbeddedStore(tmp_path / "views"), bars=bars, policy=policy)
    engine = Engine(load_policy(policy))
    records = list(world.records)
    while leave_open and isinstance(records[-1], Report):
        records.pop()
    for record in records:
        engine.answer()
        engine.step(record)
    if not leave_open:
        engine.answer()
    return engine


def without_ids(decision):
    """A decision but for what names it: ids say who asked."""
    trigger = msgspec.structs.replace(decision.trigger, reference=None)
    return msgspec.structs.replace(decision, decision_id="", trigger=trigger)


@pytest.mark.parametrize("objective", OBJECTIVES)
@pytest.mark.parametrize("leave_open", [False, True], ids=["idle", "awaited"])
def test_a_preview_is_what_a_manual_rebalance_then_decides(tmp_path, objective, leave_open):
    policy = POLICY | {"objective": {"type": objective}, "rebalance": {"schedule": "every_bar"}}
    engine = fed(tmp_path, policy, bars=30, leave_open=leave_open)
    assert bool(engine.asked) == leave_open
    before = engine.image()
    preview = preview_of(Portfolio.from_state(decode_image(before)), "why")
    assert engine.image() == before

    engine.step(ORDER)
    engine.answer()
    decision = engine.newest(Decision)
    assert decision.trigger.reference == "r1"
    assert without_ids(preview.decision) == without_ids(decision)
    if decision.outcome == "accepted":
        command = engine.newest(RebalanceCommand)
        assert command.decision_id == decision.decision_id
        assert preview.command.target_weights == command.target_weights
        assert preview.command.target_cash == command.target_cash


def test_the_preview_of_a_halted_portfolio_is_declined(tmp_path):
    engine = fed(tmp_path, POLICY, bars=20, leave_open=False)
    portfolio = Portfolio.from_state(decode_image(engine.image()))
    portfolio.walk.status.halted = True
    preview = preview_of(portfolio, "why")
    assert (preview.decision.outcome, preview.decision.reason) == ("declined", "halted")
    assert preview.command is None


def test_without_a_bar_there_is_nothing_to_preview():
    engine = Engine(load_policy(POLICY))
    with pytest.raises(ProblemError, match="no bar"):
        preview_of(Portfolio.from_state(decode_image(engine.image())), "why")
