"""Every arrival ends in a frame, a record or a dead letter; a shard's rows keep their order."""

import itertools
from collections import Counter

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.codec import decode_record, encode_record
from schemas.events import ControlRequest, ExecutionReport, RiskSignal
from schemas.journal import (
    FRAME_BYTES_MAX,
    ROW_INACTIVE,
    ROWS_PER_FRAME_MAX,
    Control,
    Frame,
    PortfolioRegistered,
    Report,
    Risk,
    StrategyRegistered,
)
from schemas.topics import CONTROL, REGISTRY, REPORTS, RETURNS, RISK
from streams.core.frames import unpack
from streams.ingest.arrivals import Arrival, decode
from streams.ingest.route import Router
from tests.ingest.arriving import (
    POISON,
    START_NS,
    a_return,
    on_registry,
    portfolio,
    registry,
    request,
    strategy,
    tombstone,
    with_policy,
)

WORLD = registry(
    portfolio("p", shard=3),
    portfolio("q", shard=7, members=["s0", "listed"]),
    portfolio("r", shard=3),
    strategy("s0", "p"),
    strategy("s1", "p", "r"),
    strategy("s2", "q"),
    strategy("lost", "nowhere"),
)


def router(world=WORLD):
    made = Router(shards=12)
    made.learn(decode(world))
    return made


def rows_of(routed):
    """Rows (topic, partition, offset, name, stamp, value, kind) of every shard."""
    found = {}
    for shard, frames in routed.frames.items():
        for frame in frames:
            rows = unpack(frame)
            for i in range(len(rows)):
                found.setdefault(shard, []).append(
                    (
                        int(rows.source_partition[i]),
                        int(rows.source_offset[i]),
                        rows.names[rows.strategy[i]],
                        int(rows.period_end_ns[i]),
                        repr(float(rows.value[i])),
                        int(rows.kind[i]),
                    )
                )
    return found


def test_a_strategy_goes_to_every_shard_it_is_in_and_once_to_each():
    arrivals = [a_return(i, name, i) for i, name in enumerate(["s0", "s1", "s2", "listed"])]
    rows = rows_of(router().route(decode(arrivals)))
    assert {shard: [row[2] for row in here] for shard, here in rows.items()} == {
        3: ["s0", "s1"],
        7: ["s0", "s2", "listed"],
    }


def test_rows_carry_what_was_sent():
    arrivals = [
        a_return(5, "s2", 1, -0.25, partition=4),
        a_return(6, "s2", 2, status="progress", partition=4),
        a_return(7, "s2", 2, status="inactive", partition=4),
    ]
    assert rows_of(router().route(decode(arrivals)))[7] == [
        (4, 5, "s2", START_NS + 10**9, "-0.25", 0),
        (4, 6, "s2", START_NS + 2 * 10**9, "nan", 1),
        (4, 7, "s2", START_NS + 2 * 10**9, "nan", 2),
    ]


def a_poll(draw_names):
    offsets = Counter()
    arrivals = []
    for second, (name, partition) in enumerate(draw_names):
        value, _ = POISON[second % len(POISON)]
        if name == "poison":
            arrivals.append(Arrival(RETURNS.name, partition, offsets[partition], None, value))
        else:
            arrivals.append(a_return(offsets[partition], name, second, partition=partition))
        offsets[partition] += 1
    return arrivals


names = st.sampled_from(["s0", "s1", "s2", "listed", "ghost", "lost", "poison"])
polls = st.lists(st.tuples(names, st.integers(0, 2)), max_size=40).map(a_poll)


@given(polls, st.lists(st.integers(0, 40), max_size=5))
def test_any_split_of_a_poll_gives_the_same_rows_and_dead_letters(arrivals, cuts):
    whole = router().route(decode(arrivals))
    split = router()
    joined, dead = {}, []
    edges = [0, *sorted(min(cut, len(arrivals)) for cut in cuts), len(arrivals)]
    for start, stop in itertools.pairwise(edges):
        part = split.route(decode(arrivals[start:stop]))
        for shard, rows in rows_of(part).items():
            joined.setdefault(shard, []).extend(rows)
        dead += part.dead
    assert joined == rows_of(whole)
    key = msgspec.structs.astuple
    assert sorted(map(key, dead), key=repr) == sorted(map(key, whole.dead), key=repr)


@given(polls)
def test_nothing_is_lost_and_rows_of_a_partition_keep_their_order(arrivals):
    routed = router().route(decode(arrivals))
    rows = rows_of(routed)
    ended = Counter((row[0], row[1]) for here in rows.values() for row in set(here))
    buried = Counter((d.source.partition, d.source.offset) for d in routed.dead)
    assert set(ended) | set(buried) == {(a.partition, a.offset) for a in arrivals}
    assert not set(ended) & set(buried)
    assert max(buried.values(), default=1) == 1
    originals = {(a.partition, a.offset): (a.key, a.value) for a in arrivals}
    for letter in routed.dead:
        place = (letter.source.partition, letter.source.offset)
        assert (letter.key, letter.value) == originals[place]
    for here in rows.values():
        for partition in range(3):
            offsets = [row[1] for row in here if row[0] == partition]
            assert offsets == sorted(set(offsets))


