"""What each figure should be, and the table that says whether it is."""

from collections.abc import Iterable
from typing import Final, NamedTuple

from benchmarks.report import Result, short


class Target(NamedTuple):
    """A bound of a value or of a ratio; at least where it is the more the better."""

    at_least: float | None = None
    at_most: float | None = None
    ratio_at_least: float | None = None

    def words(self) -> str:
        """Return the target as it is read."""
        told = []
        if self.at_least is not None:
            told.append(f"≥ {self.at_least:,.0f}")
        if self.at_most is not None:
            told.append(f"≤ {self.at_most:,.0f}")
        if self.ratio_at_least is not None:
            told.append(f"≥ {self.ratio_at_least:.0f} ×")
        return ", ".join(told)

    def holds(self, result: Result) -> bool:
        """Tell whether the result is within."""
        ratio = result.ratio
        return (
            (self.at_least is None or result.value >= self.at_least)
            and (self.at_most is None or result.value <= self.at_most)
            and (
                self.ratio_at_least is None or (ratio is not None and ratio >= self.ratio_at_least)
            )
        )


TARGETS: Final = {
    "metrics_per_bar_n1000": Target(at_most=2_000),
    "whole_path_returns_per_s": Target(at_least=100_000, ratio_at_least=5),
    "whole_path_returns_per_s_faust": Target(ratio_at_least=50),
    "latency_return_to_metrics_p50_ms": Target(at_most=10),
    "latency_return_to_metrics_p99_ms": Target(at_most=50),
    "latency_trigger_to_command_p99_ms": Target(at_most=100),
    "solve_mean_variance_n20": Target(ratio_at_least=50),
    "solve_mean_variance_n200": Target(ratio_at_least=20),
    "solve_mean_variance_n1000": Target(ratio_at_least=20),
    "sigma_update_n50": Target(at_most=30),
    "sigma_update_n1000": Target(at_most=5_000),
    "offline_replay": Target(ratio_at_least=20),
    "restart_after_kill_s": Target(at_most=10),
    "memory_mb": Target(at_most=600),
    "api_read_p99_ms": Target(at_most=20),
    "api_preview_n50_ms": Target(at_most=1_000),
    "api_frontier_n50_ms": Target(at_most=2_000),
    "api_sse_clients": Target(at_least=1_000),
    "api_sse_lost_events": Target(at_most=0),
}


HEAD: Final = (
    "| name | value | peer | ratio | target | holds | in this run |",
    "|---|---:|---|---:|---|---|---|",
)


def row_of(result: Result) -> str:
    """Return the row of a result, in Markdown; it begins with the name."""
    target = TARGETS.get(result.name)
    peer = "" if result.peer_value is None else f"{result.peer}: {short(result.peer_value):,}"
    cells = (
        f"`{result.name}`",
        f"{short(result.value):,} {result.unit}",
        peer,
        "" if result.ratio is None else f"{result.ratio:,.1f} ×",
        "" if target is None else target.words(),
        "" if target is None else "yes" if target.holds(result) else "**no**",
        result.note,
    )
    return "| " + " | ".join(cells) + " |"


def table_of(results: Iterable[Result], known: Iterable[str] = ()) -> str:
    """Return the table, in Markdown: the rows known before, those of these results anew."""
    rows = {row.split("|")[1]: row for row in known if row.startswith("| `")}
    rows |= {row.split("|")[1]: row for row in map(row_of, results)}
    return "\n".join([*HEAD, *rows.values()])
