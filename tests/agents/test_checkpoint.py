"""Whatever is lost, stale or torn on the checkpoint topic, a shard resumes from something true."""

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.checkpoint import CHUNK_BYTES_MAX
from schemas.codec import decode_chunk, encode_record
from streams.agents.checkpoint import (
    KEPT,
    CheckpointError,
    Found,
    Gatherer,
    Image,
    Mark,
    chunks_of,
    mark_of,
    outdated,
    plan,
    position_key,
    position_of,
    records_of,
    why_refused,
)

NAMES = ("a", "b", "c")
CHUNK = 16  # bytes; images of the model are some four chunks long


class Log:
    """A journal, as far as checkpoints care: which portfolios each record concerns."""

    def __init__(self, concerned):
        self.concerned = concerned

    def touched(self, name, before):
        """How many of the records before an offset concern a portfolio: its whole state."""
        return sum(name in names for names in self.concerned[:before])

    def image(self, name, before):
        """The exact bytes of a state: the same state gives the same bytes."""
        count = self.touched(name, before)
        return f"{name}:{count}:".encode() + bytes([count % 256]) * (CHUNK * 3)

    def registered(self, before):
        return [name for name in NAMES if self.touched(name, before)]


class Writer:
    """A worker's checkpoints, by the rules of the shell."""

    def __init__(self, log, resume=None):
        self.log = log
        self.written = {}
        self.applied_from = {}
        self.keys = {} if resume is None else resume.keys
        self.next_offset = 0 if resume is None else resume.next_offset
        for name, (applied_from, image) in ({} if resume is None else resume.portfolios).items():
            self.written[name] = mark_of(image)
            self.applied_from[name] = applied_from

    def checkpoint(self, upto):
        """The records of a checkpoint after folding up to an offset, in the order they are sent."""
        names = [
            name
            for name in self.log.registered(upto)
            if self.log.touched(name, upto) > self.log.touched(name, self.next_offset)
        ]
        self.next_offset = upto
        records, needless = [], []
        for name in names:
            at = max(upto, self.applied_from.get(name, 0))
            image = Image(at, self.log.image(name, at))
            chunks = records_of(0, name, image, bytes_max=CHUNK)
            records += chunks
            self.written[name] = mark_of(image)
            keys = self.keys.setdefault(name, {})
            keys[at] = [key for key, _ in chunks]
            needless += outdated(keys, at)
        position = (position_key(0), position_of(0, upto, self.written))
        return [*records, position, *((key, None) for key in needless)]


def gathered(records):
    gatherer = Gatherer()
    for key, value in records:
        gatherer.add(key, value)
    return gatherer.found()


def assert_true_to(log, found, newest):
    """Folding from the plan gives the state at any later offset, and begins not too late."""
    resume = plan(0, found)
    assert 0 <= resume.next_offset <= newest
    for name, (applied_from, image) in resume.portfolios.items():
        assert image.data == log.image(name, image.next_offset)  # whole, and of one set
        assert applied_from >= resume.next_offset
        # what lies between the image and where its fold goes on does not concern it
        assert log.touched(name, applied_from) == log.touched(name, image.next_offset)
    for name in log.registered(resume.next_offset):
        assert name in resume.portfolios
    return resume


@st.composite
def logs(draw):
    concerned = draw(st.lists(st.sets(st.sampled_from(NAMES)), min_size=4, max_size=40))
    return Log([frozenset(names) for names in concerned])


def compacted(records, dirty):
    """What a compacted topic keeps: the last of each key, all of the not yet cleaned tail."""
    clean, tail = records[: len(records) - dirty], records[len(records) - dirty :]
    last = {key: number for number, (key, _) in enumerate(clean)}
    kept = [record for number, record in enumerate(clean) if last[record[0]] == number]
    return [record for record in kept if record[1] is not None] + tail


@given(logs(), st.data())
def test_any_crash_and_any_zombie_leave_something_true_to_resume_from(log, data):
    """Workers follow each other, each may be cut off within a checkpoint; zombies write late."""
    records, zombie, newest = [], None, 0
    for _ in range(data.draw(st.integers(1, 4), "workers")):
        dirty = data.draw(st.integers(0, len(records)), "not yet compacted")
        resume = assert_true_to(log, gathered(compacted(records, dirty)), newest)
        writer = Writer(log, resume)
        for _ in range(data.draw(st.integers(0, 3), "checkpoints")):
            upto = data.draw(st.integers(writer.next_offset, len(log.concerned)), "upto")
            batch = writer.checkpoint(upto)
            newest = max(newest, upto)
            if zombie is not None and data.draw(st.booleans(), "the zombie wakes"):
                at = data.draw(st.integers(0, len(batch)), "between the records")
                records += batch[:at] + zombie + batch[at:]
                zombie = None
            elif data.draw(st.integers(0, 4), "frozen or cut off") == 0:
                cut = data.draw(st.integers(0, len(batch)), "after")
                records += batch[:cut]
                zombie = batch[cut:] if data.draw(st.booleans(), "only frozen") else None
                break
            else:
                records += batch
    assert_true_to(log, gathered(compacted(records, len(records))), newest)


