"""The portfolio file: a typo anywhere names its neighbour, a value out of range names itself."""

import copy
import math

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.examples import JSON_EXAMPLES
from schemas.policy import PolicyError, PortfolioPolicy, load_policy
from tests.schemas.values import messages

MINIMAL = {"portfolio_id": "p", "bar": "1d", "periods_per_year": 252, "strategies": [{"id": "a"}]}
FULL = {
    "portfolio_id": "core",
    "bar": "1d",
    "periods_per_year": 252,
    "strategies": [
        {"id": "a", "family": "trend", "weight_min": 0.0, "weight_max": 0.5, "account": "x"},
        {"id": "b", "family": "arbitrage"},
    ],
    "initial_weights": {"a": 0.5, "b": 0.25},
    "estimation": {
        "window_bars": 252,
        "min_bars": 63,
        "stale_bars": 5,
        "windows": [20, 60],
        "covariance": "ewma:0.94",
        "mean": "sample",
    },
    "objective": {"type": "mean_variance", "risk_aversion": 4},
    "constraints": {
        "long_only": True,
        "weight_min": 0.0,
        "weight_max": 0.5,
        "families": {"trend": {"min": 0.0, "max": 0.4}},
        "turnover_max": 0.5,
    },
    "costs": {"linear_bps": 5},
    "cash": {"min": 0.0, "max": 0.5, "rate": 0.0},
    "execution": {"delay_bars": 1},
    "ledger": "reported",
    "clock": "wall",
    "rebalance": {
        "schedule": "cron:0 16 * * 5",
        "drift": {"max_abs": 0.05},
        "gate": "none",
        "cooldown_bars": 3,
    },
}
FREE_KEYS = {
    ("initial_weights",),
    ("constraints", "families"),
}  # ids and families, not keys of ours


def places(document, path=()):
    """Yield the path of every key of ours, at every depth."""
    items = document.items() if isinstance(document, dict) else enumerate(document)
    for key, value in items:
        if isinstance(key, str) and path not in FREE_KEYS:
            yield (*path, key)
        if isinstance(value, dict | list):
            yield from places(value, (*path, key))


def at(document, path):
    for key in path:
        document = document[key]
    return document


def changed(path, value):
    document = copy.deepcopy(FULL)
    at(document, path[:-1])[path[-1]] = value
    return document


def refusal(document):
    with pytest.raises(PolicyError) as caught:
        load_policy(document)
    return str(caught.value)


def dotted(path):
    return ".".join(map(str, path))


def test_full_file_fills_every_key():
    filled = {path[-1] for path in places(FULL)}
    defined = {name for part in sections(PortfolioPolicy) for name in part.__struct_fields__}
    assert defined - filled == {"from_returns"}


def sections(type_):
    """Yield the sections of the policy, found in the schema msgspec makes of it."""
    names = msgspec.json.schema_components((type_,))[1]
    classes = type_.__mro__[1].__subclasses__()
    return [section for section in classes if section.__name__ in names]


def test_full_and_minimal_files_are_read():
    policy = load_policy(FULL)
    assert policy.rebalance.schedule == "cron:0 16 * * 5"
    assert policy.strategies[0].account == "x"
    assert load_policy(MINIMAL) == PortfolioPolicy(
        portfolio_id="p",
        bar="1d",
        periods_per_year=252.0,
        strategies=load_policy(MINIMAL).strategies,
    )
    assert load_policy(MINIMAL | {"strategies": {"from_returns": True}}).strategies.from_returns


def test_defaults_are_those_of_the_reference_page():
    policy = load_policy(MINIMAL)
    assert msgspec.to_builtins(policy.estimation) == {}  # all defaults, left out when written
    assert policy.estimation.window_bars == 252
    assert policy.estimation.min_bars is None
    assert policy.estimation.stale_bars == 5
    assert policy.estimation.windows == (20, 60, 252)
    assert policy.cash == msgspec.convert({"min": 0, "max": 0, "rate": 0}, type(policy.cash))
    assert (policy.execution.delay_bars, policy.costs.linear_bps) == (0, 0.0)
    assert (policy.ledger, policy.clock, policy.rebalance.schedule) == ("assumed", "event", "never")