@pytest.mark.parametrize(("value", "code"), POISON)
def test_poison_is_buried_with_its_reason_and_stops_nothing(value, code):
    poison = Arrival(RETURNS.name, 2, 9, b"any", value)
    routed = router().route(decode([a_return(0, "s0", 0), poison, a_return(1, "s0", 1)]))
    assert [row[1] for row in rows_of(routed)[3]] == [0, 1]
    (letter,) = routed.dead
    assert letter.value == value
    assert code is None or letter.code == code
    assert letter.detail
    assert (letter.source.topic, letter.source.partition, letter.source.offset) == (
        RETURNS.name,
        2,
        9,
    )


def test_unknown_strategy_is_told_the_line_that_cures_it():
    line = "apse strategy add ghost --family FAMILY --portfolio "
    (letter,) = router().route(decode([a_return(0, "ghost", 0)])).dead
    assert letter.code == "unknown_strategy"
    assert letter.detail.endswith(line + "PORTFOLIO")
    alone = router(registry(portfolio("main")))
    (letter,) = alone.route(decode([a_return(0, "ghost", 0)])).dead
    assert letter.detail.endswith(line + "main")


def test_strategy_of_an_unknown_portfolio_is_told_so():
    (letter,) = router().route(decode([a_return(0, "lost", 0)])).dead
    assert letter.code == "unknown_portfolio"
    assert "nowhere" in letter.detail


def test_a_large_poll_becomes_frames_within_both_limits_in_order():
    ids = [f"{'x' * 58}{i:06d}" for i in range(9_000)]
    world = registry(portfolio("p"), *(strategy(name, "p") for name in ids))
    routed = router(world).route(decode([a_return(i, name, 0) for i, name in enumerate(ids)]))
    frames = routed.frames[3]
    assert [len(unpack(f)) for f in frames] == [ROWS_PER_FRAME_MAX, ROWS_PER_FRAME_MAX, 808]
    assert max(len(encode_record(frame)) for frame in frames) <= FRAME_BYTES_MAX
    assert [row[1] for row in rows_of(routed)[3]] == list(range(9_000))
    assert all(decode_record(encode_record(frame)) == frame for frame in frames)


def test_registrations_of_a_poll_act_before_its_returns_and_stand_before_them():
    fresh = Router(shards=12)
    arrivals = [a_return(0, "s9", 0), *registry(portfolio("p", shard=5), strategy("s9", "p"))]
    routed = fresh.route(decode(arrivals))
    assert [type(record) for record in routed.journal(5)] == [
        PortfolioRegistered,
        StrategyRegistered,
        Frame,
    ]
    assert [record.source.offset for record in routed.records[5]] == [0, 1]
    assert routed.dead == []


def test_strategy_that_named_a_portfolio_before_it_existed_joins_with_it():
    fresh = Router(shards=12)
    early = fresh.route(decode(registry(strategy("s9", "p"), strategy("s8", "p"))))
    assert [letter.code for letter in early.dead] == ["unknown_portfolio"] * 2
    late = fresh.route(decode([on_registry(2, portfolio("p", shard=5))]))
    assert [record.source.offset for record in late.records[5]] == [2, 0, 1]
    assert list(rows_of(fresh.route(decode([a_return(0, "s9", 0)])))) == [5]


def test_strategy_that_leaves_a_portfolio_is_told_to_its_old_shard_too():
    moved = router()
    routed = moved.route(decode([on_registry(20, strategy("s2", "p"))]))
    assert sorted(routed.records) == [3, 7]
    assert list(rows_of(moved.route(decode([a_return(0, "s2", 0)])))) == [3]


def test_a_registration_read_again_changes_nothing_and_is_told_again():
    again = router()
    routed = again.route(decode([WORLD[5]]))
    assert sorted(routed.records) == [7]
    again.route(decode([on_registry(20, strategy("s2", "p"))]))
    again.route(decode([WORLD[5]]))
    assert list(rows_of(again.route(decode([a_return(0, "s2", 0)])))) == [3]


