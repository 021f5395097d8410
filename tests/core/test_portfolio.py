"""Events among the bars: what acts at once, what waits its turn, and what a restart keeps."""

import msgspec
import numpy as np
import pytest

from schemas.events import (
    ControlRequest,
    ExecutionReport,
    PortfolioRegistration,
    RiskSignal,
    StrategyRegistration,
)
from schemas.journal import (
    Control,
    Nudge,
    PortfolioRegistered,
    Position,
    Release,
    Report,
    Risk,
    StrategyRegistered,
)
from schemas.topics import COVARIANCE, DECISIONS, OPTIMIZE, REBALANCE, STATE
from schemas.units import parse_instant
from streams.core.fold import Shard
from streams.core.image import decode_image, encode_image
from tests.core.worlds import START_NS, Row, World, canonical, of_topic, policy_for

NAMES = ("a", "b", "c")
DAY = 86_400 * 10**9
ROUNDED = 1e-9  # weights are multiples of 1e-10
NEVER_ANSWERS = 10**6


class Book(World):
    """A world with short ways to append each kind of event, one after another."""

    def __init__(self, policy, **given):
        super().__init__(policy, **given)
        self.told = 1
        self.day = 0

    def at(self, topic):
        self.told += 1
        return Position(topic, 0, self.told)

    def bars(self, count, names=NAMES, drift=0.0):
        """Publish whole bars, each closed by its last row."""
        for _ in range(count):
            self.day += 1
            rng = np.random.default_rng(self.day)
            stamp_ns = START_NS + self.day * DAY
            values = rng.normal(drift, 0.01, 26)
            rows = [Row(name, stamp_ns, float(values[ord(name[0]) - 97])) for name in names]
            self.publish(rows, (len(rows),))

    def risk(self, action, multiplier=None):
        signal = RiskSignal(
            signal_id=f"s{self.told}", portfolio_id="p", action=action, multiplier=multiplier
        )
        return self.append(Risk(source=self.at("risk"), signal=signal))

    def control(self, action, reason="", request_id=None):
        request = ControlRequest(
            request_id=request_id or f"c{self.told}",
            portfolio_id="p",
            action=action,
            reason=reason,
        )
        return self.append(Control(source=self.at("control"), request=request))

    def policy(self, policy, version):
        registration = PortfolioRegistration(
            portfolio_id="p", shard=0, policy=policy, policy_version=version
        )
        return self.append(PortfolioRegistered(source=self.at("reg"), registration=registration))

    def strategy(self, name, portfolios=("p",), **limits):
        registration = StrategyRegistration(
            strategy_id=name, family="trend", portfolios=portfolios, **limits
        )
        return self.append(StrategyRegistered(source=self.at("reg"), registration=registration))

    def report(self, version, weights=None, status="filled", report_id=None):
        report = ExecutionReport(
            report_id=report_id or f"r{self.told}",
            command_id="x",
            portfolio_id="p",
            epoch=1,
            version=version,
            status=status,
            as_of="2024-01-01T00:00:00Z",
            filled_weights=weights,
        )
        return self.append(Report(source=self.at("reports"), report=report))

    @property
    def decisions(self):
        return of_topic(self.outputs, DECISIONS.name)

    @property
    def commands(self):
        return of_topic(self.outputs, REBALANCE.name)

    @property
    def held(self):
        ledger = self.portfolio.walk.ledger
        return dict(zip(self.portfolio.walk.names, ledger.held.tolist(), strict=True))


def quiet(**changes):
    """A policy that only moves when somebody asks."""
    return policy_for(NAMES, **{"rebalance": {"schedule": "never"}, **changes})


def built(**changes):
    """A portfolio after its initial build and a bar under it."""
    book = Book(quiet(**changes))
    book.bars(6)
    book.control("rebalance", "build")
    book.bars(1)
    return book


def waiting(**changes):
    """A portfolio that waits for an answer which does not come."""
    book = Book(quiet(**changes), lag=NEVER_ANSWERS)
    book.bars(6)
    book.control("rebalance")
    assert book.portfolio.walk.pending is not None
    return book


# --------------------------------------------------------------------------- a person's wish


