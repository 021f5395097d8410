"""Prices are those the packages' own loaders give, read in place and left alone."""

import hashlib
import importlib
import socket

import numpy as np
import polars as pl
import pytest

from examples.strategies import PriceDataError, build_sleeves, load_prices
from examples.strategies import prices as module
from examples.strategies.prices import SOURCES, source_path


@pytest.fixture(scope="session")
def skfolio_datasets():
    return importlib.import_module("skfolio.datasets")


def on(prices, panel):
    return prices.sessions[panel.first : panel.first + len(panel.close)]


@pytest.mark.parametrize(
    ("part", "loader"),
    [
        ("stocks", "load_sp500_dataset"),
        ("spx", "load_sp500_index"),
        ("factors", "load_factors_dataset"),
    ],
)
def test_closes_are_those_of_skfolios_loaders(prices, skfolio_datasets, part, loader):
    panel, frame = getattr(prices, part), getattr(skfolio_datasets, loader)()

    assert panel.names == tuple(frame.columns)
    np.testing.assert_array_equal(on(prices, panel), frame.index.to_numpy().astype("M8[D]"))
    # two parsers of decimal text: at most the last bit
    np.testing.assert_allclose(panel.close, frame.to_numpy(), rtol=1e-15)


@pytest.mark.parametrize(("part", "name"), [("spx_bars", "sp500"), ("nasdaq_bars", "nasdaq")])
def test_bars_are_those_of_archs_loaders(prices, part, name):
    bars, frame = getattr(prices, part), importlib.import_module(f"arch.data.{name}").load()

    np.testing.assert_array_equal(on(prices, bars), frame.index.to_numpy().astype("M8[D]"))
    for column in ("Open", "High", "Low", "Close"):
        np.testing.assert_allclose(
            getattr(bars, column.lower()), frame[column].to_numpy(), rtol=1e-15
        )


def test_wti_is_the_last_quote_at_or_before_each_session(prices):
    quotes = importlib.import_module("arch.data.wti").load()["DCOILWTICO"].dropna()
    sessions = on(prices, prices.wti)
    expected = quotes.reindex(sessions.astype("M8[ns]"), method="ffill").to_numpy()

    np.testing.assert_allclose(prices.wti.close[:, 0], expected, rtol=1e-15)
    assert sessions[0] == np.datetime64("1990-01-02")
    assert sessions[-1] <= quotes.index[-1].to_numpy()


def test_both_files_of_the_index_agree(prices):
    bars = prices.spx_bars
    rows = slice(bars.first, bars.first + len(bars.close))

    # skfolio's file keeps two decimals of an index near 1000
    np.testing.assert_allclose(prices.spx.close[rows, 0], bars.close, rtol=1e-5)


def test_reading_needs_no_network_and_leaves_the_files_alone(monkeypatch):
    def refuse(*_, **__):
        pytest.fail("opened a socket")

    digests = {name: hashlib.sha256(source_path(name).read_bytes()).digest() for name in SOURCES}
    monkeypatch.setattr(socket, "socket", refuse)
    build_sleeves(load_prices())

    for name, digest in digests.items():
        assert hashlib.sha256(source_path(name).read_bytes()).digest() == digest


def test_an_absent_package_is_named(monkeypatch):
    monkeypatch.setattr(module, "find_spec", lambda _: None)

    with pytest.raises(PriceDataError, match="package 'skfolio' is not installed"):
        load_prices()


@pytest.mark.parametrize(
    ("rows", "complaint"),
    [
        ({"Date": ["1990-01-02", "1990-01-02"], "SP500": [1.0, 2.0]}, "not strictly increasing"),
        ({"Date": ["1990-01-02", "1990-01-03"], "SP500": [1.0, -2.0]}, "1990-01-03 is -2.0"),
    ],
)
def test_a_bad_file_is_refused_with_its_value(monkeypatch, tmp_path, rows, complaint):
    planted = tmp_path / "prices.csv"
    pl.DataFrame(rows).write_csv(planted)
    monkeypatch.setattr(module, "source_path", lambda _: planted)

    with pytest.raises(PriceDataError, match=complaint):
        load_prices()


def test_a_hole_in_the_sessions_is_refused(monkeypatch, tmp_path):
    real = source_path("factors")
    planted = tmp_path / "factors.csv"
    pl.read_csv(real).filter(pl.col("Date") != "2016-05-04").write_csv(planted)
    monkeypatch.setattr(
        module, "source_path", lambda name: planted if name == "factors" else source_path(name)
    )

    with pytest.raises(PriceDataError, match="factors: its dates from 2014-01-02"):
        load_prices()
