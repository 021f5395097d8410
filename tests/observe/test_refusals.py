"""Every reason for a dead letter that the sources can give is a label of its own."""

import ast

from schemas import codec
from streams.core import bars
from streams.ingest import arrivals, future
from streams.observe.metrics import OTHER, REFUSALS
from tests.tidy.repository import ROOT

CONSTANTS = {
    codec.BAD_INSTANT,
    codec.BAD_PERIOD_END,
    codec.DUPLICATE_KEY,
    codec.INVALID,
    codec.MALFORMED,
    codec.OVERSIZE,
    arrivals.BAD_KEY,
    arrivals.BAD_STAMP,
    arrivals.EMPTY,
    future.FAR_FUTURE,
    bars.TOO_LATE,
    bars.ENDED,
}


def literals_of(path):
    """Codes that a module gives to dead_letter, or returns for it as the first of a pair."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "dead_letter":
            found |= {a.value for a in node.args if isinstance(a, ast.Constant)}
        if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple):
            first = node.value.elts[0]
            if isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def test_the_list_holds_the_reasons_of_the_sources_and_no_other():
    given = literals_of(ROOT / "streams" / "ingest" / "route.py")
    assert {"unknown_strategy", "bad_shard"} <= given
    assert set(REFUSALS) == given | CONSTANTS | {OTHER}