def test_a_rebalance_is_walked_at_once_on_the_last_closed_bar():
    book = Book(quiet())
    book.bars(6)
    outputs = book.control("rebalance", "because")
    (decision,) = of_topic(outputs, DECISIONS.name)
    assert parse_instant(decision.bar_end) == START_NS + 6 * DAY
    assert (decision.trigger.kind, decision.trigger.reason) == ("manual", "because")
    assert decision.outcome == "accepted"


def test_a_rebalance_before_any_bar_waits_for_the_first():
    book = Book(quiet())
    assert book.control("rebalance") == []
    book.strategy("d")
    book.bars(1, ("a", "b", "c", "d"))
    (decision,) = book.decisions
    assert parse_instant(decision.bar_end) == START_NS + DAY
    assert decision.reason == "too_few_eligible"
    assert decision.strategies == ("a", "b", "c", "d")


def test_a_rebalance_waits_behind_the_bars_while_a_decision_is_awaited():
    book = waiting()
    book.bars(2)
    book.control("rebalance", "second")
    assert len(book.decisions) == 0
    book.answer_all()
    assert [parse_instant(d.bar_end) - START_NS for d in book.decisions] == [6 * DAY, 8 * DAY]


def test_the_same_event_read_twice_acts_once():
    book = built()
    record = next(r for r in book.journal if isinstance(r, Control))
    before = encode_image(book.shard.canonical_state())
    assert book.append(record) == []
    assert encode_image(book.shard.canonical_state()) == before


# --------------------------------------------------------------------------- urgent events


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (lambda book: book.risk("halt"), "voided: halted"),
        (lambda book: book.control("pause"), "voided: paused"),
        (lambda book: book.risk("reduce", 0.5), "voided: reduced"),
    ],
)
def test_halt_pause_and_reduce_void_a_pending_request_at_once(act, reason):
    book = waiting()
    book.bars(2)
    act(book)
    assert book.decisions[0].reason == reason
    assert book.decisions[0].outcome == "declined"
    assert book.portfolio.idle  # the bars behind it were walked
    late = len(book.outputs)
    book.answer_all()
    assert len(book.outputs) == late


@pytest.mark.parametrize("action", ["halt", "pause"])
def test_while_stopped_decisions_are_declined_until_resume(action):
    book = built()
    commands = len(book.commands)
    (book.risk if action == "halt" else book.control)(action)
    book.control("rebalance")
    assert book.decisions[-1].reason == ("halted" if action == "halt" else "paused")
    (book.risk if action == "halt" else book.control)("resume")
    assert len(book.commands) == commands
    book.control("rebalance")
    assert book.decisions[-1].outcome == "accepted"


def test_no_command_is_published_while_halted_not_even_a_reduction():
    book = built()
    commands = len(book.commands)
    book.risk("halt")
    book.risk("reduce", 0.5)
    assert len(book.commands) == commands
    assert book.decisions[-1].reason == "halted"


def test_a_pause_does_not_hold_a_reduction_back():
    book = built()
    book.control("pause")
    book.risk("reduce", 0.5)
    assert book.decisions[-1].outcome == "accepted"


def test_a_reduction_scales_what_is_held_and_is_filled_before_the_next_bar():
    book = built()
    held = book.held
    outputs = book.risk("reduce", 0.25)
    (command,) = of_topic(outputs, REBALANCE.name)
    assert command.target_weights == pytest.approx(
        {n: w / 4 for n, w in held.items() if w}, abs=ROUNDED
    )
    assert command.target_cash == pytest.approx(0.75, abs=ROUNDED)
    book.bars(1)
    assert sum(book.held.values()) == pytest.approx(0.25, abs=0.01)  # a bar's drift
    assert of_topic(book.outputs, STATE.name)[-1].status == "reduced"


def test_a_reduction_between_a_decision_and_its_fill_scales_the_decision():
    book = Book(quiet())
    book.bars(6)
    (first,) = of_topic(book.control("rebalance"), REBALANCE.name)
    (second,) = of_topic(book.risk("reduce", 0.5), REBALANCE.name)
    assert second.target_weights == pytest.approx(
        {n: w / 2 for n, w in first.target_weights.items()}, abs=ROUNDED
    )
    assert second.previous_weights == first.target_weights
    book.bars(1)
    state = of_topic(book.outputs, STATE.name)[-1]
    both = sum(d.turnover for d in book.decisions)
    assert state.turnover == pytest.approx(both, abs=ROUNDED)


