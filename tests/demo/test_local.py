"""The play in this process: what the incidents do, with no broker."""

import io
import threading
from itertools import pairwise

import numpy as np
import pytest
from rich.console import Console

from examples.strategies import SleeveTable, build_sleeves, load_prices
from streams.demo.board import Board
from streams.demo.books import equal_weight, index
from streams.demo.local import play_in_process
from streams.demo.run import POLICY
from streams.demo.script import HISTORY_SESSIONS, REJECTED_COMMAND, SILENT, TWIN, write_script
from streams.operate.portfolio_file import read_policy
from streams.operate.publish import Pace

pytestmark = pytest.mark.slow

BARS = HISTORY_SESSIONS + 110  # through the silence of 40 bars, which begins at 60


class Frames(Board):
    """A board that keeps what it was shown."""

    def __init__(self):
        super().__init__(books={}, families={})
        self.seen = []

    def take(self, message):
        super().take(message)
        self.seen.append(message)

    def kind(self, name):
        return [message for message in self.seen if type(message).__name__ == name]


@pytest.fixture(scope="module")
def table() -> SleeveTable:
    return build_sleeves(load_prices())


def play(table, *, incidents, stop=None):
    script = write_script(table, read_policy(POLICY), bars=BARS, incidents=incidents)
    board = Frames()
    answer = play_in_process(
        script, board, Pace(None), stop or threading.Event(), lambda: None, incidents=incidents
    )
    return script, board, answer


@pytest.fixture(scope="module")
def played(table):
    return play(table, incidents=True)


def test_every_session_makes_a_bar_and_every_command_is_answered(played):
    _, board, answer = played
    assert answer["bars_closed"] == BARS
    assert answer["acks"] == answer["commands"] == len(board.kind("RebalanceCommand")) > 0
    assert answer["decisions"] == len(board.kind("Decision"))
    assert sum(answer["weights"].values()) + answer["cash"] == pytest.approx(1.0, abs=1e-9)
    assert board.settled


def test_the_picture_fits_a_terminal_of_100_by_50_uncut(played):
    script, board, _ = played
    board.families = {entry.id: entry.family for entry in script.policy.strategies}
    board.books = {"1/N": equal_weight(script.returns), "S&P 500": index(script.benchmark)}
    board.footer = tuple("x" * 90 for _ in range(7))
    console = Console(width=100, file=io.StringIO(), record=True)
    console.print(board.picture())
    shown = console.export_text()
    assert len(shown.splitlines()) <= 50
    assert "…" not in shown
    for name in (*board.families, "cash", "1/N", "S&P 500", "last command", "market_making"):
        assert name in shown
    assert "NAV 1.0" in board.line()


def test_one_command_is_rejected_and_its_number_is_the_one_announced(played):
    reports = played[1].kind("ExecutionReport")
    rejected = [number for number, r in enumerate(reports, 1) if r.status == "rejected"]
    assert rejected == [REJECTED_COMMAND]


def test_the_silent_strategy_holds_nobody_up_and_is_not_built_up(played):
    _, board, _ = played
    states = board.kind("StateRecord")
    quiet = HISTORY_SESSIONS + 60
    column = states[-1].strategies.index(SILENT)
    # 5 bars of staleness after the last value, then it may only be reduced
    targets = [state.target[column] for state in states[quiet + 8 : quiet + 40]]
    assert all(after <= before + 1e-12 for before, after in pairwise(targets))
    ends = [state.bar_end for state in states]
    assert len(set(ends)) == len(ends) == BARS


def test_the_twin_is_nearly_its_original(played):
    script, _, _ = played
    names = sorted(entry.id for entry in script.policy.strategies)
    twin = script.returns[:, names.index(TWIN)]
    others = [
        np.corrcoef(twin, script.returns[:, i])[0, 1]
        for i, name in enumerate(names)
        if name != TWIN and not np.isnan(script.returns[:, i]).any()
    ]
    assert max(others) > 0.9


def test_without_incidents_nothing_is_staged(table):
    script, board, answer = play(table, incidents=False)
    assert all(session.incident is None for session in script.sessions)
    assert {report.status for report in board.kind("ExecutionReport")} == {"filled"}
    assert TWIN not in answer["weights"]


def test_the_play_stops_when_told(table):
    stop = threading.Event()
    stop.set()
    assert play(table, incidents=False, stop=stop)[2]["bars_closed"] == 0
