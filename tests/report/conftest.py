"""A small portfolio, replayed once: four ragged strategies over a year and a half."""

from types import SimpleNamespace

import pytest

from streams.files import read_returns, to_rows
from streams.operate.portfolio_file import read_policy
from streams.report.book import panel_of, read_book
from streams.report.sheet import make_sheet
from streams.runtime.files import ReplayFiles
from streams.runtime.replay import members_of, replay, with_members
from tests.cli.files import ragged_values, write_policy, write_wide

BARS = 390


@pytest.fixture(scope="session")
def small(tmp_path_factory):
    """Files, policy, book, panel and sheet of the small portfolio."""
    place = tmp_path_factory.mktemp("small")
    table = read_returns(write_wide(place / "returns.csv", ragged_values(bars=BARS)))
    file = write_policy(
        place / "portfolio.yaml",
        estimation="{window_bars: 60, min_bars: 20, stale_bars: 3, windows: [20, 60]}",
        costs="{linear_bps: 7, ticket_bps: 0.5, impact: {coefficient: 0.3, capacity: 2.0}}",
        execution="{delay_bars: 1}",
    )
    policy = with_members(read_policy(file), table.names)
    table = table.with_absent(members_of(policy))
    folder = place / "run"
    with ReplayFiles(folder, metrics=False) as files:
        replay(policy, to_rows(table, policy.bar), files)
    book, panel = read_book(folder), panel_of(table, policy.bar)
    return SimpleNamespace(
        returns=place / "returns.csv",
        file=file,
        folder=folder,
        table=table,
        policy=policy,
        book=book,
        panel=panel,
        sheet=make_sheet(book, policy, panel),
    )
