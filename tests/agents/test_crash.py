"""A planned crash comes at the point and turn that were named, and a typo is refused."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from streams.agents.crash import CRASH_POINTS, CRASH_VARIABLE, EXIT_PLANNED, EXIT_REFUSED

ROOT = Path(__file__).parents[2]
CODE = """
import sys
from streams.agents.crash import crash_point
for number in range(1, 6):
    crash_point("before_reply")
    print(number, flush=True)
    crash_point("after_reply", lambda: print("settled", flush=True))
"""


def run(planned):
    return subprocess.run(
        [sys.executable, "-c", CODE],
        cwd=ROOT,
        env=os.environ | {CRASH_VARIABLE: planned},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("planned", "code", "printed"),
    [
        ("", 0, ["1", "2", "3", "4", "5"]),
        ("after_fold", 0, ["1", "2", "3", "4", "5"]),
        ("before_reply", EXIT_PLANNED, []),
        ("before_reply:3", EXIT_PLANNED, ["1", "2"]),
        ("after_reply:2", EXIT_PLANNED, ["1", "2", "settled"]),
        ("before_reply:9", 0, ["1", "2", "3", "4", "5"]),
    ],
)
def test_a_process_leaves_at_the_turn_that_is_planned(planned, code, printed):
    done = run(planned)
    assert (done.returncode, done.stdout.split()) == (code, printed)


@pytest.mark.parametrize("typo", ["before_replay", "before_reply:0", "before_reply:x", ":2"])
def test_a_plan_that_names_no_point_or_turn_is_refused(typo):
    done = run(typo)
    assert done.returncode == EXIT_REFUSED
    assert all(point in done.stderr for point in CRASH_POINTS)
