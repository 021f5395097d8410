"""The engine in one process speaks as a journal would."""

import pytest

from schemas.events import ControlRequest, PortfolioRegistration
from schemas.journal import Control, Position
from schemas.optimize import OptimizeRequest
from schemas.topics import COVARIANCE, DECISIONS, OPTIMIZE, SHADOWS, STATE
from streams.core.standing import VIEWS
from streams.runtime.local import LocalEngine
from tests.core.worlds import World, canonical, frame, in_time_order, of_topic, policy_for, ragged

NAMES = ("a", "b", "c")
ROWS = in_time_order(ragged(31, NAMES, 30))


def engine(views=VIEWS):
    policy = policy_for(NAMES)
    return LocalEngine(PortfolioRegistration(portfolio_id="p", shard=0, policy=policy), views)


@pytest.mark.parametrize("size", [1, 7, 1000])
def test_rows_fed_in_any_chunks_give_what_a_journal_of_frames_gives(size):
    world = World(policy_for(NAMES))
    world.publish(ROWS, (11,))
    chunks = [frame(ROWS[i : i + size], i) for i in range(0, len(ROWS), size)]
    assert canonical(list(engine().feed(chunks))) == canonical(world.outputs)


def test_every_request_is_answered_before_the_walk_goes_on():
    waiting = 0
    for output in engine().feed([frame(ROWS, 0)]):
        if isinstance(output.message, OptimizeRequest):
            assert waiting == 0
            waiting += 1
        elif output.topic is DECISIONS and output.message.estimates is not None:
            waiting -= 1
    assert waiting == 0


@pytest.mark.parametrize("left", [VIEWS - {COVARIANCE}, VIEWS - {SHADOWS, STATE}, frozenset()])
def test_records_that_nobody_reads_are_not_made_and_change_no_other(left):
    every, told = engine(), engine(left)
    outputs = list(every.feed([frame(ROWS, 0)]))
    wanted = [output for output in outputs if output.topic not in VIEWS - left]
    assert len(wanted) < len(outputs)
    assert canonical(list(told.feed([frame(ROWS, 0)]))) == canonical(wanted)
    assert told.shard.image_of("p") == every.shard.image_of("p")


def test_an_event_between_rows_is_followed_to_its_end():
    local = engine()
    fed = list(local.feed([frame(ROWS[:60], 0)]))
    source = Position("control.requests.v1", 0, 0)
    request = ControlRequest(request_id="c", portfolio_id="p", action="rebalance")
    outputs = local.append(Control(source=source, request=request))
    assert len(of_topic(outputs, OPTIMIZE.name)) == 1
    (decision,) = of_topic(outputs, DECISIONS.name)
    assert decision.trigger.kind == "manual"
    assert decision.version == len(of_topic(fed, DECISIONS.name)) + 1
