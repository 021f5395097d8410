"""The live table: a fold of what the engine publishes, and its picture."""

from dataclasses import dataclass, field
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from schemas.decisions import Decision, RebalanceCommand
from schemas.events import ExecutionReport
from schemas.units import format_instant, parse_instant
from schemas.views import CovarianceRecord, MetricsRecord, StateRecord
from streams.core.arrays import FloatArray

SHARPE_WINDOW = "252"


@dataclass(slots=True, kw_only=True, eq=False)
class Board:
    """Everything shown.

    ``books`` are the NAVs of the plain books by bar number, rebased at the first command.
    """

    books: dict[str, FloatArray]
    families: dict[str, str]
    footer: tuple[str, ...] = ()
    published: int = 0
    state: StateRecord | None = None
    metrics: MetricsRecord | None = None
    correlation: float | None = None
    last_command: RebalanceCommand | None = None
    last_decision: Decision | None = None
    first_bar: int | None = None
    first_command_s: float | None = None  # after the broker was up
    commands: set[str] = field(default_factory=set)
    acks: dict[str, str] = field(default_factory=dict)
    decisions: set[int] = field(default_factory=set)
    cost_paid: float = 0.0
    incident: str = ""

    def take(self, message: object) -> None:
        """Take one published message in; a repeated one changes nothing."""
        if isinstance(message, StateRecord):
            if self.state is None or message.bar_number > self.state.bar_number:
                self.cost_paid += message.cost
            if self.state is None or message.bar_number >= self.state.bar_number:
                self.state = message
        elif isinstance(message, MetricsRecord):
            self.metrics = message
        elif isinstance(message, CovarianceRecord):
            self.correlation = message.average_correlation
        elif isinstance(message, Decision):
            self.decisions.add(message.version)
            self.last_decision = message
        elif isinstance(message, RebalanceCommand):
            self.commands.add(message.command_id)
            self.last_command = message
        elif isinstance(message, ExecutionReport):
            self.acks[message.command_id] = message.status
        if self.first_bar is None and self.state is not None and self.commands:
            self.first_bar = self.state.bar_number

    @property
    def settled(self) -> bool:
        """Tell whether all decisions of the walked bars are here and all commands acknowledged."""
        if self.state is None or len(self.decisions) != self.state.version:
            return False
        return self.commands <= set(self.acks)

    def answer(self) -> dict[str, Any]:
        """Return the figures of a finished run."""
        state = self.state
        weights = {} if state is None else dict(zip(state.strategies, state.target, strict=True))
        return {
            "returns_published": self.published,
            "bars_closed": 0 if state is None else state.bar_number,
            "decisions": len(self.decisions),
            "commands": len(self.commands),
            "acks": len(set(self.acks) & self.commands),
            "weights": {name: weight for name, weight in weights.items() if weight != 0.0},
            "cash": 1.0 if state is None else state.target_cash,
            "nav": 1.0 if state is None else state.nav,
        }

    def line(self) -> str:
        """Return one line for a terminal that is none."""
        if self.state is None:
            return "waiting for the first bar"
        return f"{_day(self.state)}  bar {self.state.bar_number}  {self._navs()}  {self._counts()}"

    def picture(self) -> Group:
        """Return the whole table."""
        if self.state is None:
            return Group(Text("waiting for the first bar"))
        lines: list[RenderableType] = [
            Text(f"{_day(self.state)}   {self._navs()}", style="bold"),
            Text(self._counts()),
            self._table(),
        ]
        if self.last_command is not None:
            lines.append(Text(self._commanded(self.last_command)))
        if self.incident:
            lines.append(Text(f"staged: {self.incident}", style="yellow"))
        return Group(*lines, *(Text(line, style="dim") for line in self.footer))

    def _commanded(self, last: RebalanceCommand) -> str:
        told = f"last command {last.bar_end[:10]}: {last.reason}"
        if self.first_command_s is None:
            return told
        return f"{told}   (the first came {self.first_command_s:.1f} s after the broker was up)"

    def _navs(self) -> str:
        assert self.state is not None
        start = self.first_bar or 1
        number = self.state.bar_number
        shown = [f"NAV {self.state.nav:.4f} ({self.state.drawdown:.1%})"]
        for name, nav in self.books.items():
            if number <= len(nav):
                shown.append(f"{name} {nav[number - 1] / nav[start - 1]:.4f}")
        return "  ".join(shown)

    def _counts(self) -> str:
        assert self.state is not None
        correlation = "n/a" if self.correlation is None else f"{self.correlation:.3f}"
        return (
            f"{self.state.status}  average correlation {correlation}"
            f"  cost paid {self.cost_paid * 1e4:.1f} bps  returns {self.published}"
            f"  decisions {len(self.decisions)}  commands {len(self.commands)}"
            f"  acknowledged {len(set(self.acks) & self.commands)}"
        )

    def _table(self) -> Table:
        state = self.state
        assert state is not None
        table = Table("strategy", "family", box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
        for heading in ("held", "target", f"Sharpe {SHARPE_WINDOW}", "drawdown"):
            table.add_column(heading, justify="right")
        sharpe, drawdown = self._figures("sharpe"), self._figures("drawdown")
        eligible = set(state.eligible)
        for name, held, target in zip(state.strategies, state.held, state.target, strict=True):
            table.add_row(
                name,
                self.families.get(name, ""),
                f"{held:.1%}",
                f"{target:.1%}",
                sharpe.get(name, ""),
                drawdown.get(name, ""),
                style="" if name in eligible else "dim",
            )
        table.add_row("cash", "", f"{state.held_cash:.1%}", f"{state.target_cash:.1%}", "", "")
        return table

    def _figures(self, metric: str) -> dict[str, str]:
        if self.metrics is None:
            return {}
        window = next(found for found in self.metrics.windows if found.window == SHARPE_WINDOW)
        form = "{:.2f}" if metric == "sharpe" else "{:.1%}"
        return {
            name: "" if value is None else form.format(value)
            for name, value in zip(self.metrics.strategies, window.metrics[metric], strict=True)
        }


def _day(state: StateRecord) -> str:
    """Return the session of a daily bar: the day before its end."""
    return format_instant(parse_instant(state.bar_end) - 1)[:10]
