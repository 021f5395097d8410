"""Bodies of the answers about a portfolio and its strategies, put together from views.

What is read is shown, never changed: points of the past go out as the bytes they are kept as. Every
body says which portfolio, as of which bar, its version, and how far it can be trusted.
"""

from typing import Final

import msgspec
import orjson

from streams.api.decisions import Decisions
from streams.api.problems import ProblemError
from streams.api.views import Body, Views, thinned
from streams.readmodel.store import Entry

POINTS_MAX: Final = 2_000


class Answers:
    """Answers about portfolios, weights, performance, covariance and strategies."""

    def __init__(self, views: Views, decisions: Decisions) -> None:
        self._views = views
        self._decisions = decisions

    def portfolios(self) -> Body:
        """Return every portfolio in a line."""
        listed = []
        for name in self._views.portfolio_ids():
            state = self._views.json(f"portfolio/{name}/state")
            registration = self._views.registration(name)
            listed.append(
                {
                    **self._views.head(name),
                    "bar": registration.policy.bar,
                    "objective": registration.policy.objective.type,
                    "strategies": 0 if state is None else len(state["strategies"]),
                    "mode": None if state is None else state["status"],
                    "nav": None if state is None else state["nav"],
                    "drawdown": None if state is None else state["drawdown"],
                    "policy_version": registration.policy_version,
                }
            )
        return {**self._views.overall(), "portfolios": listed}

    def weights(self, name: str) -> Body:
        """Return target and held weights, with what each strategy contributed in the bar."""
        state = self._views.state(name)
        families = self._families(name)
        eligible = set(state["eligible"])
        rows = zip(
            state["strategies"], state["target"], state["held"], state["contribution"], strict=True
        )
        return {
            **self._views.head(name),
            "mode": state["status"],
            "bar_number": state["bar_number"],
            "command_id": state.get("last_command_id"),
            "acknowledged_version": state.get("acknowledged_version", 0),
            "cash": {"target": state["target_cash"], "held": state["held_cash"]},
            "drift": max(
                [
                    abs(state["held_cash"] - state["target_cash"]),
                    *(abs(h - t) for h, t in zip(state["held"], state["target"], strict=True)),
                ]
            ),
            "drift_limit": self._drift_limit(name),
            "strategies": [
                {
                    "strategy_id": strategy,
                    "family": families.get(strategy, "other"),
                    "target": target,
                    "held": held,
                    "drift": held - target,
                    "contribution": contribution,
                    "eligible": strategy in eligible,
                }
                for strategy, target, held, contribution in rows
            ],
        }

    def weights_over_time(self, name: str, after: int | None, before: int | None) -> Body:
        """Return held and target weights of the past, thinned to POINTS_MAX bars."""
        entries = thinned(self._views.bars(name, "weights", after, before), POINTS_MAX)
        return {
            **self._views.head(name),
            "points": _as_kept(entries),
        }

    def performance(
        self, name: str, after: int | None, before: int | None, points_max: int
    ) -> Body:
        """Return NAV, returns and drawdown bar by bar, thinned, and the rolling figures now."""
        entries = self._views.bars(name, "performance", after, before)
        depths = [_decode_depth(entry.value).drawdown for entry in entries]
        newest = orjson.loads(entries[-1].value) if entries else None
        return {
            **self._views.head(name),
            "periods_per_year": self._views.registration(name).policy.periods_per_year,
            "bars": len(entries),
            "nav": None if newest is None else newest["nav"],
            "drawdown": None if newest is None else newest["drawdown"],
            "max_drawdown": min(depths, default=None),
            "rolling": [] if newest is None else newest["rolling"],
            "points": _as_kept(thinned(entries, points_max)),
        }

    def optimization(self, name: str) -> Body:
        """Return the newest decision in full, and what is asked of the optimizer by the policy."""
        policy = self._views.registration(name).policy
        newest = self._views.newest(f"{name}/decisions")
        return {
            **self._views.head(name),
            "objective": _spelled(policy.objective),
            "constraints": _spelled(policy.constraints),
            "estimation": _spelled(policy.estimation),
            "rebalance": _spelled(policy.rebalance),
            "costs": _spelled(policy.costs),
            "decision": None if newest is None else self._decisions.at(name, newest.place),
        }

    def policy(self, name: str) -> Body:
        """Return the policy in force."""
        now = self._views.registration(name)
        policy = msgspec.to_builtins(now.policy)
        return {**self._views.head(name), "policy_version": now.policy_version, "policy": policy}

    def covariance(self, name: str, before: int | None) -> Body:
        """Return the newest full covariance, or the newest before an instant."""
        found = self._views.store.series(
            f"{name}/covariances", before=before, limit=1, newest_first=True
        )
        summary = self._views.json(f"portfolio/{name}/covariance_summary")
        matrix = orjson.loads(found[0].value) if found else None
        return {**self._views.head(name), "summary": _without_matrix(summary), "covariance": matrix}

    def strategies(self, name: str) -> Body:
        """Return every strategy's metrics and standing."""
        return {**self._views.head(name), "strategies": self._strategies(name)}

    def strategy(self, name: str, strategy_id: str) -> Body:
        """Return one strategy: metrics, standing, weights over time."""
        found = [s for s in self._strategies(name) if s["strategy_id"] == strategy_id]
        if not found:
            raise ProblemError(404, f"portfolio {name!r} has no strategy {strategy_id!r}")
        points = []
        for entry in thinned(self._views.bars(name, "weights", None, None), POINTS_MAX):
            point = orjson.loads(entry.value)
            if strategy_id in point["strategies"]:
                at = point["strategies"].index(strategy_id)
                points.append(
                    {
                        "bar_end": point["bar_end"],
                        "target": point["target"][at],
                        "held": point["held"][at],
                        "contribution": point["contribution"][at],
                    }
                )
        return {**self._views.head(name), **found[0], "weights": points}

    def _families(self, name: str) -> dict[str, str]:
        strategies = self._views.registration(name).policy.strategies
        entries = strategies if isinstance(strategies, tuple) else ()
        listed = {entry.id: entry.family for entry in entries}
        for key in self._views.store.keys("strategy/"):
            registered = self._views.json(key)
            if registered is not None:
                listed[registered["strategy_id"]] = registered["family"]
        return listed

    def _drift_limit(self, name: str) -> float | None:
        drift = self._views.registration(name).policy.rebalance.drift
        return None if drift is None else drift.max_abs

    def _strategies(self, name: str) -> list[Body]:
        state, metrics = self._views.state(name), self._views.json(f"portfolio/{name}/metrics")
        families = self._families(name)
        newest = self._views.newest(f"{name}/decisions")
        excluded = {} if newest is None else orjson.loads(newest.value)["excluded"]
        eligible = set(state["eligible"])
        column = {} if metrics is None else {s: i for i, s in enumerate(metrics["strategies"])}
        rows = []
        for i, strategy in enumerate(state["strategies"]):
            windows = []
            if metrics is not None and strategy in column:
                windows = [_column(window, strategy, column) for window in metrics["windows"]]
            rows.append(
                {
                    "strategy_id": strategy,
                    "family": families.get(strategy, "other"),
                    "target": state["target"][i],
                    "held": state["held"][i],
                    "contribution": state["contribution"][i],
                    "eligible": strategy in eligible,
                    "excluded": excluded.get(strategy),
                    "reported": (state.get("reported") or {}).get(strategy),
                    "windows": windows,
                }
            )
        return rows


