"""Returns are held above the lag that is allowed, and let go at half of it."""

import pytest

from streams.ingest import brake as module
from streams.ingest.brake import Brake


class Scripted:
    """Tells lags one after the other, and notes every turn of the switch."""

    def __init__(self, lags):
        self._lags = iter(lags)
        self.turns = []

    def ask(self):
        return next(self._lags)

    def hold(self, held):
        self.turns.append(held)


@pytest.mark.parametrize(
    ("lags", "turns"),
    [
        ([0, 100, 100], []),
        ([101], [True]),
        ([101, 500, 101, 51], [True]),
        ([101, 50], [True, False]),
        ([101, None, 60, None, 0], [True, False]),
        ([None, None], []),
        ([200, 50, 100, 101, 50], [True, False, True, False]),
    ],
)
def test_the_switch_turns_above_the_bound_and_at_half_of_it(lags, turns, monkeypatch):
    monkeypatch.setattr(module, "ASKED_EVERY_S", -1.0)
    scripted = Scripted(lags)
    brake = Brake(scripted, scripted, 100)
    for _ in lags:
        brake.check(51)  # enough that an answer matters
    assert scripted.turns == turns


def test_it_asks_only_now_and_then():
    scripted = Scripted([101])  # a second question would have no answer
    brake = Brake(scripted, scripted, 100)
    for _ in range(50):
        brake.check(1)
    assert scripted.turns == [True]


@pytest.mark.parametrize(
    ("answer", "returns", "asks"),
    [(0, 50, False), (0, 51, True), (30, 20, False), (30, 21, True), (None, 0, True)],
)
def test_it_asks_again_when_what_came_since_may_matter(answer, returns, asks, monkeypatch):
    monkeypatch.setattr(module, "ASKED_EVERY_S", -1.0)
    scripted = Scripted([answer, 101])
    brake = Brake(scripted, scripted, 100)
    brake.check(0)
    brake.check(returns)
    assert scripted.turns == ([True] if asks else [])


def test_it_asks_from_time_to_time_whatever_came(monkeypatch):
    monkeypatch.setattr(module, "ASKED_EVERY_S", -1.0)
    monkeypatch.setattr(module, "ASKED_AGAIN_S", -1.0)
    scripted = Scripted([0, 101])
    brake = Brake(scripted, scripted, 100)
    brake.check(0)
    brake.check(0)
    assert scripted.turns == [True]


def test_held_returns_are_asked_for_though_none_come(monkeypatch):
    monkeypatch.setattr(module, "ASKED_EVERY_S", -1.0)
    scripted = Scripted([101, 50])
    brake = Brake(scripted, scripted, 100)
    brake.check(0)
    brake.check(0)
    assert scripted.turns == [True, False]