@given(logs(), st.data())
def test_losing_any_records_of_the_newest_checkpoint_goes_back_to_the_one_before(log, data):
    writer = Writer(log)
    half = len(log.concerned) // 2
    before = writer.checkpoint(half)
    after = writer.checkpoint(len(log.concerned))
    lost = data.draw(st.sets(st.integers(0, len(after) - 1)))
    kept = [record for number, record in enumerate(after) if number not in lost]
    order = data.draw(st.permutations(before + kept))
    found = gathered(order)
    if any(name not in found.images for name in _named(found)):
        with pytest.raises(CheckpointError):  # all of a portfolio's first checkpoint is lost
            plan(0, found)
        return
    resume = assert_true_to(log, found, len(log.concerned))
    if not lost:
        assert resume.next_offset == len(log.concerned)
    if after.index(next(r for r in after if r[0] == position_key(0))) in lost:
        assert resume.next_offset == half


def _named(found):
    return [] if found.position is None else [e.portfolio_id for e in found.position.portfolios]


def test_only_the_newest_images_of_a_portfolio_stay_on_the_topic():
    log = Log([{"a"}, {"b"}, {"a"}, {"b"}, {"a"}, {"b"}])
    writer = Writer(log)
    records = [record for upto in range(1, 7) for record in writer.checkpoint(upto)]
    kept = compacted(records, 0)
    for name, offsets in (("a", {3, 5}), ("b", {4, 6})):
        of_name = [key for key, _ in kept if f"/{name}/".encode() in key]
        assert {int(key.split(b"/")[-2]) for key in of_name} == offsets
        assert len(offsets) == KEPT


def test_two_writers_whose_records_alternate_leave_both_images_whole():
    log = Log([{"a"}] * 8)
    owner, zombie = Writer(log), Writer(log)
    records = owner.checkpoint(2)
    ours, stale = owner.checkpoint(6), zombie.checkpoint(4)
    for pair in zip(ours, stale, strict=True):
        records += pair
    torn = owner.checkpoint(8)[:1]
    resume = assert_true_to(log, gathered(compacted(records + torn, 0)), 8)
    assert resume.portfolios["a"].image.next_offset == 6


def test_the_first_checkpoint_after_a_restart_spares_the_one_it_was_restored_from():
    log = Log([{"a"}] * 6)
    writer = Writer(log)
    records = writer.checkpoint(2) + writer.checkpoint(4)
    again = Writer(log, plan(0, gathered(records)))
    torn = again.checkpoint(6)[:2]
    kept = dict(records) | dict(torn)  # compacted at once: the last of each key
    resume = assert_true_to(log, gathered(kept.items()), 6)
    assert resume.next_offset == 4


def test_an_idle_portfolio_keeps_the_offset_of_its_own_checkpoint_over_restarts():
    """Else each restart would fold again from its last change, which the journal may have lost."""
    log = Log([{"a"}] + [{"b"}] * 9)
    records = Writer(log).checkpoint(3)
    for upto in (6, 8, 10):
        resume = plan(0, gathered(records))
        records += Writer(log, resume).checkpoint(upto)
    resume = assert_true_to(log, gathered(records), 10)
    assert resume.next_offset == 10
    assert resume.portfolios["a"].image.next_offset == 3
    assert resume.portfolios["a"].applied_from == 10


def test_an_image_ahead_of_the_position_is_not_applied_again():
    log = Log([{"a"}] * 4 + [{"b"}] * 4)
    writer = Writer(log)
    records = writer.checkpoint(2) + writer.checkpoint(5)[:-1]  # cut off before the position
    resume = assert_true_to(log, gathered(records), 5)
    assert (resume.next_offset, resume.portfolios["a"].applied_from) == (2, 5)


def test_an_image_older_than_the_position_expects_makes_the_fold_longer():
    log = Log([{"a"}, {"b"}] * 4)
    writer = Writer(log)
    first, second = writer.checkpoint(3), writer.checkpoint(7)
    lost = [(key, value) for key, value in second if b"/a/" not in key]
    resume = assert_true_to(log, gathered(first + lost), 7)
    assert resume.next_offset == resume.portfolios["a"].applied_from == 3
    assert resume.portfolios["b"].applied_from == 7


def test_a_portfolio_without_any_complete_checkpoint_is_refused_by_name():
    position = position_of(5, 9, {"b": Mark(4, 1)})
    found = gathered([(position_key(5), position)])
    with pytest.raises(CheckpointError, match="shard 5: no complete checkpoint of portfolio b"):
        plan(5, found)


