"""The table of figures is whole, and documented."""

from pathlib import Path

from streams.core.metrics import EWMA_METRICS, METRICS
from streams.core.performance import (
    BENCHMARK_FIGURES,
    CONVENTIONS,
    FIGURES,
    PATH_FIGURES,
    PORTFOLIO_FIGURES,
    SHAPE_FIGURES,
    VARIANTS,
    WINDOW_FIGURES,
)

PAGE = Path(__file__).parents[3] / "docs" / "metrics.md"


def test_every_list_is_a_part_of_the_table():
    names = [figure.name for figure in FIGURES]
    assert len(set(names)) == len(names)
    assert {*WINDOW_FIGURES, *BENCHMARK_FIGURES} == set(names)
    for part in (SHAPE_FIGURES, PATH_FIGURES, PORTFOLIO_FIGURES):
        assert set(part) <= set(WINDOW_FIGURES)
    assert not {*names, *(variant.name for variant in VARIANTS)} & {*METRICS, *EWMA_METRICS}


def test_the_page_tells_each_figure_with_its_formula_and_source():
    page = PAGE.read_text(encoding="utf-8")
    assert CONVENTIONS in page
    for figure in (*FIGURES, *VARIANTS):
        row = f"| `{figure.name}` | {figure.unit} | {figure.formula} | {figure.source} |"
        assert row in page, row
    for name in (*METRICS, *EWMA_METRICS):
        assert f"| `{name}` |" in page, name