def test_a_larger_multiplier_only_counts_from_the_next_decision():
    book = built()
    book.risk("reduce", 0.5)
    commands = len(book.commands)
    book.risk("reduce", 0.8)
    assert len(book.commands) == commands
    book.control("rebalance")
    assert sum(book.commands[-1].target_weights.values()) == pytest.approx(0.8, abs=ROUNDED)
    book.risk("resume")
    book.control("rebalance")
    assert sum(book.commands[-1].target_weights.values()) == pytest.approx(1.0, abs=ROUNDED)


def test_a_chain_of_reductions_counts_from_what_is_held():
    book = built()
    book.risk("reduce", 0.5)
    book.risk("reduce", 0.8)
    commands = len(book.commands)
    book.risk("reduce", 0.6)  # less than before, but half is held already
    assert len(book.commands) == commands
    book.risk("reduce", 0.25)
    assert sum(book.commands[-1].target_weights.values()) == pytest.approx(0.25, abs=ROUNDED)


# --------------------------------------------------------------------------- nudges


def nudge(book, attempt, request_id=None):
    known = book.portfolio.walk.pending.request.request_id if request_id is None else request_id
    return book.append(Nudge(portfolio_id="p", request_id=known, attempt=attempt))


def test_a_nudge_issues_the_request_again_and_after_the_last_it_is_given_up():
    book = waiting()
    first = book.portfolio.walk.pending.request
    for attempt in (1, 2, 3):
        (again,) = of_topic(nudge(book, attempt), OPTIMIZE.name)
        assert again == msgspec.structs.replace(first, attempt=attempt + 1)
        assert nudge(book, attempt) == []  # it was for an attempt that is over
    nudge(book, 4)
    (decision,) = book.decisions
    assert (decision.outcome, decision.reason) == ("declined", "no_answer")
    assert book.portfolio.idle


def test_a_nudge_for_another_request_changes_nothing():
    book = waiting()
    assert nudge(book, 1, "other") == []


def test_the_answer_to_any_attempt_counts_and_only_the_first():
    book = waiting()
    nudge(book, 1)
    book.answer_all()
    assert [d.outcome for d in book.decisions] == ["accepted"]
    assert len(book.commands) == 1


# --------------------------------------------------------------------------- membership


def test_a_strategy_that_joins_is_awaited_from_the_next_bar_and_takes_part_when_it_may():
    book = built()
    book.strategy("d", weight_min=0.1)
    before = len(of_topic(book.outputs, STATE.name))
    book.bars(1)
    assert len(of_topic(book.outputs, STATE.name)) == before  # it is awaited
    book.append(Release(strategy_id="d", through_ns=START_NS + book.day * DAY))
    assert of_topic(book.outputs, STATE.name)[-1].strategies == ("a", "b", "c", "d")
    book.control("rebalance")
    assert book.decisions[-1].excluded == {"d": "too_few_observations"}
    book.bars(6, ("a", "b", "c", "d"))
    book.control("rebalance")
    assert book.commands[-1].target_weights["d"] >= 0.1


def test_a_strategy_that_joins_while_a_decision_is_awaited_is_not_in_it():
    book = waiting()
    book.strategy("aa")
    book.answer_all()
    assert book.decisions[0].strategies == ("a", "b", "c")
    assert book.portfolio.walk.names == ("a", "aa", "b", "c")
    held = book.portfolio.walk.ledger.fills[0].weights
    assert held.tolist()[1] == 0.0


def test_a_state_published_after_a_join_and_before_a_bar_has_one_element_a_name():
    book = built()
    book.strategy("aa")
    book.risk("reduce", 0.5)
    state = of_topic(book.outputs, STATE.name)[-1]
    assert len(state.strategies) == len(state.held) == len(state.contribution) == 4


def test_who_has_ended_stays_so_though_another_joins():
    book = built()
    book.publish([Row("c", START_NS + 7 * DAY, kind=2)], (1,))
    book.bars(1, ("a", "b"))
    book.strategy("d")
    book.control("rebalance")
    assert book.decisions[-1].excluded["c"] == "ended"


