"""Killed at any point and started again, the executor answers every command once."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pytest

from streams.execution.contract import Answer, contradiction, report_of
from streams.execution.kit import example_command
from tests.execution.doomed_paper import POINTS
from tests.execution.wire import make_topics, read_reports, send_commands, wait_for_reports

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

ROOT = Path(__file__).parents[2]
DOOMED = "tests.execution.doomed_paper"
PAPER = "streams.execution.paper"
LIFE_S = 40.0  # a start takes two seconds on a busy machine


def start(module, *arguments):
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def mixed_commands(rng, versions):
    """Rising versions of three portfolios, with repeats, regressions and broken budgets among."""
    commands, sent = [], []
    for version in range(1, versions + 1):
        for portfolio in ("a", "b", "c"):
            command = example_command(portfolio, 1, 2 * version)
            if rng.random() < 0.1:
                command = msgspec.structs.replace(command, target_cash=0.9)
            commands.append(command)
            if sent and rng.random() < 0.3:
                commands.append(sent[rng.integers(len(sent))])
            if version > 1 and rng.random() < 0.1:
                commands.append(
                    example_command(portfolio, 1, 2 * int(rng.integers(1, version)) - 1)
                )
            sent.append(command)
    return commands


def expected_reports(commands, rejected):
    """What an executor that never dies says of each command, by the words of the contract."""
    last, numbers, reports = {}, {}, {}
    for command in commands:
        if command.command_id in reports:
            continue
        portfolio, at = command.portfolio_id, (command.epoch, command.version)
        if at <= last.get(portfolio, (0, 0)):
            reports[command.command_id] = ("rejected", None)
            continue
        last[portfolio] = at
        numbers[portfolio] = numbers.get(portfolio, 0) + 1
        refused = contradiction(command) or numbers[portfolio] in rejected
        reports[command.command_id] = (
            ("rejected", None) if refused else ("filled", command.target_weights)
        )
    return reports


def assert_each_answered_once(reports, commands, rejected=()):
    expected = expected_reports(commands, rejected)
    assert len(reports) == len(expected)
    assert len({report.report_id for report in reports}) == len(reports)
    assert {r.command_id: (r.status, r.filled_weights) for r in reports} == expected
    by_id = {command.command_id: command for command in commands}
    for report in reports:
        answer = Answer(
            status=report.status,
            filled_weights=report.filled_weights,
            cost=report.cost,
            reason=report.reason,
        )
        command = by_id[report.command_id]
        assert report.as_of == command.bar_end
        assert (
            report.report_id == report_of(command, answer, executor="paper", as_of_ns=0).report_id
        )
    for portfolio in {command.portfolio_id for command in commands}:
        applied = [
            r.version for r in reports if (r.portfolio_id, r.status) == (portfolio, "filled")
        ]
        assert applied == sorted(set(applied))


@pytest.mark.parametrize("seed", range(3))
def test_killed_at_named_points_every_command_is_answered_once(broker, scope, seed):
    rng = np.random.default_rng(seed)
    make_topics(broker.bootstrap, scope)
    commands = mixed_commands(rng, versions=8)
    half = len(commands) // 2
    send_commands(broker.bootstrap, scope, commands[:half])
    for point in rng.permutation(POINTS):
        times = "1" if point == "after_history" else str(rng.integers(1, 4))
        doomed = start(DOOMED, broker.bootstrap, scope, point, times)
        _, said = doomed.communicate(timeout=LIFE_S)
        assert doomed.returncode == -signal.SIGKILL, said
    send_commands(broker.bootstrap, scope, commands[half:])
    finish(broker.bootstrap, scope, len(expected_reports(commands, ())))
    assert_each_answered_once(read_reports(broker.bootstrap, scope), commands)


def finish(bootstrap, scope, count, *arguments):
    """Let an executor live until all is answered; then it stops when asked."""
    paper = start(PAPER, "--bootstrap", bootstrap, "--scope", scope, *arguments)
    try:
        wait_for_reports(bootstrap, scope, count, LIFE_S)
        paper.send_signal(signal.SIGTERM)
        _, said = paper.communicate(timeout=LIFE_S)
        assert paper.returncode == 0, said
    finally:
        paper.kill()
        paper.wait()


@pytest.mark.parametrize("seed", range(2))
def test_killed_at_any_moment_every_command_is_answered_once(broker, scope, seed):
    rng = np.random.default_rng(100 + seed)
    make_topics(broker.bootstrap, scope)
    commands = mixed_commands(rng, versions=150)
    rejected = ("--reject", "2", "--reject", "30")
    portions = np.array_split(np.arange(len(commands)), 6)
    for portion in portions[:-1]:
        before = len(read_reports(broker.bootstrap, scope))
        send_commands(broker.bootstrap, scope, [commands[number] for number in portion])
        paper = start(PAPER, "--bootstrap", broker.bootstrap, "--scope", scope, *rejected)
        try:
            wait_for_reports(broker.bootstrap, scope, before + 1, LIFE_S)
            time.sleep(rng.uniform(0.0, 0.2))
        finally:
            os.kill(paper.pid, signal.SIGKILL)
            paper.communicate(timeout=LIFE_S)
    send_commands(broker.bootstrap, scope, [commands[number] for number in portions[-1]])
    total = len(expected_reports(commands, ()))
    finish(broker.bootstrap, scope, total, *rejected)
    assert_each_answered_once(read_reports(broker.bootstrap, scope), commands, rejected=(2, 30))


def test_paper_executor_without_topics_says_so_and_exits(broker, scope):
    paper = start(PAPER, "--bootstrap", broker.bootstrap, "--scope", scope)
    assert paper.wait(LIFE_S) == 1
    paper.communicate()
