"""The laws hold under faults, the same seed is the same run, and a planted bug does not survive."""

import re

import pytest

from streams.simulation.__main__ import main
from streams.simulation.many import run_many, run_seeds
from streams.simulation.scenario import Tally
from streams.simulation.world import World
from tests.simulation.planted import BUGS

QUICK_SEEDS = 100
SLOW_SEEDS = 400
CAUGHT_WITHIN = 120  # seeds; the slowest bug was caught by the 38th when this was written


def test_a_hundred_worlds_keep_the_laws_and_see_every_fault():
    tally, failures = run_seeds(range(QUICK_SEEDS))
    assert not failures, "\n".join(failure.words() for failure in failures)
    happened = {name: getattr(tally, name) for name in Tally.__slots__}
    assert all(happened.values()), f"a fault that never struck proves nothing: {happened}"


@pytest.mark.slow
def test_hundreds_more_in_two_processes_keep_the_laws():
    tally, failures = run_many(QUICK_SEEDS, SLOW_SEEDS, 2, lambda *_: None)
    assert not failures, "\n".join(failure.words() for failure in failures)
    assert tally.decisions > SLOW_SEEDS


def history(seed):
    world = World(seed)
    assert world.run() is None
    site = world.site
    return site.tally, site.judge.decisions, site.judge.commands, site.committed


@pytest.mark.parametrize("seed", range(4))
def test_the_same_seed_is_the_same_run(seed):
    assert history(seed) == history(seed)


def caught(cast):
    for seed in range(CAUGHT_WITHIN):
        failure = World(seed, cast).run()
        if failure is not None:
            return failure
    return None


EXPECTED_LAWS = {
    "dedupe_forgotten": r"decisions: |final state|decision .* of the fault-free world",
    "position_before_chunks": r"can be resumed",
    "outputs_after_checkpoint": r"was published",
    "executor_without_fence": r"applied \(epoch, version\) rises|exactly once",
    "executor_deaf_to_its_replacement": r"applied \(epoch, version\) rises|exactly once",
    "commit_before_append": r"accepted row|dead letters",
}
AT_ONCE = ("position_before_chunks", "executor_without_fence", "commit_before_append")
"""Bugs that break a law at the very effect that is wrong, long before the world is at rest."""


@pytest.mark.parametrize("bug", BUGS)
def test_a_planted_bug_is_caught_by_a_law_it_breaks(bug):
    failure = caught(BUGS[bug])
    assert failure is not None, f"{bug} survived {CAUGHT_WITHIN} seeds"
    assert re.search(EXPECTED_LAWS[bug], failure.law), failure.words()
    if bug in AT_ONCE:
        assert failure.actor != "the end"


def test_a_failure_tells_seed_step_actor_and_divergence():
    failure = caught(BUGS["executor_without_fence"])
    words = failure.words()
    assert words.startswith(f"seed {failure.seed}, step {failure.step}, executor: ")
    assert "expected: " in words
    assert "found: " in words
    assert f"python -m streams.simulation --seed {failure.seed}" in words


def test_the_command_replays_one_seed_and_ends_with_a_summary(capsys):
    assert main(["--seed", "5"]) == 0
    told = capsys.readouterr().out.splitlines()[-1]
    assert re.match(r"seeds 1, failures 0, steps \d+, crashes \d+, zombies \d+, seconds \d+", told)