def test_a_name_left_out_by_a_policy_ends_and_one_listed_again_is_awaited_again():
    book = built()
    book.policy(policy_for(("a", "b"), rebalance={"schedule": "never"}), 2)
    book.bars(1, ("a", "b"))
    book.control("rebalance")
    assert book.decisions[-1].excluded == {"c": "ended"}
    book.policy(quiet(), 3)
    before = len(of_topic(book.outputs, STATE.name))
    book.bars(1, ("a", "b"))
    assert len(of_topic(book.outputs, STATE.name)) == before
    book.append(Release(strategy_id="c", through_ns=START_NS + book.day * DAY))
    book.bars(2)
    book.control("rebalance")
    assert book.decisions[-1].excluded == {}


def test_a_registration_that_no_longer_names_us_ends_the_strategy_and_may_again():
    book = built()
    book.strategy("d")
    book.bars(1, ("a", "b", "c", "d"))
    book.strategy("d", portfolios=("other",))
    book.bars(1)
    book.control("rebalance")
    assert book.decisions[-1].excluded == {"d": "ended"}
    book.strategy("d")
    book.bars(1, ("a", "b", "c", "d"))
    book.control("rebalance")
    assert book.decisions[-1].excluded == {"d": "too_few_observations"}


# --------------------------------------------------------------------------- policy


def test_a_new_policy_is_used_from_its_place_on_and_older_ones_are_not():
    book = waiting()
    book.policy(quiet(constraints={"weight_max": 0.5}), 3)
    book.policy(quiet(constraints={"weight_max": 0.9}), 2)
    book.control("rebalance")
    book.answer_all()
    assert [d.policy_version for d in book.decisions] == [1, 3]
    assert book.portfolio.walk.policy.constraints.weight_max == 0.5


def test_a_policy_of_a_version_that_is_known_changes_nothing():
    book = built()
    book.policy(quiet(constraints={"weight_max": 0.5}), 1)
    assert book.portfolio.walk.policy.constraints.weight_max == 0.7


def test_bars_are_remembered_as_long_as_the_windows_of_the_newest_policy():
    book = built()
    estimation = {"window_bars": 90, "min_bars": 5, "stale_bars": 3, "windows": [4]}
    book.policy(quiet(estimation=estimation), 2)
    assert book.portfolio.builder.horizon_bars == book.portfolio.walk.study.windows.capacity > 90


def test_a_policy_cannot_change_the_bar():
    book = built()
    book.policy(quiet(bar="1h"), 2)
    assert book.portfolio.walk.policy_version == 1


@pytest.mark.parametrize("windows", [[3], [4, 30]])
def test_other_windows_are_filled_from_the_bars_still_held(windows):
    book = built()
    estimation = {"window_bars": 15, "min_bars": 5, "stale_bars": 3, "windows": windows}
    book.policy(quiet(estimation=estimation), 2)
    book.bars(1)
    state = of_topic(book.outputs, STATE.name)[-1]
    assert [rolling.n_obs for rolling in state.rolling] == [min(w, 8) for w in windows]
    book.control("rebalance")
    assert book.decisions[-1].estimates.n_common == 8


def resumed_at(book, at):
    """Outputs and image of a fold that is stopped after some records, put back, and goes on."""
    records = list(enumerate(book.journal))
    first = Shard(0)
    outputs = first.step(records[:at])
    second = Shard(0)
    second.next_offset = at
    for name in first.portfolios:
        second.restore(name, first.image_of(name), at)
    outputs += second.step(records[at:])
    return canonical(outputs), encode_image(second.canonical_state())