@given(policy=messages(PortfolioPolicy))
def test_whatever_the_types_allow_is_read_or_refused_with_a_sentence(policy):
    document = msgspec.to_builtins(policy)
    try:
        said, read = "", load_policy(document)
    except PolicyError as error:
        said, read = str(error), policy
    assert read == policy
    assert not said or any(
        key in said for key in ("weight", "cash", "families", "estimation", "id")
    )


@pytest.mark.parametrize("path", list(places(FULL)), ids=dotted)
def test_typo_at_any_depth_names_the_nearest_key(path):
    document = copy.deepcopy(FULL)
    section = at(document, path[:-1])
    wrong = f"{path[-1]}e"
    section[wrong] = section.pop(path[-1])
    expected = dotted(path)
    assert refusal(document) == f"unknown key {expected + 'e'!r}; did you mean {expected!r}?"


def test_typo_of_the_other_kind_of_strategies_is_named():
    assert "strategies.from_returns" in refusal(MINIMAL | {"strategies": {"from_return": True}})


def test_key_that_is_no_text_is_refused():
    assert refusal(MINIMAL | {1: 2}).startswith("unknown key '1'")


@pytest.mark.parametrize(
    ("path", "value", "said"),
    [
        (("portfolio_id",), "a b", "regex"),
        (("portfolio_id",), "core\n", "regex"),
        (("bar",), "1day", "'1day'"),
        (("periods_per_year",), 0, "> 0.0"),
        (("periods_per_year",), True, "bool"),
        (("periods_per_year",), "252", "str"),
        (("strategies", 1, "id"), "a/b", "regex"),
        (("strategies", 0, "weight_max"), "half", "str"),
        (("estimation", "window_bars"), 1, ">= 2"),
        (("estimation", "window_bars"), 100_001, "<= 100000"),
        (("estimation", "window_bars"), 252.5, "float"),
        (("estimation", "min_bars"), 1, ">= 2"),
        (("estimation", "stale_bars"), 0, ">= 1"),
        (("estimation", "windows", 1), 1, ">= 2"),
        (("estimation", "covariance"), "ewma:1.5", "regex"),
        (("estimation", "covariance"), "ewma:0.0", "regex"),
        (("estimation", "covariance"), "ewma", "regex"),
        (("estimation", "mean"), "shrunk", "'shrunk'"),
        (("objective", "type"), "max_sharpe", "'max_sharpe'"),
        (("objective", "risk_aversion"), 0, "> 0.0"),
        (("constraints", "long_only"), "yes", "str"),
        (("constraints", "turnover_max"), 0, "> 0.0"),
        (("costs", "linear_bps"), -1, ">= 0.0"),
        (("cash", "min"), -0.1, ">= 0.0"),
        (("cash", "max"), 1.1, "<= 1.0"),
        (("execution", "delay_bars"), 2, "2"),
        (("ledger",), "guessed", "'guessed'"),
        (("clock",), "sun", "'sun'"),
        (("rebalance", "schedule"), "hourly", "regex"),
        (("rebalance", "schedule"), "daily\n", "regex"),
        (("rebalance", "drift", "max_abs"), 0, "> 0.0"),
        (("rebalance", "gate"), "net_benefit", "'net_benefit'"),
        (("rebalance", "cooldown_bars"), -1, ">= 0"),
    ],
)
def test_value_out_of_range_is_refused_with_its_key_value_and_what_was_expected(path, value, said):
    text = refusal(changed(path, value))
    names = [part for part in path if isinstance(part, str)]
    assert all(name in text for name in names)
    assert said in text
    assert repr(value) in text


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize(
    "path",
    [path for path in places(FULL) if isinstance(at(FULL, path), float)]
    + [("initial_weights", "a")],
    ids=dotted,
)
def test_number_that_yaml_has_and_arithmetic_does_not_is_refused(path, bad):
    assert refusal(changed(path, bad)) == f"{dotted(path)}: expected a finite number, got {bad!r}"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {("constraints", "weight_min"): 0.6},
            "weight_min 0.6 is above constraints.weight_max 0.5",
        ),
        ({("constraints", "weight_min"): -0.1}, "negative while long_only"),
        ({("cash", "min"): 0.6}, "cash.min 0.6 is above cash.max 0.5"),
        ({("constraints", "families", "trend", "min"): 0.5}, "trend.min 0.5 is above its max 0.4"),
        ({("constraints", "families", "trnd"): {}}, "'trnd'; did you mean 'trend'?"),
        ({("estimation", "min_bars"): 300}, "min_bars 300 is above window_bars 252"),
        ({("estimation", "windows"): [20, 20]}, "[20, 20]"),
        ({("estimation", "windows"): []}, "one or more"),
        ({("initial_weights", "a"): 0.8}, "sum to 1.05, above 1"),
        ({("initial_weights", "aa"): 0.0}, "'aa' is not among the strategies; did you mean 'a'?"),
        ({("strategies", 1, "id"): "a"}, "id 'a' stands twice"),
        ({("strategies", 0, "weight_min"): 0.6}, "'a' has weight_min 0.6 above weight_max 0.5"),
        ({("strategies", 1, "weight_min"): -0.1}, "'b' has weight_min -0.1 while long_only"),
        ({("strategies",): []}, "of which there are none"),
        ({("constraints", "correlation"): {}}, "not built yet"),
    ],
)
def test_contradiction_is_refused(changes, said):
    document = copy.deepcopy(FULL)
    for path, value in changes.items():
        at(document, path[:-1])[path[-1]] = value
    assert said in refusal(document)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("strategies", 1, "family"), "carry"),
        (("constraints", "families", "market_making"), {"max": 0.2}),
        (("estimation", "covariance"), "ewma:.97"),
        (("estimation", "min_bars"), None),
        (("rebalance", "drift"), None),
    ],
)
def test_sensible_change_is_read(path, value):
    load_policy(changed(path, value))