class _Depth(msgspec.Struct):
    """As much of a point as tells its drawdown."""

    drawdown: float


_decode_depth: Final = msgspec.json.Decoder(_Depth).decode


def _spelled(section: msgspec.Struct) -> Body:
    """Return a section of the policy with its defaults spelled out."""
    names = (field.name for field in msgspec.structs.fields(section))
    return {name: msgspec.to_builtins(getattr(section, name)) for name in names}


def _as_kept(entries: list[Entry]) -> orjson.Fragment:
    """Return the values of entries as a list in JSON, without reading them."""
    return orjson.Fragment(b"[" + b",".join(entry.value for entry in entries) + b"]")


def _without_matrix(summary: Body | None) -> Body | None:
    return None if summary is None else {k: v for k, v in summary.items() if k != "matrix_annual"}


def _column(window: Body, strategy: str, column: dict[str, int]) -> Body:
    """Return one strategy's figures of one window."""
    at = column[strategy]
    undefined = {
        metric: reasons[strategy]
        for metric, reasons in window["undefined"].items()
        if strategy in reasons
    }
    coverage = window.get("coverage")
    return {
        "window": window["window"],
        "n_obs": window["n_obs"][at],
        "metrics": {metric: values[at] for metric, values in window["metrics"].items()},
        "undefined": undefined,
        "coverage": None if coverage is None else coverage[at],
        "dates": {name: dates[at] for name, dates in (window.get("dates") or {}).items()},
    }