def test_a_restart_anywhere_among_events_of_every_kind_is_invisible():
    book = Book(quiet(ledger="assumed"))
    book.control("rebalance", "early")
    book.bars(30)
    small = {"window_bars": 4, "min_bars": 2, "stale_bars": 1, "windows": [2]}
    book.policy(quiet(estimation=small), 2)
    book.publish([Row("a", START_NS + 2 * DAY, 0.5, revision=1)], (1,))
    book.publish([Row("a", START_NS + 29 * DAY, 0.5, revision=1)], (1,))
    book.strategy("d")
    book.risk("reduce", 0.5)
    book.bars(3, ("a", "b", "c", "d"))
    large = {"window_bars": 40, "min_bars": 2, "stale_bars": 1, "windows": [2, 6]}
    book.policy(quiet(estimation=large), 3)
    book.risk("halt")
    book.bars(2, ("a", "b", "c", "d"))
    book.publish([Row("b", START_NS + 30 * DAY, 0.1, revision=3)], (1,))
    book.risk("resume")
    book.control("rebalance")
    book.bars(2, ("a", "b", "c", "d"))
    whole = canonical(book.outputs), encode_image(book.shard.canonical_state())
    for at in range(1, len(book.journal), 2):
        assert resumed_at(book, at) == whole, at


def test_how_long_the_optimizer_takes_does_not_decide_who_has_ended():
    seen = []
    for lag in (0, 9):
        book = Book(policy_for(NAMES, rebalance={"schedule": "every_bar"}), lag=lag)
        book.bars(8)
        book.publish([Row("c", START_NS + 4 * DAY, kind=2)], (1,))
        book.bars(2, ("a", "b"))
        book.strategy("c")
        book.bars(2)
        book.answer_all()
        while not book.portfolio.idle:
            book.answer_all()
        seen.append([(d.bar_end, d.excluded, d.outcome) for d in book.decisions])
    assert seen[0] == seen[1]
    assert {"c": "ended"} in [excluded for _, excluded, _ in seen[0]]


# --------------------------------------------------------------------------- corrections


def test_a_revision_is_booked_once_as_adjustment_with_the_weight_held_then():
    book = built()
    book.bars(1)
    states = of_topic(book.outputs, STATE.name)
    target = book.commands[-1].target_weights
    bar = next(s for s in reversed(states) if s.bar_number == 7)
    old = bar.contribution[0] / target["a"]
    stamp_ns = START_NS + 7 * DAY
    book.publish([Row("a", stamp_ns, old + 0.04, revision=1)], (1,))
    nav = states[-1].nav
    book.bars(1)
    state = of_topic(book.outputs, STATE.name)[-1]
    expected = target["a"] * 0.04 / (1 + bar.return_gross)
    assert state.adjustment == pytest.approx(expected, rel=1e-9)
    assert state.nav == pytest.approx(nav * (1 + state.return_net) * (1 + expected), rel=1e-12)
    book.bars(1)
    assert of_topic(book.outputs, STATE.name)[-1].adjustment == 0.0


def test_the_covariance_after_a_revision_is_that_of_the_corrected_rows():
    revised, plain = built(), Book(quiet())
    revised.publish([Row("a", START_NS + 3 * DAY, 0.07, revision=1)], (1,))
    revised.bars(1)
    revised.control("rebalance")
    plain.bars(2)
    plain.day += 1
    rng = np.random.default_rng(3)
    values = [0.07, *rng.normal(0, 0.01, 26)[1:3].tolist()]
    rows = [Row(n, START_NS + 3 * DAY, v) for n, v in zip(NAMES, values, strict=True)]
    plain.publish(rows, (3,))
    plain.bars(5)
    plain.control("rebalance")
    ours, theirs = (of_topic(b.outputs, COVARIANCE.name)[-1] for b in (revised, plain))
    # one road corrects sums, the other never saw the old value: rounding of the rebuilt sums
    assert np.array(ours.matrix_annual) == pytest.approx(np.array(theirs.matrix_annual), rel=1e-12)


# --------------------------------------------------------------------------- reported ledger


def test_a_reported_ledger_moves_by_reports_alone():
    book = Book(quiet(ledger="reported"))
    book.bars(6)
    book.control("rebalance")
    book.bars(1)
    assert set(book.held.values()) == {0.0}
    book.report(1, {"a": 0.5, "b": 0.25})
    book.bars(1, drift=0.0)
    assert sum(book.held.values()) == pytest.approx(0.75, abs=0.02)  # a bar's drift
    assert of_topic(book.outputs, STATE.name)[-1].acknowledged_version == 1