def test_tombstone_ends_a_strategy_and_its_next_registration_revives_it():
    retired = router()
    retired.route(decode([a_return(0, "s1", 5)]))
    routed = retired.route(decode([tombstone(30, "strategy/s1")]))
    (frame,) = routed.records[3]
    rows = unpack(frame)
    assert (rows.topic, rows.names, rows.kind.tolist()) == (REGISTRY.name, ("s1",), [ROW_INACTIVE])
    assert rows.source_offset.tolist() == [30]
    assert rows.period_end_ns.tolist() == [START_NS + 5 * 10**9]
    assert [d.code for d in retired.route(decode([a_return(1, "s1", 6)])).dead] == [
        "unknown_strategy"
    ]
    retired.route(decode([on_registry(31, strategy("s1", "r"))]))
    assert list(rows_of(retired.route(decode([a_return(2, "s1", 7)])))) == [3]


def test_tombstone_of_a_portfolio_ends_its_routes():
    retired = router()
    routed = retired.route(decode([tombstone(30, "portfolio/q")]))
    assert [letter.code for letter in routed.dead] == ["retired"]
    assert list(rows_of(retired.route(decode([a_return(0, "s0", 0)])))) == [3]


@pytest.mark.parametrize(
    ("arrival", "code"),
    [
        (on_registry(40, portfolio("z", shard=12)), "bad_shard"),
        (tombstone(40, "strategy/ghost"), "unknown_strategy"),
        (tombstone(40, "other/ghost"), "bad_key"),
        (Arrival(REGISTRY.name, 0, 40, None, None), "bad_key"),
        (Arrival(REGISTRY.name, 0, 40, b"strategy/b", WORLD[3].value), "bad_key"),
        (Arrival(REGISTRY.name, 0, 40, b"strategy/b", b"{}"), "invalid"),
        (with_policy(40, estimation={"windows": []}), "invalid"),
        (with_policy(40, rebalance={"schedule": "cron:R R * * *"}), "invalid"),
        (Arrival(CONTROL.name, 0, 40, b"p", b"{"), "malformed"),
        (Arrival(REPORTS.name, 0, 40, b"p", None), "empty"),
    ],
)
def test_records_that_cannot_be_used_are_buried(arrival, code):
    routed = router().route(decode([arrival]))
    assert [letter.code for letter in routed.dead] == [code]
    assert (routed.records, routed.frames) == ({}, {})


def test_requests_go_to_the_shard_of_their_portfolio_with_their_place():
    control = ControlRequest(request_id="c", portfolio_id="q", action="pause")
    risk = RiskSignal(signal_id="k", portfolio_id="p", action="halt")
    report = ExecutionReport(
        report_id="e",
        command_id="c",
        portfolio_id="q",
        epoch=1,
        version=1,
        status="filled",
        as_of="2024-05-31T20:00:00Z",
    )
    arrivals = [
        request(CONTROL, 4, control),
        request(RISK, 5, risk),
        request(REPORTS, 6, report),
        request(RISK, 7, RiskSignal(signal_id="k", portfolio_id="pp", action="halt")),
    ]
    routed = router().route(decode(arrivals))
    on_q, on_p = routed.records[7], routed.records[3]
    assert [type(record) for record in on_q + on_p] == [Control, Report, Risk]
    assert [(r.source.topic, r.source.offset) for r in on_q + on_p] == [
        (CONTROL.name, 4),
        (REPORTS.name, 6),
        (RISK.name, 5),
    ]
    (letter,) = routed.dead
    assert letter.code == "unknown_portfolio"
    assert "did you mean 'p'" in letter.detail


def test_record_too_large_for_the_journal_is_buried():
    # 60 000 weights of few JSON characters take nine bytes each as a record, and their names
    weights = {f"s{i:05d}": 1.0 for i in range(70_000)}
    report = ExecutionReport(
        report_id="e",
        command_id="c",
        portfolio_id="q",
        epoch=1,
        version=1,
        status="filled",
        as_of="2024-05-31T20:00:00Z",
        filled_weights=weights,
    )
    arrival = request(REPORTS, 1, report)
    assert len(arrival.value) < 1_048_576
    routed = router().route(decode([arrival]))
    assert [letter.code for letter in routed.dead] == ["oversize"]


def test_puzzled_by_what_a_newer_registry_could_tell():
    known = router()
    assert not known.is_puzzled(decode([a_return(0, "s0", 0)]))
    assert known.is_puzzled(decode([a_return(0, "s0", 0), a_return(1, "ghost", 0)]))
    order = ControlRequest(request_id="c", portfolio_id="pp", action="pause")
    assert known.is_puzzled(decode([request(CONTROL, 0, order)]))


def test_ticks_go_only_where_a_portfolio_lives_by_the_wall_clock():
    world = registry(portfolio("p", shard=3), portfolio("w", shard=8, clock="wall"))
    assert [(shard, tick.now_ns) for shard, tick in router(world).ticks(77)] == [(8, 77)]
    assert router().ticks(77) == []


def test_frame_of_one_row_is_read_back_bitwise():
    value = float(np.nextafter(0.1, 1.0))
    routed = router().route(decode([a_return(0, "s2", 0, value)]))
    assert unpack(routed.frames[7][0]).value.tolist() == [value]
