"""Laws of the fold: what must not matter does not, bit for bit."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.topics import DECISIONS, REBALANCE, STATE
from streams.core.errors import ImageError
from streams.core.fold import Shard
from streams.core.image import decode_image, encode_image
from tests.core.worlds import (
    World,
    canonical,
    in_time_order,
    interleaved,
    of_topic,
    policy_for,
    ragged,
)

NAMES = ("a", "b", "c", "d")
BARS = 30
SEEDS = st.integers(0, 2**32 - 1)

# A world is one hypothesis example of some 0.1 s; each law looks at two of them.
worlds = settings(max_examples=25)


def play(rows, sizes=(7,), *, lag=0, **changes):
    world = World(policy_for(NAMES, **changes), lag=lag)
    world.publish(rows, sizes)
    world.answer_all()
    return world


def image(world):
    return encode_image(world.shard.canonical_state())


@worlds
@given(SEEDS, st.lists(st.integers(1, 50), min_size=1, max_size=5))
def test_any_split_into_frames_gives_the_same_bytes(seed, sizes):
    rows = in_time_order(ragged(seed, NAMES, BARS))
    whole, split = play(rows, (len(rows),)), play(rows, tuple(sizes))
    assert canonical(whole.outputs) == canonical(split.outputs)
    assert image(whole) == image(split)


@worlds
@given(SEEDS, SEEDS)
def test_any_interleaving_that_keeps_each_strategy_s_order_gives_the_same_decisions(seed, other):
    rows = ragged(seed, NAMES, BARS)
    straight = play(in_time_order(rows))
    mixed = play(interleaved(rows, np.random.default_rng(other)), (5, 1, 17))
    assert canonical(straight.outputs) == canonical(mixed.outputs)


@worlds
@given(SEEDS, st.integers(0, 60))
def test_a_slow_optimizer_changes_nothing(seed, lag):
    rows = in_time_order(ragged(seed, NAMES, BARS))
    assert canonical(play(rows).outputs) == canonical(play(rows, lag=lag).outputs)


@worlds
@given(SEEDS, st.lists(st.integers(1, 20), min_size=1, max_size=5))
def test_records_folded_at_once_give_the_bytes_of_one_by_one(seed, sizes):
    world = play(in_time_order(ragged(seed, NAMES, BARS)), (3, 1), lag=2)
    shard, outputs, turn = Shard(0), [], 0
    while shard.next_offset < len(world.journal):
        stop = shard.next_offset + sizes[turn % len(sizes)]
        records = enumerate(world.journal[:stop])
        outputs += shard.step(records)
        turn += 1
    assert canonical(outputs) == canonical(world.outputs)
    assert encode_image(shard.canonical_state()) == image(world)


@worlds
@given(SEEDS, st.integers(1, 80))
def test_encoding_and_decoding_the_state_at_any_point_is_invisible(seed, at):
    world = play(in_time_order(ragged(seed, NAMES, BARS)), (3,), lag=2)
    at = min(at, len(world.journal))
    records = list(enumerate(world.journal))
    first = Shard(0)
    before = first.step(records[:at])
    resumed = Shard(0)
    resumed.next_offset = at
    for name in first.portfolios:
        resumed.restore(name, first.image_of(name), at)
    after = resumed.step(records[at:])
    assert canonical(before + after) == canonical(world.outputs)
    assert encode_image(resumed.canonical_state()) == image(world)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda state: state["walk"].pop("shadows"), "it lacks 'shadows', so that another version"),
        (lambda state: state.pop("reports"), "it lacks 'reports', so that another version"),
        (
            lambda state: state["walk"]["status"].update(more=1),
            "unexpected keyword argument 'more'",
        ),
        (lambda state: state.update(members=b"\xc1"), "DecodeError"),
    ],
)
def test_a_state_of_another_version_is_refused_in_words_and_changes_nothing(spoil, words):
    world = play(in_time_order(ragged(1, NAMES, BARS)), (3,))
    (name,) = world.shard.portfolios
    before = image(world)
    state = decode_image(world.shard.image_of(name))
    spoil(state)
    with pytest.raises(ImageError, match=words):
        world.shard.restore(name, encode_image(state), 0)
    with pytest.raises(ImageError, match="or nobody"):
        world.shard.restore(name, b"no state", 0)
    assert image(world) == before


@worlds
@given(SEEDS, st.integers(1, 60))
def test_a_checkpoint_older_than_the_shard_only_makes_the_fold_longer(seed, at):
    world = play(in_time_order(ragged(seed, NAMES, BARS)), (3,))
    at = min(at, len(world.journal))
    records = list(enumerate(world.journal))
    first = Shard(0)
    first.step(records[:at])
    ahead = Shard(0)  # begins at the journal's start, though the portfolio has applied `at` records
    for name in first.portfolios:
        ahead.restore(name, first.image_of(name), at)
    ahead.step(records)
    assert encode_image(ahead.canonical_state()) == image(world)


@worlds
@given(SEEDS, SEEDS)
def test_publishing_everything_again_changes_nothing(seed, other):
    rows = ragged(seed, NAMES, BARS)
    world = play(in_time_order(rows))
    published, state = len(world.outputs), world.portfolio.walk.to_state()
    world.publish(interleaved(rows, np.random.default_rng(other)), (11,))
    assert len(world.outputs) == published
    assert encode_image(world.portfolio.walk.to_state()) == encode_image(state)


@worlds
@given(SEEDS)
def test_appending_the_same_frames_again_changes_nothing(seed):
    world = play(in_time_order(ragged(seed, NAMES, BARS)))
    published, before = len(world.outputs), image(world)
    for record in list(world.journal):
        world.append(record)
    assert len(world.outputs) == published
    assert image(world) == before


@worlds
@given(SEEDS, st.permutations(NAMES))
def test_the_order_of_strategies_in_the_policy_does_not_matter(seed, order):
    rows = in_time_order(ragged(seed, NAMES, BARS))
    families = {
        name: entry.family for name, entry in World(policy_for(NAMES)).portfolio.members.items()
    }
    listed = [{"id": name, "family": families[name]} for name in order]
    assert canonical(play(rows).outputs) == canonical(play(rows, strategies=listed).outputs)


@worlds
@given(SEEDS, st.permutations(range(len(NAMES))))
def test_renaming_strategies_only_permutes_the_weights(seed, order):
    rows = ragged(seed, NAMES, BARS)
    straight = play(in_time_order(rows), objective={"type": "inverse_volatility"})
    renamed = {NAMES[i]: NAMES[j] for i, j in enumerate(order)}
    other = {renamed[n]: [replace(r, name=renamed[n]) for r in own] for n, own in rows.items()}
    families = {name: entry.family for name, entry in straight.portfolio.members.items()}
    listed = [{"id": renamed[name], "family": families[name]} for name in NAMES]
    moved = play(in_time_order(other), strategies=listed, objective={"type": "inverse_volatility"})
    ours, theirs = (of_topic(w.outputs, REBALANCE.name) for w in (straight, moved))
    assert len(ours) == len(theirs)
    for command, permuted in zip(ours, theirs, strict=True):
        for name, weight in command.target_weights.items():
            # sums over another order of columns round differently; weights are multiples of 1e-10
            assert permuted.target_weights.get(renamed[name], 0.0) == pytest.approx(
                weight, abs=2e-9
            )


def test_the_laws_are_not_empty():
    worlds = [
        play(in_time_order(ragged(seed, NAMES, 2 * BARS)), (9,), estimation__min_bars=8)
        for seed in range(4)
    ]
    decisions = [d for world in worlds for d in of_topic(world.outputs, DECISIONS.name)]
    assert {d.outcome for d in decisions} == {"accepted", "declined"}
    assert {d.trigger.kind for d in decisions} == {"schedule", "drift"}
    assert all(len(of_topic(world.outputs, STATE.name)) == 2 * BARS for world in worlds)


@worlds
@given(SEEDS)
def test_weights_and_cash_of_every_command_sum_to_one_in_integers(seed):
    for command in of_topic(play(in_time_order(ragged(seed, NAMES, BARS))).outputs, REBALANCE.name):
        units = [round(weight * 10**10) for weight in command.target_weights.values()]
        assert sum(units) + round(command.target_cash * 10**10) == 10**10


@worlds
@given(SEEDS)
def test_versions_rise_by_one_with_each_decision_and_commands_are_theirs(seed):
    outputs = play(in_time_order(ragged(seed, NAMES, BARS))).outputs
    decisions = of_topic(outputs, DECISIONS.name)
    assert [d.version for d in decisions] == list(range(1, len(decisions) + 1))
    accepted = [(d.version, d.decision_id) for d in decisions if d.outcome == "accepted"]
    assert [(c.version, c.decision_id) for c in of_topic(outputs, REBALANCE.name)] == accepted