def test_an_assumed_ledger_is_moved_by_no_report_but_shows_it():
    book = built()
    held = book.held
    book.report(1, {"a": 1.0})
    assert book.portfolio.walk.ledger.fills == []
    assert book.held == held
    book.bars(1)
    assert of_topic(book.outputs, STATE.name)[-1].acknowledged_version == 1


def test_a_rejection_acknowledges_nothing_and_a_repeat_changes_nothing():
    book = built(ledger="reported")
    book.report(1, status="rejected")
    assert book.portfolio.walk.status.acknowledged_version == 0
    book.report(1, {"a": 0.5}, report_id="same")
    book.report(1, {"a": 0.9}, report_id="same")
    assert len(book.portfolio.walk.ledger.fills) == 1


def test_an_accepted_report_of_a_reported_ledger_is_in_the_state_before_the_next_bar():
    book = built(ledger="reported")
    (state,) = of_topic(book.report(1, {"a": 0.5}, status="partially_filled"), STATE.name)
    bar_number = book.portfolio.walk.status.bar_number
    assert (state.acknowledged_version, state.bar_number) == (1, bar_number)
    assert state.held == [0.0, 0.0, 0.0]  # as at the bar's close: a fill counts from the next on
    assert of_topic(book.report(1, {"a": 0.5, "b": 0.25}), STATE.name) == [state]
    book.control("rebalance")
    assert book.report(1, {"a": 0.1})  # the newest that is acknowledged
    assert book.report(2, status="rejected") == []
    assert book.report(9, {"a": 0.1}) == []  # of no decision
    assert built().report(1, {"a": 0.5}) == []  # an assumed ledger is as it was


def test_a_wish_that_comes_twice_under_one_id_is_one_decision():
    book = built()
    (decision,) = of_topic(book.control("rebalance", "again", request_id="same"), DECISIONS.name)
    assert decision.trigger.reference == "same"
    assert book.control("rebalance", "again", request_id="same") == []
    name, at = "p", book.shard.next_offset
    book.shard.restore(name, book.shard.image_of(name), at)  # a restart forgets no id
    assert book.control("rebalance", "again", request_id="same") == []
    book.bars(1)
    assert book.control("rebalance", "again", request_id="same") == []
    assert of_topic(book.control("rebalance", "again", request_id="other"), DECISIONS.name)


def test_a_pause_that_comes_twice_under_one_id_does_not_undo_the_resume_between():
    book = built()
    book.control("pause", request_id="same")
    book.control("resume")
    assert book.control("pause", request_id="same") == []
    assert not book.portfolio.walk.status.paused


def test_another_wish_under_an_id_used_before_is_heard():
    book = built()
    book.control("resume", request_id="ticket")
    book.control("pause", request_id="ticket")
    assert book.portfolio.walk.status.paused


def test_a_portfolio_of_a_version_that_remembered_no_wishes_goes_on():
    book = built()
    state = decode_image(book.shard.image_of("p"))
    del state["requests"]
    book.shard.restore("p", encode_image(state), book.shard.next_offset)
    assert of_topic(book.control("rebalance", request_id="new"), DECISIONS.name)


def test_a_restart_anywhere_among_reports_and_repeats_is_invisible():
    book = Book(quiet(ledger="reported"))
    book.bars(6)
    for version in range(1, 4):
        book.control("rebalance", request_id=f"order-{version}")
        book.report(version, {"a": 0.5}, status="partially_filled")
        book.control("rebalance", request_id=f"order-{version}")
        book.report(version, {"a": 0.5 + version / 10}, report_id=f"report-{version}")
        book.report(version, {"a": 0.1}, report_id=f"report-{version}")
        book.bars(1)
    assert len(book.decisions) == 3
    whole = canonical(book.outputs), encode_image(book.shard.canonical_state())
    for at in range(1, len(book.journal)):
        assert resumed_at(book, at) == whole, at
    for size in (2, 7):
        shard, outputs = Shard(0), []
        records = list(enumerate(book.journal))
        for begin in range(0, len(records), size):
            outputs += shard.step(records[begin : begin + size])
        assert canonical(outputs) == whole[0], size


