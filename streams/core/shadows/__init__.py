"""Paper books that follow other policies on the same bars: never ordered, only told."""

from streams.core.shadows.answers import answered, shadow_answer, targets_of
from streams.core.shadows.books import BooksBar, ShadowBooks
from streams.core.shadows.problems import equal_weights, requests_of, with_shadows
from streams.core.shadows.records import shadow_record

__all__ = [
    "BooksBar",
    "ShadowBooks",
    "answered",
    "equal_weights",
    "requests_of",
    "shadow_answer",
    "shadow_record",
    "targets_of",
    "with_shadows",
]
