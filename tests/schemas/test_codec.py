"""What reading refuses, by which code, in which words; and that it refuses nothing else."""

import json

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from schemas import codec
from schemas.codec import (
    INPUT_BYTES_MAX,
    LONG_INPUT_BYTES_MAX,
    RefusedInputError,
    decode_return,
    encode_message,
)
from schemas.events import StrategyReturn
from schemas.examples import JSON_EXAMPLES
from schemas.generate import json_schema

VALIDATOR = Draft202012Validator(json_schema(StrategyReturn))
MINIMAL = b'{"strategy_id": "m", "period_end": "2024-05-31T20:00:00Z", "return": 0.01}'


def row(**changes):
    """The minimal message with some keys changed, and those of value None left out."""
    fields = {"strategy_id": "m", "period_end": "2024-05-31T20:00:00Z", "return": 0.01} | changes
    return json.dumps({key: value for key, value in fields.items() if value is not None}).encode()


def literally(text):
    """The minimal message with a return that no encoder would write."""
    return MINIMAL.replace(b"0.01", text)


def refusal(decode, data):
    with pytest.raises(RefusedInputError) as caught:
        decode(data)
    return caught.value


# Bytes, code, what the sentence says; the schema cannot speak of these, for they are no JSON value.
NO_VALUE = {
    "empty": (b"", "malformed", "truncated"),
    "white space": (b" \n ", "malformed", "truncated"),
    "text": (b"hello", "malformed", "invalid character"),
    "cut off": (MINIMAL[:40], "malformed", "truncated"),
    "two values": (MINIMAL + MINIMAL, "malformed", "trailing"),
    "NaN literal": (literally(b"NaN"), "malformed", "invalid character"),
    "Infinity literal": (literally(b"-Infinity"), "malformed", "invalid"),
    "single quotes": (MINIMAL.replace(b'"', b"'"), "malformed", "keys must be strings"),
    "trailing comma": (MINIMAL.replace(b"}", b",}"), "malformed", "trailing comma"),
    "leading zero": (literally(b"01"), "malformed", "invalid"),
    "lone surrogate": (MINIMAL.replace(b'"m"', b'"\\ud800"'), "malformed", "surrogate"),
    "raw newline in a string": (MINIMAL.replace(b'"m"', b'"m\n"'), "malformed", "character"),
    "UTF-16": (MINIMAL.decode().encode("utf-16"), "malformed", "utf-8"),
    "byte order mark": (b"\xef\xbb\xbf" + MINIMAL, "malformed", "invalid character"),
    "no UTF-8 in an id": (MINIMAL.replace(b'"m"', b'"\xff"'), "malformed", "utf-8"),
    "no UTF-8 where nobody reads": (
        MINIMAL.replace(b"{", b'{"note": "\xff", '),
        "malformed",
        "utf-8",
    ),
    "no UTF-8 at all": (bytes(range(128, 256)), "malformed", "utf-8"),
    "deep nesting": (
        MINIMAL.replace(b"{", b'{"note": ' + b"[" * 10_000 + b"]" * 10_000 + b", "),
        "malformed",
        "recursion",
    ),
    "2 MB": (b"x" * 2_000_000, "oversize", "2000000 bytes, expected at most 65536"),
    "2 MB of JSON": (row(note="x" * 2_000_000), "oversize", "expected at most"),
    "the same key twice": (
        MINIMAL.replace(b"{", b'{"return": 0.01, '),
        "duplicate_key",
        "'return' stands twice",
    ),
    "the same key twice, once escaped": (
        MINIMAL.replace(b"{", b'{"r\\u0065turn": 0.01, '),
        "duplicate_key",
        "'return'",
    ),
    "the same key twice, as many colons fewer in the instant": (
        MINIMAL.replace(b"{", b'{"return": 1, ').replace(b"20:00:", b"20\\u003a00:"),
        "duplicate_key",
        "'return'",
    ),
    "the same key twice beside a revision": (
        MINIMAL.replace(b"{", b'{"revision": 1, "revision": 1, '),
        "duplicate_key",
        "'revision'",
    ),
    "the same key twice where nobody reads": (
        MINIMAL.replace(b"{", b'{"note": [{"a": 1, "a": 2}], '),
        "duplicate_key",
        "'a'",
    ),
}
# The same for values of JSON that are no return; the schema refuses these too.
NO_RETURN = {
    "null": (b"null", "invalid", "object"),
    "a list": (b"[" + MINIMAL + b"]", "invalid", "array"),
    "a huge integer for a revision": (row(revision=10**30), "invalid", "revision"),
    "below -1": (row(**{"return": -1.5}), "invalid", ">= -1.0"),
    "a boolean for a number": (row(**{"return": True}), "invalid", "bool"),
    "a string for a number": (row(**{"return": "0.01"}), "invalid", "str"),
    "no return": (row(**{"return": None}), "invalid", 'needs "return"'),
    "a return of null": (literally(b"null"), "invalid", 'needs "return"'),
    "a mark with a return": (row(status="progress"), "invalid", "carries no"),
    "an unknown status": (row(status="alive"), "invalid", "alive"),
    "no id": (row(strategy_id=None), "invalid", "strategy_id"),
    "no instant": (row(period_end=None), "invalid", "period_end"),
    "an empty id": (row(strategy_id=""), "invalid", "regex"),
    "an id with a newline": (row(strategy_id="m\n"), "invalid", "regex"),
    "an id with a slash": (row(strategy_id="a/b"), "invalid", "regex"),
    "an id of 65 letters": (row(strategy_id="m" * 65), "invalid", "regex"),
    "a number for an id": (row(strategy_id=7), "invalid", "int"),
    "a negative revision": (row(revision=-1), "invalid", ">= 0"),
    "a revision above 31 bits": (row(revision=2**31), "invalid", "2147483647"),
    "half a revision": (row(revision=0.5), "invalid", "float"),
    "a negative capital": (row(capital=-1.0), "invalid", ">= 0.0"),
    "a gain called drawdown": (row(reported_drawdown=0.1), "invalid", "<= 0.0"),
    "a currency in small letters": (row(currency="usd"), "invalid", "regex"),
    "no zone": (row(period_end="2024-05-31T20:00:00"), "bad_period_end", "zone"),
    "a date": (row(period_end="2024-05-31"), "bad_period_end", "zone"),
    "a number for an instant": (row(period_end=1717185600), "invalid", "int"),
    "a leap second": (row(period_end="2016-12-31T23:59:60Z"), "bad_period_end", "23:59:60Z"),
    "ten decimals": (row(period_end="2024-05-31T20:00:00.0123456789Z"), "bad_period_end", "zone"),
}
# Refused though they fit the schema: it knows neither the calendar nor how a number is spelled.
BEYOND_THE_SCHEMA = {
    "an impossible date": (row(period_end="2023-02-29T00:00:00Z"), "bad_period_end", "2023-02-29"),
    "a month too many": (row(period_end="2023-13-01T00:00:00Z"), "bad_period_end", "exists"),
    "year 0": (row(period_end="0000-01-01T00:00:00Z"), "bad_period_end", "exists"),
    "beyond 64 bits": (row(period_end="2262-04-12T00:00:00Z"), "bad_period_end", "64 bits"),
    "a whole number with a point": (row(revision=1.0), "invalid", "float"),
    "a huge integer": (literally(b"1" + b"0" * 400), "invalid", "out of range"),
    "too large for a float": (literally(b"1e999"), "invalid", "out of range"),
}


