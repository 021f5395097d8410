"""Laws of paper books: each is what a replay by hand makes of it, and none touches the main one."""

import math
from collections import defaultdict

import msgspec
import numpy as np
import pytest

from schemas.events import ControlRequest, PortfolioRegistration, RiskSignal
from schemas.journal import Control, PortfolioRegistered, Position, Reply, Risk
from schemas.optimize import OptimizeRequest, ShadowAnswer
from schemas.topics import CONTROL, OPTIMIZE, REGISTRY, RISK, SHADOWS, STATE
from streams.core.requests import reply_to, solve_request
from tests.core.shadows.scenes import BOOKS, NAMES, book, navs, played, policy_of, records
from tests.core.test_walk_runs import rows_of
from tests.core.worlds import NOBODY, START_NS, Row, World, canonical, of_topic

DAY_NS = 86_400 * 10**9
BPS = 7e-4


def calm_rows(seed=4, bars=80):
    """No holes, no revisions: what each bar's returns are is plain."""
    rng = np.random.default_rng(seed)
    values = rng.normal(0.0005, 0.01, (bars, len(NAMES)))
    return values, [
        Row(name, START_NS + (bar + 1) * DAY_NS, float(values[bar, place]))
        for bar in range(bars)
        for place, name in enumerate(NAMES)
    ]


def by_hand(values, found, name, delay):
    """NAVs of a book whose targets are known, from the returns alone."""
    held, cash, nav, waiting, rows = np.zeros(values.shape[1]), 1.0, 1.0, {}, []
    for number, (row, record) in enumerate(zip(values, found, strict=True), start=1):
        cost = 0.0
        if number in waiting:
            target, target_cash = waiting.pop(number)
            cost = BPS * np.abs(target - held).sum()
            held, cash = target, target_cash
        gross = float(held @ row)
        nav *= (1 - cost) * (1 + gross)
        held, cash = held * (1 + row) / (1 + gross), cash / (1 + gross)
        rows.append(nav)
        own = book(record, name)
        if own.outcome == "decided":
            waiting[number + 1 + delay] = (np.array(own.target), own.target_cash)
    return np.array(rows)


@pytest.mark.parametrize("delay", [0, 1])
def test_every_book_is_what_a_replay_by_hand_makes_of_its_targets(delay):
    values, rows = calm_rows()
    world = played(policy_of(execution={"delay_bars": delay}), rows)
    found = records(world)
    assert len(found) == len(values)
    decided = [r for r in found if book(r, "parity").outcome == "decided"]
    assert len(decided) > 8
    for name in ("equal", "parity", "return"):
        wanted = by_hand(values, found, name, delay)
        assert wanted[-1] != 1.0
        # 80 bars of rounding at 1e-16
        np.testing.assert_allclose(navs(found, name), wanted, rtol=1e-12)
    states = {s.bar_number: s for s in of_topic(world.outputs, STATE.name)}
    assert navs(found, "main").tolist() == [states[r.bar_number].nav for r in found]


def test_targets_are_those_that_each_policy_asks_for():
    values, rows = calm_rows()
    found = records(played(policy_of(), rows))
    for record in found:
        if book(record, "equal").outcome != "decided":
            continue
        assert record.strategies == NAMES
        np.testing.assert_allclose(book(record, "equal").target, 1 / 3, rtol=1e-15)
        assert book(record, "equal").target_cash == 0.0
        window = values[max(0, record.bar_number - 15) : record.bar_number]
        inverse = 1 / window.std(axis=0, ddof=1)
        # weights are rounded to 1e-10
        wanted = inverse / inverse.sum()
        np.testing.assert_allclose(book(record, "parity").target, wanted, atol=2e-10)
        assert max(book(record, "return").target) <= 0.5 + 1e-9


def test_regret_is_the_gap_in_log_nav_and_its_best_is_never_behind():
    found = records(played(policy_of()))
    for record in found:
        logs = {b.book: math.log(b.nav) for b in record.books}
        for one in record.books:
            assert one.regret_best == max(logs.values()) - logs[one.book] >= 0.0
            assert one.regret_equal == logs["equal"] - logs[one.book]
    assert book(found[-1], "main").regret_equal != 0.0


SAME = [{"name": "same", "objective": {"type": "min_variance"}}]


@pytest.mark.parametrize(
    ("seed", "tolerance"),
    [
        (0, 1e-12),  # rounding
        (2, 1e-12),
        # Here two bars of a strategy are revised close to each other. What was held between them is
        # made from the revised returns: apart by the product of two revisions of 0.02 at the most.
        (1, 4e-4),
        (3, 4e-4),
    ],
)
def test_a_book_of_the_main_policy_is_the_main_book_revisions_included(seed, tolerance):
    limits = {"weight_max": 0.7, "turnover_max": 0.4}
    world = played(policy_of(SAME, constraints=limits), rows_of(seed))
    found = records(world)
    adjusted = [s for s in of_topic(world.outputs, STATE.name) if s.adjustment]
    assert max(abs(s.adjustment) for s in adjusted) > 10 * tolerance
    np.testing.assert_allclose(navs(found, "same"), navs(found, "main"), rtol=tolerance)
    totals = {b.book: (b.turnover_total, b.cost_total) for b in found[-1].books}
    np.testing.assert_allclose(totals["same"], totals["main"], rtol=1e-3)


def main_outputs(world):
    told = [each for each in canonical(world.outputs) if each[0] != SHADOWS.name]
    asked = [
        msgspec.structs.replace(message, shadows=())
        for message in of_topic(world.outputs, OPTIMIZE.name)
    ]
    return told, asked


BAD = (
    *BOOKS,
    {"name": "never", "objective": {"type": "min_variance"}, "constraints": {"weight_max": 0.2}},
    {"name": "cvar", "objective": {"type": "min_cvar"}},
    {"name": "far", "objective": {"type": "target_return", "target": 1e6}},
)


