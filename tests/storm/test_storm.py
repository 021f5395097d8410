"""No event is lost or taken twice while workers come and go; the judge itself can say no."""

import signal
import struct

import pytest

from tests.storm.judge import Outcome, Plan, chains, judge_images, judge_outputs, kills_of
from tests.storm.storm import run_storm
from tests.storm.toy_fold import EVENT, OutOfPlaceError, State, output_id, step

PLAN = Plan(seed=1, shell="plain", partitions=2)
SENT = {p: [EVENT.pack(p, place, 10 * p + place) for place in range(20)] for p in range(2)}


def folded(events, partition=0):
    state = State()
    for offset, event in enumerate(events):
        step(state, partition, event)
        state.next_offset = offset + 1
    return state


def right_outputs():
    return [
        (partition, output_id(partition, place), content)
        for partition, events in SENT.items()
        for place, content in enumerate(chains(events)[1:])
    ]


def image(partition, events, **changes):
    state = folded(events, partition)
    for name, value in changes.items():
        setattr(state, name, value)
    return (partition, b"%d" % partition, state.encode())


def right_images():
    return [image(partition, events) for partition, events in SENT.items()]


def verdict(images=None, outputs=None):
    outcome = Outcome(PLAN)
    judge_images(right_images() if images is None else images, SENT, outcome)
    judge_outputs(right_outputs() if outputs is None else outputs, SENT, outcome)
    return outcome


def test_a_right_run_passes_and_repeats_are_counted():
    assert verdict().problems == []
    assert verdict(outputs=right_outputs() + right_outputs()[:3]).repeated_outputs == 3


@pytest.mark.parametrize(
    ("outputs", "sentence"),
    [
        (right_outputs()[1:], "1 outputs missing, first b'0:0'"),
        ([*right_outputs(), (0, b"0:3", b"other")], "1 outputs conflicting, first b'0:3'"),
        ([*right_outputs(), (0, b"0:99", b"extra")], "1 outputs unknown, first b'0:99'"),
        ([*right_outputs()[:-1], (1, b"1:19", b"other")], "1 outputs wrong, first b'1:19'"),
    ],
)
def test_wrong_outputs_are_seen(outputs, sentence):
    assert verdict(outputs=outputs).problems == [sentence]


@pytest.mark.parametrize(
    ("images", "sentence"),
    [
        ([image(0, SENT[0][:-1])], "partition 0: state (19, 171), expected (20, 190)"),
        ([image(0, SENT[0], chain=bytes(16))], "is no fold of the journal"),
        ([image(0, SENT[0], next_offset=19)], "is no fold of the journal"),
        ([image(0, SENT[0], next_offset=21, count=21)], "is no fold of the journal"),
        ([], "partition 0: no image"),
    ],
)
def test_wrong_images_are_seen(images, sentence):
    problems = verdict(images=[*images, image(1, SENT[1])]).problems
    assert sentence in problems[0]


def test_an_older_image_on_top_is_counted_and_harmless():
    outcome = verdict(images=[*right_images(), image(0, SENT[0][:7])])
    assert (outcome.problems, outcome.older_images, outcome.images) == ([], 1, 3)


def test_the_fold_itself_refuses_a_repeated_and_a_skipped_event():
    for wrong in (SENT[0][4], SENT[0][6]):
        with pytest.raises(OutOfPlaceError, match="expects event 5"):
            step(folded(SENT[0][:5]), 0, wrong)


def test_state_survives_its_encoding():
    state = folded(SENT[1], 1)
    assert State.decode(state.encode()) == state
    with pytest.raises(struct.error):
        State.decode(state.encode()[:-1])


def test_a_seed_says_what_the_storm_does():
    plans = [Plan(seed=seed, shell="faust") for seed in range(1, 21)]
    storms = [kills_of(plan) for plan in plans]
    assert storms == [kills_of(plan) for plan in plans]
    assert len({tuple(storm) for storm in storms}) == len(storms)
    for storm in storms:
        hows = [kill.how for kill in storm]
        assert hows.count(signal.SIGSTOP) == 1
        assert len(hows) - 1 >= 5
    assert {plan.static for plan in plans} == {True, False}


@pytest.mark.kafka
@pytest.mark.slow
@pytest.mark.parametrize("shell", ["faust", pytest.param("plain", marks=pytest.mark.soak)])
def test_nothing_is_lost_or_doubled_in_a_short_storm(broker, tmp_path, shell):
    plan = Plan(seed=7, shell=shell, events=2_000, kills=3, kill_every_s=2.5)
    outcome = run_storm(broker.bootstrap, plan, tmp_path)
    assert outcome.problems == []
    assert outcome.kills.total() == 4
    assert outcome.joins >= 5
