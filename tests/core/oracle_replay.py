"""A replay from the written contract alone: slow, plain, pandas and cvxpy, nothing of the engine.

One pass over a table of returns: bars, windows, eligibility, triggers, estimates, optimum, fills,
drift, costs, NAV. It is what the engine's files are compared with.
"""

from dataclasses import dataclass, field

import cvxpy as cp
import numpy as np
import pandas as pd
from sklearn.covariance import LedoitWolf

DAY = pd.Timedelta(days=1)


@dataclass
class Plan:
    """A portfolio file in plain words; ``families`` maps a strategy to its family."""

    names: list
    families: dict
    bar: str = "1d"
    periods: float = 252.0
    window: int = 20
    min_bars: int | None = 8
    stale_bars: int = 3
    covariance: str = "sample"
    objective: str = "min_variance"
    risk_aversion: float = 1.0
    weight_min: float = 0.0
    weight_max: float = 1.0
    own_limits: dict = field(default_factory=dict)  # name -> (min, max)
    family_limits: dict = field(default_factory=dict)  # family -> (min, max)
    turnover_max: float | None = None
    bps: float = 0.0
    cash: tuple = (0.0, 0.0, 0.0)  # min, max, rate
    delay: int = 0
    schedule: str = "never"
    boundaries: pd.DatetimeIndex | None = None  # of a cron schedule
    drift: float | None = None
    cooldown: int = 0
    initial: dict = field(default_factory=dict)


@dataclass
class Told:
    """What the oracle says: a row a bar, a row a bar and strategy, and the decisions."""

    performance: list = field(default_factory=list)
    weights: list = field(default_factory=list)
    decisions: list = field(default_factory=list)


def bar_label(stamp: pd.Timestamp, bar: str) -> pd.Timestamp:
    """The end of the bar (start, end] that holds an instant."""
    if bar == "1mo":
        first = stamp.normalize().replace(day=1)
        return first if first == stamp else first + pd.offsets.MonthBegin(1)
    if bar == "1w":
        midnight = stamp.ceil("D")
        return midnight + ((5 - midnight.day_of_week) % 7) * DAY  # Monday is 0, Saturday 5
    return stamp.ceil({"1d": "D", "1h": "h", "4h": "4h", "1m": "min"}[bar])


def bars_of(table: pd.DataFrame, plan: Plan):
    """Bars (rows) of compounded returns, and by strategy the last bar end it takes part in."""
    labels = pd.DatetimeIndex([bar_label(stamp, plan.bar) for stamp in table.index])
    last_stamp = table.index[-1]
    ended = {}
    known = table.copy()
    for name in table.columns:
        values = known[name].dropna()
        dead = values[values == -1.0]
        if len(dead):  # gone from the very bar in which it died; what it says later is not heard
            known.loc[known.index > dead.index[0], name] = np.nan
            ended[name] = bar_label(dead.index[0], plan.bar) - pd.Timedelta(1, "ns")
        elif not len(values):
            ended[name] = labels[0] - DAY
        elif values.index[-1] < last_stamp:
            ended[name] = bar_label(values.index[-1], plan.bar)
    compounded = (1.0 + known).groupby(labels).prod(min_count=1) - 1.0
    single = known.notna().groupby(labels).sum() == 1  # alone in its bar a value stays as it is
    bars = compounded.where(~single, known.groupby(labels).first())
    return bars.dropna(how="all"), ended


def crossed(plan: Plan, before: pd.Timestamp, end: pd.Timestamp) -> bool:
    """Whether a boundary lies in (before, end]."""
    if plan.schedule == "never":
        return False
    if plan.schedule == "every_bar":
        return True
    if plan.boundaries is not None:
        return bool(((plan.boundaries > before) & (plan.boundaries <= end)).any())
    days = pd.date_range(before.floor("D") - DAY, end.ceil("D") + DAY, freq="D")
    if plan.schedule == "weekly":
        days = days[days.day_of_week == 5]
    if plan.schedule == "monthly":
        days = days[days.day == 1]
    return bool(((days > before) & (days <= end)).any())


def covariance(rows: np.ndarray, literal: str) -> np.ndarray:
    if literal == "sample":
        return pd.DataFrame(rows).cov().to_numpy()
    if literal == "ledoit_wolf":
        return LedoitWolf().fit(rows).covariance_
    decay = float(literal.split(":")[1])
    weights = np.array([decay**k for k in range(len(rows))][::-1])
    weights /= weights.sum()
    return sum(weight * np.outer(row, row) for weight, row in zip(weights, rows, strict=True))