@pytest.mark.parametrize("lag", [0, 5])
def test_the_main_book_is_the_same_to_the_byte_with_and_without_paper_books(lag):
    with_books, without = played(policy_of(BAD), lag=lag), played(policy_of(()), lag=lag)
    assert main_outputs(with_books) == main_outputs(without)
    assert records(with_books) != records(without)


def test_a_book_whose_solve_fails_holds_and_says_so():
    found = records(played(policy_of(BAD)))
    told = defaultdict(set)
    for record in found:
        for one in record.books:
            told[one.book].add((one.outcome, one.reason.partition(":")[0]))
    assert told["never"] == {("", ""), ("held", "infeasible")}
    assert told["far"] == {("", ""), ("held", "infeasible")}
    assert told["parity"] == told["cvar"] == {("", ""), ("decided", "")}
    assert set(navs(found, "never")) == {1.0}


def spoiled(request, how):
    """A reply whose answers to paper books are not what was asked for."""
    reply = reply_to(request, solve_request(request), NOBODY)
    return Reply(reply=msgspec.structs.replace(reply, shadows=how(request)))


@pytest.mark.parametrize(
    ("how", "reason"),
    [
        (lambda _: (), "no_answer"),
        (lambda r: answers(r, np.array([2.0, 0.0, 0.0])), "verification_failed"),
        (lambda r: answers(r, np.array([np.nan, 0.0, 0.0])), "verification_failed"),
        (lambda r: answers(r, np.ones(1)), "verification_failed"),
    ],
)
def test_an_answer_that_breaks_a_limit_is_not_followed(how, reason):
    _, rows = calm_rows(bars=20)
    world = World(policy_of(), lag=10_000)  # we answer ourselves
    world.publish(rows, (60,))
    (request,) = of_topic(world.outputs, OPTIMIZE.name)[-1:]
    world.append(spoiled(request, how))
    decided = next(r for r in records(world) if book(r, "equal").outcome)
    for name in ("parity", "return"):
        assert book(decided, name).outcome == "held"
        assert book(decided, name).reason.startswith(reason)
    assert book(decided, "equal").outcome == "decided"


def answers(request: OptimizeRequest, weights):
    return tuple(
        ShadowAnswer(name=shadow.name, weights=weights.tobytes(), cash=0.0)
        for shadow in request.shadows
    )


def order(kind, number, **fields):
    if kind is Risk:
        signal = RiskSignal(signal_id=f"r{number}", portfolio_id="p", **fields)
        return Risk(source=Position(RISK.name, 0, number), signal=signal)
    request = ControlRequest(request_id=f"c{number}", portfolio_id="p", **fields)
    return Control(source=Position(CONTROL.name, 0, number), request=request)


@pytest.mark.parametrize(
    ("kind", "fields"), [(Risk, {"action": "halt"}), (Control, {"action": "pause"})]
)
def test_books_of_a_stopped_portfolio_go_on_earning_and_decide_nothing(kind, fields):
    values, rows = calm_rows()
    world = World(policy_of())
    world.publish(rows[: 40 * 3], (3,))
    world.append(order(kind, 0, reason="why", **fields))
    world.publish(rows[40 * 3 :], (3,))
    found = records(world)[40:]
    assert len(found) == len(values) - 40
    assert not any(one.outcome for record in found for one in record.books)
    assert len(set(navs(found, "equal"))) == len(found)


def test_a_reduction_is_the_main_book_s_alone():
    _, rows = calm_rows()
    world, calm = World(policy_of()), played(policy_of(), rows, sizes=(3,))
    world.publish(rows[: 40 * 3], (3,))
    world.append(order(Risk, 0, action="reduce", multiplier=0.5, reason="why"))
    world.publish(rows[40 * 3 :], (3,))
    assert navs(records(world), "equal").tolist() == navs(records(calm), "equal").tolist()
    assert navs(records(world), "main").tolist() != navs(records(calm), "main").tolist()


def test_a_request_that_nobody_answers_leaves_the_books_as_they_are():
    _, rows = calm_rows(bars=20)
    world = World(policy_of(), lag=10_000)
    world.publish(rows, (60,))
    world.append(order(Control, 0, action="pause", reason="why"))
    told = next(r for r in records(world) if book(r, "equal").outcome)
    assert book(told, "equal").outcome == "decided"  # 1/N asks nobody
    assert {book(told, name).reason for name in ("parity", "return")} == {"voided: paused"}


def test_a_book_that_a_later_policy_adds_begins_as_a_copy_of_the_main_one():
    _, rows = calm_rows()
    policy = policy_of(BOOKS[:1])
    world = World(policy)
    world.publish(rows[: 41 * 3], (3,))
    registration = PortfolioRegistration(
        portfolio_id="p", shard=0, policy=policy_of((BOOKS[1],)), policy_version=2
    )
    world.append(
        PortfolioRegistered(source=Position(REGISTRY.name, 0, 9), registration=registration)
    )
    world.publish(rows[41 * 3 :], (3,))
    found = records(world)
    before, after = found[40], found[41]
    assert [b.book for b in before.books] == ["main", "equal", "parity"]
    assert [b.book for b in after.books] == ["main", "equal", "return"]
    new, main = book(after, "return"), book(after, "main")
    assert (new.since, book(after, "equal").since) == (before.bar_end, None)
    assert new.nav == pytest.approx(main.nav, rel=1e-14)  # it holds what the main one does
    assert main.turnover > 0.0
    assert new.turnover == new.turnover_total == pytest.approx(main.turnover, rel=1e-9)
    assert new.n_obs == 1  # what was ordered before is filled for both