def test_family_of_an_own_name_may_be_limited():
    document = changed(("strategies", 1, "family"), "carry")
    document["constraints"]["families"]["carry"] = {"max": 0.1}
    assert load_policy(document).constraints.families["carry"].max == 0.1


@pytest.mark.parametrize("document", [None, [], "a: 1", 3])
def test_file_that_is_no_mapping_is_refused(document):
    assert type(document).__name__ in refusal(document)


@pytest.mark.parametrize("key", ["portfolio_id", "bar", "periods_per_year", "strategies"])
def test_missing_key_is_named(key):
    assert key in refusal({name: value for name, value in MINIMAL.items() if name != key})


@pytest.mark.parametrize("strategies", ["all", {"from_returns": False}, [1], {}])
def test_strategies_of_another_shape_are_refused(strategies):
    assert "strategies" in refusal(MINIMAL | {"strategies": strategies})


def test_wrong_limit_of_a_family_is_told_with_its_place():
    text = refusal(changed(("constraints", "families", "trend", "max"), "half"))
    assert text.startswith("constraints.families[...].max: Expected `float`, got `str`")


def test_wrong_weight_of_a_strategy_is_told_with_the_mapping_it_is_in():
    text = refusal(changed(("initial_weights", "a"), "half"))
    assert "initial_weights" in text
    assert "'half'" in text


@given(name=st.sampled_from(["trend", "arbitrage", "other"]), top=st.floats(0.0, 1.0))
def test_policy_survives_its_registration(name, top):
    policy = load_policy(changed(("constraints", "families"), {name: {"max": top}}))
    registration = msgspec.structs.replace(JSON_EXAMPLES["PortfolioRegistration"], policy=policy)
    data = msgspec.json.encode(registration)
    assert msgspec.json.decode(data, type=type(registration)).policy == policy
