"""Figures of windows against other libraries, and the same bits however the bars come."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streams.core.metrics import UNDEFINED_REASONS, series_metrics
from streams.core.performance import (
    FIGURES,
    PATH_FIGURES,
    PORTFOLIO_FIGURES,
    SHAPE_FIGURES,
    VARIANT_NAMES,
    VARIANTS,
    WINDOW_FIGURES,
    Asked,
    Performance,
    whole_figures,
)
from streams.core.performance.path import PATH_COLUMNS
from tests.core.performance.reference import (
    CLOSE,
    YEAR,
    error_hac,
    error_iid,
    figures_by_definition,
    world,
)

WINDOWS = (7, 20, 60)
ASKED = Asked(periods_per_year=YEAR, benchmark=4)


def walked(rows, own, sizes, reach=None, asked=ASKED, windows=WINDOWS):
    """Figures bar by bar, from runs of the given sizes in turn and a history of `reach` bars."""
    table = Performance(windows, max(windows), asked)
    found, at, turn = [], 0, 0
    while at < len(rows):
        size = min(sizes[turn % len(sizes)], len(rows) - at)
        first = 0 if reach is None else max(0, at - reach)
        stop = at + size
        found.append(table.advance(rows[first:stop], own[first:stop], stop, size))
        at, turn = stop, turn + 1
    return found


def joined(found):
    """Everything that was told, bar after bar, as bytes."""
    told = []
    for runs in zip(*found, strict=True):
        for name in ("block", "portfolio"):
            blocks = [getattr(run, name) for run in runs]
            told.append(np.concatenate([block.values for block in blocks], axis=1).tobytes())
            told.append(np.concatenate([block.undefined for block in blocks], axis=1).tobytes())
            told.append(np.concatenate([block.n_obs for block in blocks]).tobytes())
        if runs[0].path is not None:
            for place in ("start", "trough", "max_drawdown"):
                parts = [getattr(run.path, place) for run in runs]
                told.append(np.concatenate(parts).tobytes())
    return told


@pytest.mark.parametrize("missing", [0.0, 0.3, 0.8])
def test_every_figure_equals_other_libraries_along_a_stream(missing):
    rows, own = world(3, 140, 6, missing)
    found = walked(rows, own, (1,))
    compared = dict.fromkeys((figure.name for figure in (*FIGURES, *VARIANTS)), 0)
    for bar in range(20, 140, 3):
        longest = found[bar][-1]
        window = slice(max(0, bar - 59), bar + 1)
        padded = np.full((60, 6), np.nan)
        padded[-(bar + 1) :] = rows[window]
        net = np.append(np.full(60 - len(own[window]), np.nan), own[window])
        sharpes = np.array([sharpe(padded[:, column]) for column in range(6)])
        for column in (0, 3, 4, 5):
            if longest.block.n_obs[0, column] < 3:
                continue
            expected = figures_by_definition(padded[:, column], net, padded[:, 4], sharpes)
            for name, values, codes in zip(*longest.at(0), strict=True):
                if codes[column]:
                    assert not np.isfinite(expected.get(name, np.nan)), (name, codes[column])
                    continue
                value = values[column]
                np.testing.assert_allclose(value, expected[name], **CLOSE, err_msg=name)
                compared[name] += 1
            dates = longest.path.start[0, column], longest.path.trough[0, column]
            assert dates == expected["dates"]
    assert min(compared.values()) > 20, compared


def sharpe(column):
    _, values, _ = series_metrics(column, 1.0)
    return values.get("sharpe", np.nan)


def test_short_windows_tell_the_shape_alone_and_to_the_same_formulas():
    rows, own = world(5, 100, 5, 0.2)
    found = walked(rows, own, (9,))
    for short in found[-1][:-1]:
        assert short.names == SHAPE_FIGURES
        window = rows[-short.window :, 3]
        value = short.block.values[2, -1, 3]
        ratio = sharpe(window)
        np.testing.assert_allclose(value, error_hac(window, ratio) * YEAR**0.5, **CLOSE)


def test_the_portfolio_has_its_own_certainty_over_every_window():
    rows, own = world(6, 100, 5, 0.2)
    for figures in walked(rows, own, (100,))[-1]:
        window = own[-figures.window :]
        error, probability = figures.portfolio.values[:, -1, 0]
        np.testing.assert_allclose(error, error_hac(window, sharpe(window)) * YEAR**0.5, **CLOSE)
        ratio = sharpe(window)
        assert figures.portfolio.values.shape[0] == len(PORTFOLIO_FIGURES)
        assert (probability > 0.5) == (ratio > 0.0)
        assert error_iid(window, ratio) > 0.0


@settings(max_examples=12)  # each walks 150 bars one by one
@given(
    seed=st.integers(0, 2**32 - 1),
    sizes=st.lists(st.integers(1, 70), min_size=1, max_size=5),
    missing=st.sampled_from([0.0, 0.1, 0.6, 0.95]),
    reach=st.sampled_from([60, 61, 90, None]),
)
def test_the_cut_of_the_runs_and_the_reach_of_the_history_change_no_bit(
    seed, sizes, missing, reach
):
    rows, own = world(seed, 150, 6, missing)
    assert joined(walked(rows, own, sizes, reach)) == joined(walked(rows, own, (1,)))


@settings(max_examples=12)  # each walks up to 300 bars one by one
@given(seed=st.integers(0, 2**32 - 1), at=st.integers(0, 149), columns=st.integers(1, 4))
def test_a_table_begun_anew_anywhere_goes_on_with_the_same_bits(seed, at, columns):
    rows, own = world(seed, 150, columns + 3, 0.4)
    rows = rows[:, 3:]
    asked = Asked(periods_per_year=YEAR, trials=5)
    whole = walked(rows, own, (1,), asked=asked)
    fresh = Performance(WINDOWS, 60, asked)
    anew = [fresh.advance(rows[: t + 1], own[: t + 1], t + 1, 1) for t in range(at, 150)]
    assert joined(anew) == joined(whole[at:])


def test_columns_in_another_order_are_the_same_bits():
    rows, own = world(8, 130, 7, 0.3)
    order = np.random.default_rng(1).permutation(7)
    asked = Asked(periods_per_year=YEAR)
    straight = walked(rows, own, (130,), asked=asked)[0][-1]
    shuffled = walked(rows[:, order], own, (130,), asked=asked)[0][-1]
    assert straight.block.values[:, :, order].tobytes() == shuffled.block.values.tobytes()


def test_among_many_columns_each_is_the_bits_that_it_is_among_few():
    rows, own = world(12, 130, 720, 0.1)
    asked = Asked(periods_per_year=YEAR, trials=1)  # the deflated ratio looks at all columns
    few = np.array([3, 100, 719])
    for sizes in ((1,), (50, 1, 7)):
        many = walked(rows, own, sizes, asked=asked)
        alone = walked(rows[:, few], own, sizes, asked=asked)
        for run, other in zip(many, alone, strict=True):
            for wide, narrow in zip(run, other, strict=True):
                seldom = {*PATH_FIGURES, *VARIANT_NAMES}
                told = [name not in seldom for name in wide.names]
                found, wanted = wide.block.values[told], narrow.block.values[told]
                assert found[:, :, few].tobytes() == wanted.tobytes()
                assert wide.portfolio.values.tobytes() == narrow.portfolio.values.tobytes()


def test_what_leaves_a_window_leaves_no_trace():
    rows, own = world(9, 200, 6, 0.3)
    spoilt = rows.copy()
    spoilt[70, 3:] = [1e200, -1.0, 1e-200]
    clean, dirty = (walked(table, own, (200,))[0][-1] for table in (rows, spoilt))
    assert not np.array_equal(clean.block.values[:, 100], dirty.block.values[:, 100])
    for bar in range(130, 200):
        assert clean.block.values[:, bar].tobytes() == dirty.block.values[:, bar].tobytes()


@pytest.mark.parametrize("scale", [1e-6, 1.0])
def test_a_small_deviation_about_a_large_mean_keeps_its_digits(scale):
    rng = np.random.default_rng(2)
    rows = 0.01 + 1e-6 * scale * rng.standard_normal((90, 1))
    figures = walked(rows, np.zeros(90), (1,), asked=Asked(periods_per_year=YEAR))[-1][-1]
    exact = rows[-60:, 0] - 0.01  # exact by Sterbenz: the deviations without their mean
    d = exact - exact.mean()
    # of the deviations themselves 16 - log10(0.01 / deviation) digits are known
    expected = (d**3).mean() / (d**2).mean() ** 1.5
    assert figures.block.values[0, -1, 0] == pytest.approx(expected, rel=1e-9)


def test_reasons_stand_where_a_figure_does_not_exist():
    gains = np.abs(world(4, 80, 6, 0.0)[0])
    gains[:, 5] = -1.0
    block = walked(gains, np.zeros(80), (80,), asked=Asked(periods_per_year=YEAR))[0][-1].block

    def reason(name, column):
        code = block.undefined[WINDOW_FIGURES.index(name), -1, column]
        return UNDEFINED_REASONS[code]

    assert reason("profit_factor", 3) == "no_losses"
    assert reason("beta", 3) == "zero_variance"  # the portfolio stood still
    assert reason("skew", 1) == "zero_variance"
    assert reason("probabilistic_sharpe", 1) == "zero_variance"
    assert {reason(name, 2) for name in WINDOW_FIGURES} == {"too_few"}
    assert reason("ulcer_index", 5) == ""
    newest, codes = block.values[:, -1], block.undefined[:, -1]
    assert np.isfinite(newest[codes == 0]).all()
    assert np.isnan(newest[codes > 0]).all()


@given(
    rows=st.lists(
        st.sampled_from([-1.0, 0.0, 5e-324, 1e-160, -1e-160, 1e155, 1e300, 0.01, float("nan")]),
        min_size=2,
        max_size=12,
    )
)
def test_any_returns_give_finite_figures_or_a_reason(rows):
    table = np.array(rows)[:, None]
    block = whole_figures(table, np.zeros(len(rows)), Asked(periods_per_year=YEAR)).block
    assert np.isfinite(block.values[block.undefined == 0]).all()
    assert np.isnan(block.values[block.undefined > 0]).all()


def test_a_correction_is_as_if_it_had_always_been_so():
    rows, own = world(10, 120, 5, 0.2)
    table = Performance(WINDOWS, 60, ASKED)
    table.advance(rows[:100], own[:100], 100, 1)
    revised = rows.copy()
    revised[90, 3] = 0.05
    table.forget()
    found = [table.advance(revised[:110], own[:110], 110, 10)]
    expected = walked(revised, own, (1,))[100:110]
    assert joined(found) == joined(expected)


def test_a_whole_table_is_one_window():
    rows, own = world(11, 60, 5, 0.2)
    whole = whole_figures(rows, own, ASKED)
    window = walked(rows, own, (60,))[0][-1]
    assert whole.block.values[:, 0].tobytes() == window.block.values[:, -1].tobytes()


def test_a_whole_table_tells_every_figure_of_many_columns_whatever_its_length():
    rows, own = world(13, 101, PATH_COLUMNS + 10, 0.0)
    alone = whole_figures(rows[:, 5:6], own, Asked(periods_per_year=YEAR, trials=1))
    among = whole_figures(rows, own, Asked(periods_per_year=YEAR, trials=1))
    for name in (*PATH_FIGURES, *VARIANT_NAMES):
        row = among.names.index(name)
        assert among.block.values[row, 0, 5] == alone.block.values[row, 0, 0], name