@pytest.mark.parametrize(
    ("data", "code", "said"),
    [pytest.param(*c, id=n) for n, c in (NO_VALUE | NO_RETURN | BEYOND_THE_SCHEMA).items()],
)
def test_bad_return_is_refused_with_code_and_reason(data, code, said):
    error = refusal(decode_return, data)
    assert error.code == code
    assert said in error.detail
    assert len(error.detail) < 1000  # a header of the dead letter
    assert error.detail.encode()


@pytest.mark.parametrize("data", [pytest.param(c[0], id=n) for n, c in NO_RETURN.items()])
def test_schema_refuses_what_the_reader_refuses(data):
    assert not VALIDATOR.is_valid(json.loads(data))


@pytest.mark.parametrize("data", [pytest.param(c[0], id=n) for n, c in BEYOND_THE_SCHEMA.items()])
def test_schema_says_less_only_where_it_cannot(data):
    assert VALIDATOR.is_valid(json.loads(data))


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (MINIMAL, 0.01),
        (row(**{"return": 0}), 0.0),
        (row(**{"return": -1}), -1.0),
        (row(strategy_id="m" * 64), 0.01),
        (row(status="value", revision=2**31 - 1, note={"return": 3}), 0.01),
        (row(note='colons: and "quotes" and \\ and é', currency="USDT"), 0.01),
        (row(period_end="2024-05-31t22:00:00+02:00"), 0.01),
        (MINIMAL.replace(b"0.01", b"1e-400"), 0.0),
        (MINIMAL.replace(b'"m"', b'"\\u006d"'), 0.01),
        (row(status="progress", **{"return": None}), None),
        (row(status="inactive", **{"return": None}), None),
        (MINIMAL.replace(b"{", b'{"note": ' + b"[" * 100 + b"]" * 100 + b", "), 0.01),
        (MINIMAL.replace(b"{", b'{"note": ' + b"9" * 5000 + b", "), 0.01),
        (MINIMAL + b" " * (INPUT_BYTES_MAX - len(MINIMAL)), 0.01),
    ],
)
def test_good_return_is_read_and_fits_the_schema(data, value):
    assert decode_return(data).value == value
    VALIDATOR.validate(json.loads(data, parse_int=float))


