"""What stands after a bar: the book a decision is taken on, and what a fill costs."""

import numpy as np
import pytest

from schemas.topics import COVARIANCE, STATE
from tests.core.test_portfolio import built
from tests.core.worlds import of_topic


def test_linear_costs_need_no_model_and_others_are_those_of_the_window():
    assert built().portfolio.walk._costs() is None
    walk = built(costs={"ticket_bps": 3, "impact": {"coefficient": 2.0}}).portfolio.walk
    model = walk._costs()
    spread = np.nanstd(walk._book().returns, axis=0, ddof=1)
    assert model.impact == pytest.approx(2.0 * spread, rel=1e-12)
    assert model.ticket == pytest.approx(3e-4, rel=1e-12)
    assert model.linear == 0.0


def test_the_book_holds_what_is_coming_and_what_a_unit_has_become():
    walk = built().portfolio.walk
    book = walk._book()
    assert book.nav == walk.ledger.nav
    assert book.held.tolist() == walk.ledger.coming()[0].tolist()
    assert book.names == walk.names


def test_the_matrix_is_told_with_decisions_and_every_twentieth_bar():
    book = built()
    book.bars(34)
    records = of_topic(book.outputs, COVARIANCE.name)
    full = [number for number, record in enumerate(records, 1) if record.matrix_annual]
    assert len(of_topic(book.outputs, STATE.name)) == len(records)
    assert full[-2:] == [21, 41]  # the decision at bar 6 is told with a record of its own