class Oracle:
    """The state of the slow replay: what is held, aimed at and waiting to be filled."""

    def __init__(self, table: pd.DataFrame, plan: Plan, adopted: dict | None = None) -> None:
        self.plan = plan
        self.adopted = adopted or {}  # bar end -> (weights, cash) to go on with, not our own
        self.bars, self.ended = bars_of(table[plan.names], plan)
        self.held = pd.Series(0.0, plan.names)
        for name, weight in plan.initial.items():
            self.held[name] = weight
        self.cash = 1.0 - self.held.sum()
        self.target, self.target_cash = self.held.copy(), self.cash
        self.base, self.base_cash = self.held, self.cash
        self.fills = []  # (number of the bar before whose returns it is filled, weights, cash)
        self.accepted = None
        self.nav = self.high = 1.0
        self.told = Told()

    def run(self) -> Told:
        length = {"1d": DAY, "1w": 7 * DAY, "1mo": 31 * DAY, "1h": DAY / 24, "4h": DAY / 6}
        before = self.bars.index[0] - length[self.plan.bar]
        for number, end in enumerate(self.bars.index):
            self.advance(number, end)
            held = self.held.copy()
            trigger = self.trigger(number, before, end)
            if trigger:
                self.decide(number, end, trigger)
            for name in self.plan.names:
                self.told.weights.append((end, name, self.target[name], held[name]))
            before = end
        return self.told

    def advance(self, number, end) -> None:
        plan, (_, _, rate) = self.plan, self.plan.cash
        turnover = cost = 0.0
        while self.fills and self.fills[0][0] <= number:
            _, weights, cash = self.fills.pop(0)
            moved = (weights - self.held).abs().sum()
            turnover += 0.5 * (moved + abs(cash - self.cash))
            cost = 1.0 - (1.0 - cost) * (1.0 - plan.bps * 1e-4 * moved)
            self.held, self.cash = weights.copy(), cash
        returns = self.bars.loc[end]
        gross = (self.held * returns.fillna(0.0)).sum() + self.cash * rate
        size = self.held.abs().sum()
        coverage = self.held.abs()[returns.notna()].sum() / size if size else 1.0
        if gross > -1.0:
            self.held = self.held * (1.0 + returns.fillna(0.0)) / (1.0 + gross)
            self.cash = self.cash * (1.0 + rate) / (1.0 + gross)
        else:
            self.held, self.cash = self.held * 0.0, 1.0
        net = (1.0 - cost) * (1.0 + gross) - 1.0
        self.nav *= 1.0 + net
        self.high = max(self.high, self.nav)
        drawdown = self.nav / self.high - 1.0
        row = (end, gross, net, cost, turnover, self.nav, drawdown, coverage)
        self.told.performance.append(row)

    def trigger(self, number, before, end):
        plan = self.plan
        if self.accepted is not None and number - self.accepted <= plan.cooldown > 0:
            return None
        if crossed(plan, before, end):
            return "schedule"
        if plan.drift is None or self.fills or (self.accepted is None and not plan.initial):
            return None
        away = max((self.held - self.target).abs().max(), abs(self.cash - self.target_cash))
        return "drift" if away > plan.drift else None

    def decide(self, number, end, trigger) -> None:
        # what is changed is what will be held once the fills already ordered are done
        _, self.base, self.base_cash = self.fills[-1] if self.fills else (0, self.held, self.cash)
        found = self.solve(number, end)
        if isinstance(found, str):
            self.told.decisions.append((end, trigger, "declined", found, None, None))
            return
        weights, cash = found
        self.told.decisions.append((end, trigger, "accepted", "", weights, cash))
        weights, cash = self.adopted.get(end, found)
        self.target, self.target_cash, self.accepted = weights.copy(), cash, number
        self.fills.append((number + 1 + self.plan.delay, weights, cash))

    def part(self, number, end):
        """Who takes part, and who of them may only shrink."""
        plan = self.plan
        window = self.bars.iloc[max(0, number + 1 - plan.window) : number + 1]
        size = len(plan.names)
        least = plan.min_bars or min(plan.window, max(20, size + 2))
        alive = [n for n in plan.names if not end > self.ended.get(n, end)]
        enough = [n for n in alive if window[n].count() >= least]
        history = self.bars.iloc[: number + 1]
        ago = {n: number - history.index.get_loc(history[n].last_valid_index()) for n in enough}
        fresh = [n for n in enough if ago[n] <= plan.stale_bars]
        stale = [n for n in enough if n not in fresh and self.base[n] > 0.0]
        chosen = [n for n in plan.names if n in fresh or n in stale]
        if stale and len(window[chosen].dropna()) < least:
            chosen, stale = fresh, []
        return chosen, stale, window

    def limits(self, name, stale):
        low, high = self.plan.own_limits.get(name, (self.plan.weight_min, self.plan.weight_max))
        return (min(low, 0.0), min(high, self.base[name])) if name in stale else (low, high)

    def capacity(self, names, stale=()) -> float:
        plan, total = self.plan, self.plan.cash[1]
        for family in set(plan.families.values()):
            sum_high = sum(self.limits(n, stale)[1] for n in names if plan.families[n] == family)
            total += min(sum_high, plan.family_limits.get(family, (0.0, sum_high))[1])
        return total

    def solve(self, number, end):
        plan = self.plan
        chosen, stale, window = self.part(number, end)
        if not chosen or self.capacity(chosen, stale) < 1.0 - 1e-9 <= self.capacity(plan.names):
            return "too_few_eligible"
        rows = window[chosen].dropna().to_numpy()
        if len(rows) < 2:
            return "too_few_common"
        sigma = covariance(rows, plan.covariance) * plan.periods
        mu = rows.mean(axis=0) * plan.periods
        w, cash = cp.Variable(len(chosen)), cp.Variable()
        rules = [cp.sum(w) + cash == 1, cash >= plan.cash[0], cash <= plan.cash[1]]
        bounds = np.array([self.limits(n, stale) for n in chosen])
        rules += [w >= bounds[:, 0], w <= bounds[:, 1]]
        for family, (low, high) in plan.family_limits.items():
            inside = [i for i, n in enumerate(chosen) if plan.families[n] == family]
            if inside:
                rules += [cp.sum(w[inside]) >= low, cp.sum(w[inside]) <= high]
        first = self.accepted is None and not plan.initial
        if plan.turnover_max is not None and not first:
            away = [n for n in plan.names if n not in chosen]
            moved = cp.norm1(w - self.base[chosen].to_numpy()) + cp.abs(cash - self.base_cash)
            rules.append(0.5 * (moved + self.base[away].abs().sum()) <= plan.turnover_max)
        problem = cp.Problem(cp.Minimize(self.goal(w, mu, sigma)), rules)
        # far below what the comparison allows: at a smooth optimum a gap g moves weights by sqrt(g)
        exact = {"tol_gap_abs": 1e-13, "tol_gap_rel": 1e-13, "tol_feas": 1e-12}
        problem.solve(solver=cp.CLARABEL, max_iter=200, **exact)
        if problem.status == cp.INFEASIBLE:
            return "infeasible"
        assert problem.status == cp.OPTIMAL, problem.status
        weights = pd.Series(0.0, plan.names)
        weights[chosen] = w.value
        return weights, float(cash.value)

    def goal(self, w, mu, sigma):
        plan, scale = self.plan, np.trace(sigma) / len(mu)
        root = np.linalg.cholesky(sigma / scale + 1e-15 * np.eye(len(mu))).T
        risk = cp.sum_squares(root @ w)
        if plan.objective == "min_variance":
            return risk
        if plan.objective == "mean_variance":
            return 0.5 * plan.risk_aversion * risk - (mu / scale) @ w
        share = np.ones(len(mu)) if plan.objective == "equal" else 1 / np.sqrt(np.diag(sigma))
        rule = (1.0 - plan.cash[0]) * share / share.sum()
        return cp.sum_squares(w - rule)  # the nearest allowed point to the rule


