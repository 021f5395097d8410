"""A storm over the whole engine passes; its judge can say no; its table is what happened."""

import json

import pytest

from schemas.topics import STATE
from tests.agents.faults import Outcome, policy_of, replayed, table_of
from tests.agents.storms import (
    BEGIN,
    END,
    SLICES,
    UP_SLICES,
    blows_of,
    run_storm,
    table_text,
    unacknowledged,
    write_table,
)


@pytest.mark.kafka
@pytest.mark.slow
def test_workers_killed_frozen_joining_and_leaving_publish_what_a_replay_does(
    broker, scope, tmp_path
):
    outcome = run_storm(broker.bootstrap, scope, 3, tmp_path)
    assert outcome.problems == []
    assert len(outcome.faults) == 7
    assert outcome.commands == outcome.reports > 50


def test_a_seed_says_what_happens_and_when():
    storms = [blows_of(seed) for seed in range(1, 21)]
    assert storms == [blows_of(seed) for seed in range(1, 21)]
    for blows in storms:
        whats = [blow.what for blow in blows]
        assert {"kill", "term", "freeze", "join", "edge"} <= set(whats)
        assert all(UP_SLICES <= blow.slice < SLICES for blow in blows)
    assert len({tuple(blow.what for blow in blows) for blows in storms}) > 10


def test_what_was_acknowledged_is_no_difference_and_all_else_is():
    policy = policy_of("first")
    streams, images = replayed([policy], table_of(3, days=30))
    states = list(streams[STATE.name, "first"])
    assert list(images) == ["first"]
    later = json.dumps(json.loads(states[-1]) | {"acknowledged_version": 7}).encode()
    richer = json.dumps(json.loads(states[-1]) | {"nav": 2.0}).encode()
    assert unacknowledged(later) == unacknowledged(states[-1])
    assert unacknowledged(richer) != unacknowledged(states[-1])


def test_the_table_says_who_failed_and_goes_between_the_marks(tmp_path):
    outcomes = [Outcome(1, faults=["a SIGKILL", "join"]), Outcome(2, problems=["lost"])]
    page = tmp_path / "page.md"
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_table(page, table_text(outcomes, 12.0))
    text = page.read_text()
    assert text.startswith(f"before\n{BEGIN}\n1 of 2 passed, ")
    assert text.endswith(f"{END}\nafter\n")
    assert "| 1 | pass | 0 (0) | 0 | 0 | 0.0 | a SIGKILL, join |" in text
    assert "| 2 | FAIL |" in text
    assert "old" not in text
