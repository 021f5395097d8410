"""A preview is the decision that a manual rebalance would come to, whatever the engine is at."""

import threading
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest
from msgspec import UNSET

from schemas.decisions import Decision, RebalanceCommand
from schemas.events import ControlRequest, PortfolioRegistration
from schemas.journal import Control, PortfolioRegistered, Position, Reply, Report
from schemas.optimize import OptimizeRequest, SolveDiagnostics
from schemas.policy import (
    ConstraintOverrides,
    CorrelationLimits,
    FamilyLimit,
    Objective,
    Overrides,
    load_policy,
)
from streams.api.problems import ProblemError
from streams.api.whatif import TURNS_MAX, Images, preview_of
from streams.core.fold import Shard
from streams.core.image import decode_image, encode_image
from streams.core.portfolio import Portfolio
from streams.core.requests import reply_to, solve_request
from streams.readmodel.embedded import EmbeddedStore
from tests.api.served import Client, served
from tests.api.test_reading import problem_of
from tests.api.world import NAMES, POLICY, World

OBJECTIVES = ["min_variance", "max_sharpe", "risk_parity", "hrp", "inverse_volatility"]


def order(number=99, request_id="r1", overrides=None):
    """An order of a person, as it stands in the journal."""
    return Control(
        source=Position(topic="control.requests.v1", partition=0, offset=number),
        request=ControlRequest(
            request_id=request_id,
            portfolio_id="main",
            action="rebalance",
            reason="why",
            requested_by="ann",
            overrides=overrides,
        ),
    )


def limits(**changes):
    return Overrides(constraints=ConstraintOverrides(**changes))


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

    def restart(self, image):
        """Go on from an image, as another process would."""
        self.shard.portfolios["main"] = Portfolio.from_state(decode_image(image))

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

    engine.step(order())
    engine.answer()
    decision = engine.newest(Decision)
    assert decision.trigger.reference == "r1"
    assert without_ids(preview.decision) == without_ids(decision)
    if decision.outcome == "accepted":
        command = engine.newest(RebalanceCommand)
        assert command.decision_id == decision.decision_id
        assert preview.command.target_weights == command.target_weights
        assert preview.command.target_cash == command.target_cash


OVERRIDES = {
    "objective": Overrides(objective=Objective(type="risk_parity")),
    "weight_max": limits(weight_max=0.4),
    "families": limits(families={"trend": FamilyLimit(max=0.5)}),
    "turnover": limits(turnover_max=0.05),
    "volatility": limits(volatility_max=0.05),
    "correlation": limits(correlation=CorrelationLimits(exclusive=(("alpha", "beta"),))),
    "infeasible": limits(families={"trend": FamilyLimit(min=0.9)}, volatility_max=1e-4),
    "contradicts": limits(weight_min=0.9),
}


@pytest.mark.parametrize("asked", OVERRIDES.values(), ids=OVERRIDES)
def test_overrides_preview_what_the_order_with_them_decides_once(tmp_path, asked):
    engine = fed(tmp_path, POLICY, bars=30, leave_open=False)
    image = engine.image()
    preview = preview_of(Portfolio.from_state(decode_image(image)), "why", asked)
    plain = preview_of(Portfolio.from_state(decode_image(image)), "why")

    engine.step(order(overrides=asked))
    waiting = engine.image()
    engine.restart(waiting)  # what they are is in the state
    assert engine.image() == waiting
    engine.answer()
    decision = engine.newest(Decision)
    assert decision.trigger.overrides == asked
    assert without_ids(preview.decision) == without_ids(decision)
    assert (decision.outcome, decision.stages) != (plain.decision.outcome, plain.decision.stages)
    keeps_what_was_asked_for(decision)

    engine.step(order(number=100, request_id="r2"))
    engine.answer()
    after = engine.newest(Decision)
    assert after.trigger.overrides is None
    assert after.objective == POLICY["objective"]["type"]
    assert after.outcome == "accepted"
    assert after.stages.rounded == pytest.approx(plain.decision.stages.rounded, abs=1e-6)


def keeps_what_was_asked_for(decision):
    """Nothing of the solver has a say here: the figures are those of the decision."""
    asked = decision.trigger.overrides
    wanted = asked.objective.type if asked.objective else POLICY["objective"]["type"]
    assert decision.objective == wanted
    if decision.outcome == "declined":
        assert decision.reason.partition(":")[0] in {"infeasible", "overrides"}
        return
    weights, chosen = decision.stages.rounded, asked.constraints
    if chosen is None:
        assert decision.risk_contributions == pytest.approx(dict.fromkeys(NAMES, 1 / 3), abs=1e-4)
    elif chosen.weight_max is not UNSET:
        assert max(weights) <= chosen.weight_max + 1e-8
    elif chosen.families is not UNSET:
        assert sum(weights) <= chosen.families["trend"].max + 1e-8
    elif chosen.turnover_max is not UNSET:
        assert decision.turnover <= chosen.turnover_max + 1e-8
    elif chosen.volatility_max is not UNSET:
        assert decision.ex_ante.volatility_annual <= chosen.volatility_max + 1e-8
    else:
        assert min(weights[NAMES.index("alpha")], weights[NAMES.index("beta")]) == 0.0


def test_overrides_that_a_newer_policy_contradicts_are_declined(tmp_path):
    engine = fed(tmp_path, POLICY, bars=20, leave_open=False)
    engine.step(order(overrides=limits(weight_min=0.9)))
    decision = engine.newest(Decision)
    assert decision.outcome == "declined"
    assert decision.reason.startswith("overrides: constraints.weight_min 0.9")
    assert not engine.asked


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


def test_what_takes_long_leaves_threads_to_what_does_not(fresh_store, fresh_world):
    """All turns are taken by previews that wait for an image; reads are answered all the same."""
    begun, over = threading.Semaphore(0), threading.Event()
    image_of = fresh_world.image

    def slow(portfolio_id, shard):
        begun.release()
        assert over.wait(30.0)
        return image_of(portfolio_id, shard)

    fresh_world.image = slow
    with served(fresh_store, fresh_world) as client, ThreadPoolExecutor(TURNS_MAX) as pool:
        waiting = [pool.submit(ask, client.base) for _ in range(TURNS_MAX)]
        for _ in waiting:
            assert begun.acquire(timeout=30.0)
        for path in ("/portfolio/preview", "/portfolio/frontier"):
            refused = client.post(path, json={})
            assert "under way" in problem_of(refused, 429)
            assert refused.headers["retry-after"] == "1"
        assert client.get("/portfolio/weights").status_code == 200
        over.set()
        assert [one.result().status_code for one in waiting] == [200] * TURNS_MAX
        assert client.post("/portfolio/preview", json={}).status_code == 200


def ask(base):
    with Client(base) as client:
        return client.post("/portfolio/preview", json={})


def test_a_checkpoint_of_another_version_is_no_error_of_ours():
    images = Images(lambda *_: b"no state of this version")
    with pytest.raises(ProblemError, match="the newest checkpoint of portfolio 'main'") as raised:
        images.portfolio("main", 0)
    assert raised.value.status == 503
