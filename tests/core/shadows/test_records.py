"""What is told of the books: undefined where it does not exist, published as it is read."""

import math

import msgspec

from schemas.shadows import ShadowRecord
from schemas.topics import SHADOWS
from streams.core.outputs import Output, encode_output
from streams.core.shadows import BooksBar, ShadowBooks, shadow_record
from streams.core.status import Status
from tests.core.shadows.scenes import NAMES, policy_of

DAY_NS = 86_400 * 10**9


def bar(nav, sharpe=0.5):
    books = len(nav)
    zeros = [0.0] * books
    return BooksBar(nav, zeros, zeros, zeros, zeros, zeros, [sharpe] * books, [3] * books)


def record(told, policy=None, **verdicts):
    policy = policy or policy_of()
    books = ShadowBooks(policy, len(NAMES))
    for name, reason in verdicts.items():
        books.hold(books.names.index(name), reason)
    status = Status(bar_number=7, end_ns=18_000 * DAY_NS)
    return shadow_record(policy, NAMES, status, books, told)


def test_what_does_not_exist_is_null_with_a_nav_of_zero_behind_all():
    found = record(bar([1.0, 2.0, 0.0, 0.5], sharpe=math.nan))
    data = encode_output(Output(SHADOWS, "p", found))
    again = msgspec.json.decode(data, type=ShadowRecord)
    assert again == found
    main, equal, over, half = again.books
    assert (main.regret_best, main.regret_equal) == (math.log(2), math.log(2))
    assert (equal.regret_best, equal.regret_equal) == (0.0, 0.0)
    assert (over.regret_best, over.regret_equal, over.sharpe) == (None, None, None)
    assert half.regret_best == math.log(2.0) - math.log(0.5)
    assert b"NaN" not in data
    assert b"inf" not in data.lower()


def test_regret_to_a_book_that_is_over_is_null_for_all_but_the_best():
    main, equal, *_ = record(bar([1.0, 0.0, 0.5, 0.5])).books
    assert (main.regret_best, main.regret_equal) == (0.0, None)
    assert (equal.regret_best, equal.regret_equal) == (None, None)


def test_a_book_that_holds_says_why_and_names_nobody():
    found = record(bar([1.0] * 4), parity="infeasible: weight_max")
    assert found.strategies == ()
    told = {book.book: (book.outcome, book.reason) for book in found.books}
    assert told == {
        "main": ("", ""),
        "equal": ("", ""),
        "parity": ("held", "infeasible: weight_max"),
        "return": ("", ""),
    }


def test_books_stand_in_their_order_with_what_they_follow_and_since_when():
    found = record(bar([1.0] * 4))
    assert [(book.book, book.objective, book.since) for book in found.books] == [
        ("main", "min_variance", None),
        ("equal", "equal", None),
        ("parity", "inverse_volatility", None),
        ("return", "mean_variance", None),
    ]
    assert (found.bar_number, found.bar_end, found.window) == (7, "2019-04-14T00:00:00Z", 15)


def test_a_window_too_long_to_be_read_whole_each_bar_is_told_as_it_is():
    policy = policy_of(estimation={"window_bars": 5000})
    assert record(bar([1.0] * 4), policy).window == 1024