TRICKY = {
    "strategy_id": ["m", "M-1.a_b", "", "a b", "é", 1, None, "m\n", "-m"],
    "period_end": ["2024-05-31T20:00:00Z", "2024-05-31 20:00:00.5+01:00", "2024-05-31", None, 5],
    "return": [0, -1, 0.5, -1.0000001, None, "1", False, [], {}],
    "status": ["value", "progress", "inactive", "VALUE", None, 1],
    "revision": [0, 1, 2**31 - 1, 2**31, -1, None, "0", True],
    "account_id": ["a", None, "", 1],
    "capital": [0, 1.5, -1, None, "1"],
    "target_capital": [0, 1.5, -1, None, "1"],
    "currency": ["USD", "USDTX", "US", "usd", None, "USD\n"],
    "reported_volatility_annual": [0, 0.1, -0.1, None],
    "reported_drawdown": [0, -1, -1.1, 0.1, None],
    "note": [None, {"return": "x"}],
}
REQUIRED = ("strategy_id", "period_end")
TRICKY_DOCUMENTS = st.fixed_dictionaries(
    {key: st.sampled_from(TRICKY[key]) for key in REQUIRED},
    optional={key: st.sampled_from(TRICKY[key]) for key in TRICKY if key not in REQUIRED},
)


@given(document=TRICKY_DOCUMENTS)
@example(document={"strategy_id": "m", "period_end": "2024-05-31T20:00:00Z", "status": "inactive"})
def test_reader_and_schema_draw_the_same_line(document):
    try:
        decode_return(json.dumps(document).encode())
    except RefusedInputError:
        accepted = False
    else:
        accepted = True
    assert VALIDATOR.is_valid(document) is accepted


@given(
    pairs=st.lists(
        st.sampled_from(
            [
                '"strategy_id": "m"',
                '"strategy_id" :"a"',
                '"period_end": "2024-05-31T20:00:00Z"',
                '"period_end" : "2024-05-31T20:00:00+00:00"',
                '"return": 0.5',
                '"r\\u0065turn": 0.5',
                '"revision": 1',
                '"revision": 0',
                '"status": "value"',
                '"note": ":\\u003a:"',
                '"note": {"return": 1}',
            ]
        ),
        max_size=6,
    ).map(lambda drawn: ['"strategy_id": "m"', '"period_end": "2024-05-31T20:00:00Z"', *drawn])
)
def test_a_key_that_stands_twice_is_refused_and_no_other(pairs):
    names = [json.loads("{" + pair + "}").popitem()[0] for pair in pairs]
    data = ("{" + ", ".join(pairs) + "}").encode()
    try:
        decode_return(data)
    except RefusedInputError as error:
        code = error.code
    else:
        code = None
    if len(set(names)) < len(names):
        # without a return, twice the same key may first be refused for that
        assert code == "duplicate_key" or (code == "invalid" and "return" not in names)
    else:
        assert code == (None if "return" in names else "invalid")


@pytest.mark.parametrize(
    ("decode", "name"),
    [
        (codec.decode_registration, "StrategyRegistration"),
        (codec.decode_registration, "PortfolioRegistration"),
        (codec.decode_control, "ControlRequest"),
        (codec.decode_risk, "RiskSignal"),
        (codec.decode_report, "ExecutionReport"),
    ],
)
def test_other_input_is_refused_by_the_same_codes(decode, name):
    good = encode_message(JSON_EXAMPLES[name])
    assert decode(good) == JSON_EXAMPLES[name]
    assert refusal(decode, b"").code == "malformed"
    assert refusal(decode, b"{}").code == "invalid"
    deep = b"[" * 10_000 + b"]" * 10_000
    assert refusal(decode, deep).code == "invalid"
    assert refusal(decode, good.replace(b"{", b'{"x": ' + deep + b",", 1)).code == "malformed"
    assert refusal(decode, good.replace(b"{", b'{"x": 1, "x": 1, ', 1)).code == "duplicate_key"
    assert refusal(decode, b" " * (LONG_INPUT_BYTES_MAX + 1)).code == "oversize"


def test_duplicate_scan_that_runs_out_of_stack_refuses_the_record(monkeypatch):
    def exhausted(*_arguments, **_options):
        raise RecursionError

    monkeypatch.setattr(codec.json, "loads", exhausted)
    assert refusal(decode_return, row(note=1)).code == "malformed"


def test_report_without_an_instant_is_refused():
    good = encode_message(JSON_EXAMPLES["ExecutionReport"])
    error = refusal(codec.decode_report, good.replace(b"T20:00:02.5Z", b""))
    assert error.code == "bad_instant"
    assert error.detail.startswith("as_of '2024-05-31' is not")


def test_registration_of_an_unknown_kind_names_it():
    good = encode_message(JSON_EXAMPLES["StrategyRegistration"])
    error = refusal(codec.decode_registration, good.replace(b'"strategy"', b'"stratgy"'))
    assert error.code == "invalid"
    assert "stratgy" in error.detail


def test_refusal_quotes_at_most_the_beginning_of_what_it_refuses():
    error = refusal(decode_return, row(status="x" * 60_000))
    assert "xxx" in error.detail
    assert len(error.detail) < 1000