def test_a_journal_that_does_not_reach_where_to_resume_is_refused_in_words():
    resume = plan(0, gathered(Writer(Log([{"a"}] * 9)).checkpoint(7)))
    assert why_refused(3, resume, 7, 7) == ""
    for low, high in ((0, 6), (8, 9)):
        assert why_refused(3, resume, low, high) == (
            "shard 3: the checkpoint resumes at journal offset 7, but the journal holds"
            f" {low} to {high}; restore the journal, or start a new scope and publish the returns"
            " again"
        )


def test_an_unreadable_checkpoint_is_refused_where_its_journal_has_no_beginning():
    """Else the portfolio would lose what lies before; with the beginning it is folded again."""
    log = Log([{"a", "b"}] * 9)
    writer = Writer(log)
    found = gathered(writer.checkpoint(4) + writer.checkpoint(7))
    found.pass_over("a", "it lacks 'x'")
    resume = plan(3, found)
    assert resume.next_offset == resume.portfolios["a"].applied_from == 4  # the one behind it
    found.pass_over("a", "it lacks 'y'")
    resume = plan(3, found)
    assert (resume.next_offset, set(resume.portfolios)) == (0, {"b"})
    assert why_refused(3, resume, 0, 9) == ""
    assert why_refused(3, resume, 2, 9) == (
        "shard 3: the checkpoint of portfolio a at journal offset 4 cannot be read: it lacks 'y'."
        " It would be folded again from journal offset 0, but the journal holds 2 to 9; run the"
        " version that wrote the checkpoint, or start a new scope and publish the returns again"
    )


def test_nothing_on_the_topic_means_the_beginning():
    resume = plan(0, Found())
    assert (resume.next_offset, resume.portfolios) == (0, {})


def test_images_without_a_position_are_not_used():
    """The first checkpoint was cut off: the journal is folded from its beginning."""
    log = Log([{"a"}] * 4)
    resume = plan(0, gathered(Writer(log).checkpoint(4)[:-1]))
    assert (resume.next_offset, resume.portfolios) == (0, {})


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES_MAX, CHUNK_BYTES_MAX + 1, 2_700_001])
def test_an_image_of_any_size_comes_back_whole_in_records_below_the_limit(size):
    data = np.random.default_rng(size).integers(0, 256, size, dtype=np.uint8).tobytes()
    records = records_of(2, "p", Image(7, data))
    assert len(records) == max(1, -(-size // CHUNK_BYTES_MAX))
    assert all(len(value) < 1_000_000 for _, value in records)
    assert len({key for key, _ in records}) == len(records)
    assert gathered(reversed(records)).images == {"p": Image(7, data)}


@given(st.binary(min_size=1, max_size=60), st.integers(0, 3), st.integers(1, 255))
def test_a_chunk_with_other_bytes_spoils_its_image_only(data, which, damage):
    records = records_of(0, "p", Image(9, data), bytes_max=CHUNK)
    older = records_of(0, "p", Image(5, b"older"))
    which = min(which, len(records) - 1)
    key, value = records[which]
    part = decode_chunk(value)
    spoilt = bytes([part.data[0] ^ damage]) + part.data[1:]
    records[which] = (key, encode_record(msgspec.structs.replace(part, data=spoilt)))
    assert gathered(records + older).images == {"p": Image(5, b"older")}


@given(st.binary(max_size=60), st.sampled_from([b"0/position", b"0/portfolio/p/0/0", b"", b"/"]))
def test_a_foreign_record_on_the_topic_counts_as_lost(garbage, key):
    log = Log([{"a"}] * 4)
    records = Writer(log).checkpoint(3)
    found = gathered([*records, (key, garbage)])
    assert_true_to(log, found, 3)
    assert plan(0, found).next_offset == 3


def test_chunks_of_two_sets_are_never_joined_even_where_their_offsets_agree():
    """A crash between two chunks, and another state of the same length written over them."""
    first = records_of(0, "p", Image(4, b"x" * 40), bytes_max=CHUNK)
    second = records_of(0, "p", Image(4, b"y" * 40), bytes_max=CHUNK)
    assert gathered(first[:2] + second[2:]).images == {}


def test_chunks_cut_to_another_size_are_never_joined():
    first = records_of(0, "p", Image(4, b"x" * 40), bytes_max=CHUNK)
    second = records_of(0, "p", Image(4, b"x" * 40), bytes_max=CHUNK * 2)
    assert gathered(first[1:] + second[:1]).images == {}
    assert [part.chunks for part in chunks_of("p", 4, b"x" * 40, bytes_max=CHUNK)] == [3, 3, 3]


def test_the_furthest_position_counts_whoever_wrote_last():
    log = Log([{"a"}] * 8)
    writer, zombie = Writer(log), Writer(log)
    records = writer.checkpoint(2)
    stale = zombie.checkpoint(3)
    records += writer.checkpoint(6) + stale
    assert assert_true_to(log, gathered(records), 6).next_offset == 6
    kept = dict(records)  # compacted: only the zombie's position is left, and images of both
    assert assert_true_to(log, gathered(kept.items()), 6).next_offset == 3
