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
        {
            "id": "a",
            "family": "trend",
            "weight_min": 0.0,
            "weight_max": 0.5,
            "account": "x",
            "tags": ["fast"],
            "factors": {"market": 1.2},
            "attributes": {"capacity": 5.0},
            "dated": [
                {
                    "from": "2024-01-01T00:00:00Z",
                    "until": "2025-01-01T00:00:00Z",
                    "weight_min": 0.0,
                    "weight_max": 0.1,
                }
            ],
        },
        {"id": "b", "family": "arbitrage", "attributes": {"capacity": 1.0}},
    ],
    "initial_weights": {"a": 0.5, "b": 0.25},
    "estimation": {
        "window_bars": 252,
        "min_bars": 63,
        "stale_bars": 5,
        "windows": [20, 60],
        "covariance": "ewma:0.94",
        "mean": "black_litterman",
        "ragged": "pairwise",
        "winsorize": 6.0,
        "views": [{"strategies": {"a": 1.0}, "return_annual": 0.05, "confidence": 0.5}],
        "equilibrium": {"risk_aversion": 2.0, "weights": {"a": 0.6}},
        "compare": ["sample", "ewma_split:20:120"],
        "quality": {"window_bars": 126, "portfolios": 8, "every_bars": 5},
        "demote": {"to": "oas", "band": [0.7, 1.4], "min_bars": 30},
        "quarantine": {"return_abs_max": 0.5, "jump_sigmas": 12.0},
        "figures": "standard",
        "benchmark": "b",
        "trials": 12,
    },
    "objective": {
        "type": "mean_variance",
        "risk_aversion": 4,
        "alpha": 0.9,
        "kappa": 1.0,
        "reference": {"a": 0.5},
    },
    "constraints": {
        "long_only": True,
        "weight_min": 0.0,
        "weight_max": 0.5,
        "families": {"trend": {"min": 0.0, "max": 0.4}},
        "turnover_max": 0.5,
        "accounts": {"x": {"min": 0.0, "max": 0.5}},
        "tags": {"fast": {"min": 0.0, "max": 0.5}},
        "factors": {"market": {"min": -0.5, "max": 1.0}},
        "leverage_max": 1.0,
        "short_max": 0.0,
        "cardinality_max": 2,
        "position_min": 0.05,
        "volatility_max": 0.2,
        "cvar_max": 0.03,
        "risk_contribution_max": 0.8,
        "correlation": {
            "pair_limit": 0.7,
            "pair_weight_max": 0.3,
            "confidence": 0.9,
            "cluster_limit": 0.6,
            "cluster_weight_max": 0.35,
            "cluster_risk_max": 0.4,
            "diversification_ratio_min": 1.1,
            "exclusive": [["a", "b"]],
            "held_correlation_max": 0.9,
            "penalty": 0.5,
        },
    },
    "costs": {
        "linear_bps": 5,
        "impact": {"coefficient": 0.5, "capacity": 2.0, "capacities": {"a": 0.5}},
        "ticket_bps": 0.1,
        "horizon_bars": 21,
    },
    "cash": {"min": 0.0, "max": 0.5, "rate": 0.0},
    "execution": {
        "delay_bars": 1,
        "capital": 1e6,
        "currency": "EUR",
        "compounding": "fixed",
        "lot": 1000.0,
        "lots": {"a": 500.0},
    },
    "overlay": {
        "drawdown": {"start": 0.05, "full": 0.2, "floor": 0.3, "recover": 0.01, "step": 0.1}
    },
    "fallback": ["other_solver", "hrp", "inverse_volatility", "hold"],
    "explain": {"prices": 4, "resamples": 16},
    "shadows": [{"name": "calm", "objective": {"type": "hrp"}, "constraints": {"weight_max": 0.6}}],
    "ledger": "reported",
    "clock": "wall",
    "rebalance": {
        "schedule": "cron:0 16 * * 5",
        "drift": {"max_abs": 0.05, "max_risk": 0.02},
        "gate": {"k": 1.5, "standard_errors": 0.5},
        "cooldown_bars": 3,
        "band": {"width": 0.01, "trade_to": "edge"},
        "signals": {
            "turbulence": {"above": 3.0, "rearm": 2.0},
            "correlation_break": {"above": 0.3},
            "volatility_regime": {"above": 1.5},
        },
    },
}
CUSTOM = FULL | {
    "constraints": {"weight_max": 0.5},
    "costs": {"linear_bps": 5, "horizon_bars": 21},
    "objective": {
        "type": "custom",
        "combine": "lexicographic",
        "normalise": True,
        "reference": {"a": 0.5},
        "terms": [
            {"name": "room", "linear": "capacity", "weight": 1.0, "sense": "maximise"},
            {"norm1": {"to": "reference"}, "weight": 0.5, "give_up": 0.1},
            {"norm2": {"to": "held"}, "weight": 0.5},
            {"variance": {"scope": "families.trend"}, "weight": 2.0},
            {"cvar": {"alpha": 0.9}, "bound": 0.05},
            {"sum": {"scope": "tags.fast"}, "bound": 0.2, "sense": "ge"},
        ],
    },
}
OF_ANOTHER_OBJECTIVE = {"from_returns", "target", "budgets", "python"}
FREE_KEYS = {
    ("strategies", 0, "attributes"),
    ("strategies", 1, "attributes"),
    ("initial_weights",),
    ("estimation", "views", 0, "strategies"),
    ("estimation", "equilibrium", "weights"),
    ("constraints", "families"),
    ("costs", "impact", "capacities"),
    ("execution", "lots"),
    ("constraints", "accounts"),
    ("constraints", "tags"),
    ("constraints", "factors"),
    ("strategies", 0, "factors"),
    ("objective", "reference"),
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
    filled = {path[-1] for document in (FULL, CUSTOM) for path in places(document)}
    defined = {name for part in sections(PortfolioPolicy) for name in part.__struct_encode_fields__}
    # Each of these is for another objective, and refused beside these.
    assert defined - filled == OF_ANOTHER_OBJECTIVE


def sections(type_):
    """Yield the sections of the policy, found in the schema msgspec makes of it."""
    names = msgspec.json.schema_components((type_,))[1]
    classes = type_.__mro__[1].__subclasses__()
    return [section for section in classes if section.__name__ in names]


def test_full_and_minimal_files_are_read():
    assert len(load_policy(CUSTOM).objective.terms) == 6
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
        key in said
        for key in (
            *("weight", "cash", "families", "estimation", "id", "overlay", "objective", "costs"),
            *("constraints", "rebalance", "execution"),
        )
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
        (("periods_per_year",), 1e10, "<= 1000000000.0"),
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
        (("objective", "type"), "max_luck", "'max_luck'"),
        (("objective", "risk_aversion"), 0, "> 0.0"),
        (("constraints", "long_only"), "yes", "str"),
        (("constraints", "turnover_max"), 0, "> 0.0"),
        (("costs", "linear_bps"), -1, ">= 0.0"),
        (("costs", "linear_bps"), 10_001, "<= 10000.0"),
        (("execution", "capital"), 1e-300, ">= 1e-09"),
        (("execution", "lot"), 1e300, "<= 1e+18"),
        (("cash", "min"), -0.1, ">= 0.0"),
        (("cash", "max"), 1.1, "<= 1.0"),
        (("execution", "delay_bars"), 2, "2"),
        (("ledger",), "guessed", "'guessed'"),
        (("clock",), "sun", "'sun'"),
        (("rebalance", "schedule"), "hourly", "regex"),
        (("rebalance", "schedule"), "daily\n", "regex"),
        (("rebalance", "drift", "max_abs"), 0, "> 0.0"),
        (("rebalance", "gate"), "always", "'always'"),
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
        ({("costs", "horizon_bars"): None}, "gate needs costs.horizon_bars"),
        ({("execution", "capital"): None}, "lot is money, and needs execution.capital"),
        ({("rebalance", "drift"): {}}, "needs max_abs or max_risk"),
        ({("rebalance", "signals", "turbulence", "rearm"): 4.0}, "rearm 4.0 is above its above"),
        ({("overlay", "drawdown", "start"): 0.2}, "start 0.2 is not below its full 0.2"),
        (
            {("constraints", "correlation", "pair_limit"): None},
            "needs constraints.correlation.pair",
        ),
        (
            {("constraints", "correlation", "cluster_limit"): None},
            "needs constraints.correlation.cl",
        ),
        ({("constraints", "leverage_max"): 0.4}, "leverage_max 0.4 is below 0.5"),
        (
            {("constraints", "position_min"): 0.6},
            "position_min 0.6 is above constraints.weight_max",
        ),
        ({("constraints", "short_max"): 0.1}, "short_max 0.1 while long_only is true"),
        (
            {("cash", "max"): 0.0, ("constraints", "cardinality_max"): 1},
            "cardinality_max 1 strategies can hold 0.5",
        ),
        ({("constraints", "risk_contribution_max"): 0.3}, "contributions sum to 1"),
        (
            {("constraints", "tags"): {"fats": {}}},
            "'fats' is not among the strategies'; did you mean",
        ),
        (
            {("constraints", "factors", "market", "min"): 2.0},
            "factors.market.min 2.0 is above its max",
        ),
        ({("objective", "type"): "target_return"}, "target_return needs objective.target"),
        ({("objective", "target"): 0.1}, "objective.target is for target_volatility and"),
        ({("objective", "budgets"): {"a": 1.0}}, "objective.budgets are for risk_parity"),
        ({("objective", "type"): "min_cvar"}, "penalty can be charged to"),
        ({("strategies", 0, "dated", 0, "until"): "2024-01-01T00:00:00Z"}, "is not before until"),
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
