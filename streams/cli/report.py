"""``apse report``: how a portfolio did, on one page."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import typer

from schemas.policy import PortfolioPolicy
from schemas.topics import DECISIONS, RETURNS, STATE
from streams.cli.offline import Json
from streams.core.errors import ConfigError
from streams.files import read_returns, to_rows
from streams.operate.console import EXIT_INPUT, fail, note, print_json, progress, say
from streams.operate.current import reachable_kafka, reachable_settings
from streams.operate.members import read_registry
from streams.operate.portfolio_file import read_policy
from streams.operate.read import Reader
from streams.report.book import Panel, panel_of, read_book
from streams.report.live import Heard, write_heard
from streams.report.page import page_of
from streams.report.sheet import Sheet, make_sheet, told
from streams.report.words import percent, ratio
from streams.runtime.files import ReplayFiles
from streams.runtime.replay import members_of, replay, with_members

_DECISIONS_DEFAULT = 12
_DECISIONS_MAX = 1_000


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    *,
    folder: Annotated[
        Path | None,
        typer.Option(
            "--replay", help="Folder that `apse replay` wrote.", exists=True, file_okay=False
        ),
    ] = None,
    live: Annotated[bool, typer.Option("--live", help="The running engine's portfolio.")] = False,
    portfolio_id: Annotated[
        str | None,
        typer.Option("--portfolio-id", help="Which one with --live, where there are several."),
    ] = None,
    portfolio: Annotated[
        Path | None,
        typer.Option("--portfolio", help="Portfolio file (YAML).", exists=True, dir_okay=False),
    ] = None,
    returns: Annotated[
        Path | None,
        typer.Option(
            "--returns",
            help="Returns of the strategies, CSV or Parquet: replayed, or for benchmarks alone.",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="HTML file to write.", dir_okay=False)
    ] = None,
    decisions: Annotated[
        int, typer.Option(min=0, max=_DECISIONS_MAX, help="Newest decisions to list.")
    ] = _DECISIONS_DEFAULT,
    as_json: Json = False,
) -> None:
    """Write how a portfolio did as one HTML file: of a replay, of returns, or of the live engine.

    The file needs no network and no script. With --json the figures are printed as well.
    """
    if output is None and not as_json:
        fail("say --output FILE for the page, --json for the figures, or both", EXIT_INPUT)
    if live:
        if folder is not None or portfolio is not None:
            fail("--live takes neither --replay nor --portfolio: the engine has both", EXIT_INPUT)
        sheet = _live(portfolio_id, returns)
    elif portfolio_id is not None:
        fail("--portfolio-id goes with --live; a portfolio file names its own", EXIT_INPUT)
    else:
        sheet = _offline(folder, portfolio, returns)
    if output is not None:
        output.write_text(page_of(sheet, decisions), encoding="utf-8")
    if as_json:
        print_json(told(sheet, decisions))
    else:
        _show(sheet, output)


def _offline(folder: Path | None, portfolio: Path | None, returns: Path | None) -> Sheet:
    if portfolio is None:
        fail(
            "say --live, or --portfolio FILE with --replay DIR or --returns FILE: the portfolio"
            " file has the periods a year, the window and the costs",
            EXIT_INPUT,
        )
    policy = read_policy(portfolio)
    if folder is None:
        if returns is None:
            fail("say --replay DIR, --returns FILE, or --live", EXIT_INPUT)
        return _replay_now(returns, policy)
    panel: Panel | str = "they need the returns of the strategies, --returns FILE"
    if returns is not None:
        panel = panel_of(read_returns(returns), policy.bar)
    return make_sheet(read_book(folder), policy, panel)


def _replay_now(returns: Path, policy: PortfolioPolicy) -> Sheet:
    history = read_returns(returns)
    policy = with_members(policy, history.names)
    history = history.with_absent(members_of(policy))
    with TemporaryDirectory(prefix="apse-report-") as place:
        folder = Path(place)
        with (
            ReplayFiles(folder, metrics=False) as files,
            progress("replay", len(history.stamps_ns)) as advance,
        ):
            replay(policy, to_rows(history, policy.bar), files)
            advance(len(history.stamps_ns))
        return make_sheet(read_book(folder), policy, panel_of(history, policy.bar))


def _live(portfolio_id: str | None, returns: Path | None) -> Sheet:
    kafka = reachable_kafka()
    registered = {
        name: registration.policy for name, registration in read_registry(kafka).portfolios.items()
    }
    wanted = portfolio_id or reachable_settings().api.default_portfolio
    policy = _chosen(registered, wanted)
    with TemporaryDirectory(prefix="apse-report-") as place:
        folder = Path(place)
        with (
            ReplayFiles(folder, metrics=False) as files,
            Reader(kafka, (STATE, DECISIONS, RETURNS)) as reader,
        ):
            records = (Heard(r.topic, r.partition, r.offset, r.value) for r in reader.to_end())
            heard = write_heard(policy.portfolio_id, records, files)
        for sentence in heard.left_out:
            note(sentence)
        book = read_book(folder)
    if returns is not None:
        panel: Panel | str = panel_of(read_returns(returns), policy.bar)
    else:
        panel = heard.panel(book, policy.bar)
    return make_sheet(book, policy, panel, source="the running engine")


def _chosen(registered: dict[str, PortfolioPolicy], wanted: str | None) -> PortfolioPolicy:
    known = ", ".join(sorted(registered)) or "none"
    if wanted is None and len(registered) == 1:
        return next(iter(registered.values()))
    if wanted is None:
        message = f"say which portfolio by --portfolio-id; registered: {known}"
        raise ConfigError(message)
    if wanted not in registered:
        message = f"portfolio {wanted!r} is not registered (registered: {known})"
        raise ConfigError(message)
    return registered[wanted]


def _show(sheet: Sheet, output: Path | None) -> None:
    for line in sheet.lines:
        found = line.headline.figures
        error = found["sharpe_standard_error"]
        give_or_take = "" if error is None else f" ± {ratio(error)}"
        say(
            f"{line.name}: {percent(found['cagr'], 2)} a year at"
            f" {percent(found['volatility_annual'], 2)} volatility, Sharpe"
            f" {ratio(found['sharpe'])}{give_or_take}, deepest drawdown"
            f" {percent(found['max_drawdown'], 2)}"
        )
    for sentence in sheet.notes:
        note(sentence)
    say(f"wrote {output}")