def test_a_late_report_of_an_older_version_moves_nothing():
    book = built(ledger="reported")
    book.control("rebalance")
    book.report(2, {"a": 0.5})
    book.report(1, {"a": 0.9})
    (fill,) = book.portfolio.walk.ledger.fills
    assert fill.weights.max() == 0.5
    book.report(3, {"a": 0.9}, status="rejected")
    assert book.portfolio.walk.ledger.fills == [fill]


# --------------------------------------------------------------------------- orders in their order


def test_a_halt_is_not_undone_by_a_resume_that_queued_before_it():
    book = waiting()
    book.risk("resume")
    book.risk("halt")
    assert book.portfolio.walk.status.halted
    assert of_topic(book.outputs, STATE.name)[-1].status == "halted"


def test_a_pause_is_not_undone_by_a_resume_that_queued_before_it():
    book = waiting()
    book.control("resume")
    book.control("pause")
    assert book.portfolio.walk.status.paused


def test_what_an_order_changed_shows_in_the_state_at_once():
    book = built()
    shown = []
    for order in ("halt", "resume"):
        book.risk(order)
        shown.append(of_topic(book.outputs, STATE.name)[-1].status)
    assert shown == ["halted", "live"]


def test_a_portfolio_that_moved_to_another_shard_is_silent_on_this_one():
    book = built()
    registration = PortfolioRegistration(
        portfolio_id="p", shard=1, policy=quiet(), policy_version=2, epoch=2
    )
    book.append(PortfolioRegistered(source=book.at("reg"), registration=registration))
    commands = len(book.commands)
    book.control("rebalance")
    assert len(book.commands) == commands
    assert book.decisions[-1].reason == "halted"


def test_a_policy_leaves_alone_who_joined_by_a_registration_of_their_own():
    book = built()
    book.strategy("d")
    book.policy(quiet(), version=2)
    assert set(book.portfolio.members) == {*NAMES, "d"}


def test_a_report_of_another_epoch_or_of_no_decision_moves_nothing():
    book = built(ledger="reported")
    book.report(10**6, {"a": 1.0})
    assert book.portfolio.walk.ledger.fills == []
    assert book.portfolio.walk.status.acknowledged_version == 0


# --------------------------------------------------------------------------- reported figures


def test_what_a_strategy_reports_of_itself_stands_beside_ours_at_its_bar_alone():
    book = built()
    returns = [0.02, -0.01, 0.005]
    for day, value in enumerate(returns, start=1):
        stamp_ns = START_NS + (book.day + day) * DAY
        told = (0.2, -0.05) if day == len(returns) else None
        rows = [Row("a", stamp_ns, value, reported=told), Row("b", stamp_ns, 0.0)]
        book.publish([*rows, Row("c", stamp_ns, 0.0)], (3,))
    *before, last = of_topic(book.outputs, STATE.name)
    assert {state.reported for state in before} == {None}
    (figures,) = last.reported.items()
    assert figures[0] == "a"
    walk = book.portfolio.walk
    window = walk.study.windows.values(walk.policy.estimation.window_bars)
    own = window[:, 0]
    assert figures[1].volatility_annual == 0.2
    # another order of summation than the rolling windows'
    assert figures[1].volatility_annual_ours == pytest.approx(own.std(ddof=1) * 252**0.5, rel=1e-12)
    wealth = np.concatenate([[1.0], np.cumprod(1.0 + own)])
    assert figures[1].drawdown == -0.05
    assert figures[1].drawdown_ours == pytest.approx(wealth[-1] / wealth.max() - 1, rel=1e-12)


# --------------------------------------------------------------------------- several portfolios


def test_portfolios_of_a_shard_speak_in_the_order_of_their_names():
    shard = Shard(0)
    for offset, name in enumerate(("z", "p")):
        policy = msgspec.structs.replace(quiet(), portfolio_id=name)
        registration = PortfolioRegistration(portfolio_id=name, shard=0, policy=policy)
        source = Position("reg", 0, offset)
        shard.step([(offset, PortfolioRegistered(source=source, registration=registration))])
    book = Book(quiet())
    book.bars(1)
    outputs = shard.step([(2, book.journal[-1])])
    assert [output.key for output in outputs] == ["p"] * 4 + ["z"] * 4
