"""A shard that is checkpointed, lost and restored at any point folds to the same bytes."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from schemas.events import PortfolioRegistration
from schemas.journal import Nudge, PortfolioRegistered, Position, Release, Tick
from schemas.optimize import OptimizeRequest
from schemas.topics import REGISTRY
from streams.agents.checkpoint import Gatherer, Image, plan, records_of
from streams.agents.owned import STALL_S, Owned, restored, resumed
from streams.core.deciding import NUDGES_MAX
from streams.core.fold import Shard
from streams.core.image import decode_image, encode_image
from tests.core.worlds import World, canonical, in_time_order, policy_for, ragged

NAMES = ("a", "b", "c", "d")
BARS = 30
SEEDS = st.integers(0, 2**32 - 1)


def journal_of(seed):
    """A journal of one portfolio in full and one that joins late, ticks and releases among."""
    world = World(policy_for(NAMES), lag=2)
    rows = in_time_order(ragged(seed, NAMES, BARS))
    world.publish(rows[: len(rows) // 2], (9, 4))
    late = PortfolioRegistration(
        portfolio_id="late", shard=0, policy=policy_for(NAMES[:2], portfolio_id="late")
    )
    world.append(PortfolioRegistered(source=Position(REGISTRY.name, 0, 1), registration=late))
    world.append(Tick(now_ns=1))
    world.publish(rows[len(rows) // 2 :], (6, 11))
    world.append(Release(strategy_id="a", through_ns=rows[-1].stamp_ns))
    for number in range(3):
        world.append(Tick(now_ns=number))
    world.answer_all()
    return world


def gathered(records):
    gatherer = Gatherer()
    for key, value in records:
        gatherer.add(key, value)
    return gatherer.found()


@given(SEEDS, st.data())
def test_a_worker_lost_at_any_record_of_any_checkpoint_loses_nothing(seed, data):
    world = journal_of(seed)
    journal, size = world.journal, len(world.journal)
    topic = []
    owned = Owned(Shard(0))
    for _ in range(data.draw(st.integers(1, 4), "lives")):
        stop = data.draw(st.integers(owned.shard.next_offset, size), "dies before")
        every = data.draw(st.integers(1, 15), "checkpoint every")
        sent = []
        while owned.shard.next_offset < stop:
            offset = owned.shard.next_offset
            owned.shard.step([(offset, journal[offset])])
            if owned.shard.next_offset % every == 0 and owned.is_due:
                owned.take()
                sent, owned.image = owned.image, None
                topic += sent
        if sent and data.draw(st.booleans(), "the last write is torn"):
            del topic[len(topic) - data.draw(st.integers(0, len(sent)), "lost") :]
        kept = dict(topic) if data.draw(st.booleans(), "compacted") else topic
        owned = restored(0, plan(0, gathered(kept.items() if kept is not topic else kept)))
    for offset in range(owned.shard.next_offset, size):
        owned.shard.step([(offset, journal[offset])])
    assert encode_image(owned.shard.canonical_state()) == encode_image(
        world.shard.canonical_state()
    )


@given(SEEDS, st.integers(1, 40))
def test_what_is_published_again_after_a_restart_are_the_same_bytes(seed, at):
    world = journal_of(seed)
    at = min(at, len(world.journal))
    owned = Owned(Shard(0))
    before = owned.shard.step(enumerate(world.journal[:at]))
    owned.take()
    again = restored(0, plan(0, gathered(owned.image)))
    assert again.shard.next_offset == at
    after = again.shard.step((n, r) for n, r in enumerate(world.journal) if n >= at)
    for name in world.shard.portfolios:  # the order between portfolios is nobody's promise
        ours = [output for output in before + after if output.key == name]
        theirs = [output for output in world.outputs if output.key == name]
        assert canonical(ours) == canonical(theirs)


def lacking(owned, name):
    """The image of a portfolio as a version before the paper books would have written it."""
    state = decode_image(owned.shard.image_of(name))
    del state["walk"]["shadows"]
    return encode_image(state)


def test_what_an_older_version_wrote_is_passed_over_and_folded_again():
    """Its own older images are no help; the other portfolio goes on from where it was."""
    world = journal_of(2)
    journal, size = list(enumerate(world.journal)), len(world.journal)
    topic, owned = [], Owned(Shard(0))
    for upto in (size // 2, size - 1):
        owned.shard.step(journal[:upto])
        owned.take()
        topic += [record for record in owned.image if b"/p/" not in record[0]]
        topic += records_of(0, "p", Image(upto, lacking(owned, "p")))
    again, resume = resumed(0, gathered(topic))
    assert (resume.next_offset, set(resume.portfolios)) == (0, {"late"})
    (why,) = resume.unreadable
    assert f"checkpoint of portfolio p at journal offset {size // 2} cannot be read" in why
    assert "it lacks 'shadows'" in why
    again.shard.step(journal[: size - 3])
    again.take()
    # what it writes now is older than what cannot be read, and counts all the same
    third, resume = resumed(0, gathered(topic + again.image))
    assert resume.next_offset == size - 3
    assert len(resume.unreadable) == 1
    for owned in (again, third):
        owned.shard.step(journal)
        found = encode_image(owned.shard.canonical_state())
        assert found == encode_image(world.shard.canonical_state())


def test_a_portfolio_restored_ahead_of_its_shard_is_labelled_with_what_it_has_applied():
    world = journal_of(3)
    journal, half = world.journal, len(world.journal) // 2

    def fold(owned, first, end):
        owned.shard.step((number, journal[number]) for number in range(first, end))
        owned.write_all_again()
        owned.take()
        return owned.image

    first = Owned(Shard(0))
    position = fold(first, 0, half)[-1]
    torn = fold(first, half, half + 10)[:-1]
    second = restored(0, plan(0, gathered([*torn, position])))
    assert second.shard.next_offset == half
    found = gathered(fold(second, half, half + 5))
    assert {image.next_offset for image in found.images.values()} == {half + 10}
    third = restored(0, plan(0, found))
    fold(third, half + 5, len(journal))
    assert encode_image(third.shard.canonical_state()) == encode_image(
        world.shard.canonical_state()
    )


def test_what_did_not_change_is_not_written_again_unless_it_must():
    world = journal_of(1)
    owned = Owned(Shard(0))
    size = len(world.journal)
    owned.shard.step(enumerate(world.journal))
    owned.take()
    assert len(owned.image) == 1 + len(owned.shard.portfolios)
    owned.image = None
    assert not owned.is_due
    owned.shard.step([(size, Tick(now_ns=5))])
    assert owned.is_due
    owned.take()
    assert len(owned.image) == 1  # the position alone
    owned.image = None
    owned.write_all_again()
    assert owned.is_due
    owned.take()
    assert len(owned.image) == 1 + len(owned.shard.portfolios)


def test_a_shard_that_never_had_a_record_writes_nothing_after_a_rebalance():
    owned = restored(0, plan(0, gathered([])))
    owned.write_all_again()
    assert not owned.is_due


def waiting():
    """A shard whose portfolio waits for an answer that does not come."""
    world = World(policy_for(NAMES), lag=10**6)
    world.publish(in_time_order(ragged(2, NAMES, BARS)), (5,))
    assert world.portfolio.walk.pending is not None
    return Owned(world.shard), world


def test_a_request_is_nudged_once_each_interval_and_only_while_it_waits():
    owned, world = waiting()
    request = world.portfolio.walk.pending.request
    nudge = Nudge(portfolio_id="p", request_id=request.request_id, attempt=1)
    assert owned.due_nudges(100.0, 5_000) == []  # seen for the first time
    assert owned.due_nudges(104.9, 5_000) == []
    assert owned.due_nudges(105.1, 5_000) == [nudge]
    assert owned.due_nudges(105.2, 5_000) == []
    assert owned.due_nudges(110.2, 5_000) == [nudge]  # the first may lie far back in the journal
    world.answer_all()
    assert owned.due_nudges(120.0, 5_000) == []
    assert owned.waiting == {}


def test_nudges_issue_a_request_again_and_give_it_up_at_last():
    owned, world = waiting()
    now_s, attempts = 0.0, []
    for _ in range(3 * NUDGES_MAX):
        for nudge in owned.due_nudges(now_s, 1_000):
            outputs = world.append(nudge)
            attempts += [
                o.message.attempt for o in outputs if isinstance(o.message, OptimizeRequest)
            ]
            assert world.append(nudge) == []  # a second copy, by a worker that was frozen
        if len(attempts) >= NUDGES_MAX and attempts[-1] == 1:
            break
        now_s += 1.1
    declined = [o.message for o in world.outputs if getattr(o.message, "reason", "") == "no_answer"]
    assert attempts[:NUDGES_MAX] == [2, 3, 4]
    assert len(declined) == 1
    assert declined[0].outcome == "declined"


def test_the_model_s_journal_holds_what_the_laws_are_about():
    world = journal_of(1)
    assert set(world.shard.portfolios) == {"p", "late"}
    assert {type(record).__name__ for record in world.journal} >= {
        "Frame",
        "PortfolioRegistered",
        "Release",
        "Reply",
        "Tick",
    }
    assert np.any([isinstance(output.message, OptimizeRequest) for output in world.outputs])


def folded(owned, upto):
    """Fold ticks, which concern nobody, up to an offset, and take a checkpoint."""
    first = owned.shard.next_offset
    owned.shard.step((number, Tick(now_ns=number)) for number in range(first, upto))
    owned.take()
    return owned.image


def test_over_restarts_the_last_two_images_of_each_portfolio_stay_and_older_ones_go():
    world = journal_of(1)
    size = len(world.journal)
    owned = Owned(Shard(0))
    owned.shard.step(enumerate(world.journal))
    topic = {}
    for number in range(1, 6):
        owned.write_all_again()
        topic |= dict(folded(owned, size + number))  # compacted at once: the last of each key
        owned = restored(0, plan(0, gathered(topic.items()))) if number % 2 else owned
    left = {key for key, value in topic.items() if value is not None}
    images = {f"0/portfolio/{n}/{size + at}/0".encode() for n in ("p", "late") for at in (4, 5)}
    assert left == {*images, b"0/position"}


def test_an_idle_portfolio_is_not_taken_for_a_stale_one_after_restarts():
    """Else a journal that no longer reaches back to its last change would be refused."""
    world = journal_of(1)
    size = len(world.journal)
    owned = Owned(Shard(0))
    owned.shard.step(enumerate(world.journal))
    owned.take()
    topic = owned.image
    for number in range(1, 4):
        owned = restored(0, plan(0, gathered(topic)))
        topic = topic + folded(owned, size + 10 * number)
        resume = plan(0, gathered(topic))
        assert resume.next_offset == size + 10 * number
    assert {each.image.next_offset for each in resume.portfolios.values()} == {size}


def test_a_shard_stands_still_when_records_have_waited_and_none_has_come():
    owned = Owned(Shard(3), moved_s=100.0)
    assert not owned.stands_still(5, 100.0 + STALL_S)
    assert owned.stands_still(5, 100.1 + STALL_S)


def test_an_idle_shard_has_time_for_the_first_record_after_it():
    owned = Owned(Shard(3), moved_s=100.0)
    assert not owned.stands_still(0, 5_000.0)  # nothing waits
    assert not owned.stands_still(1, 5_000.0 + STALL_S)
    assert owned.stands_still(1, 5_000.1 + STALL_S)