def ragged_table(seed, names, bars, *, freq="D", start="2019-12-27", holes=0.08, dead=None):
    """Seeded returns with a late start, an early end, holes, empty bars; ``dead`` kills one."""
    rng = np.random.default_rng(seed)
    index = pd.date_range(start, periods=bars, freq=freq, tz="UTC")
    common = rng.normal(0.0, 0.004, (bars, 1))
    sizes = rng.uniform(0.004, 0.02, len(names))
    values = 0.4 * common + rng.normal(0.0004, 1.0, (bars, len(names))) * sizes
    values[rng.random(values.shape) < holes] = np.nan
    values[rng.choice(bars, bars // 15, replace=False)] = np.nan  # nobody has a value: no bar
    table = pd.DataFrame(values, index=index, columns=list(names))
    table.iloc[: bars // 4, 1 % len(names)] = np.nan
    table.iloc[2 * bars // 3 :, 2 % len(names)] = np.nan
    quiet = slice(bars // 2, bars // 2 + bars // 8)  # silent for a while: stale, then back
    table.iloc[quiet, 3 % len(names)] = np.nan
    if dead is not None:
        table.iloc[bars // 2 + 3, dead] = -1.0
    table.iloc[0, 0], table.iloc[-1, 0] = 0.001, 0.002
    return table
