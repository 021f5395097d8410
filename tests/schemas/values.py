"""Random messages, drawn from their types: whatever a type allows, and nothing else."""

import functools
import types
import typing

import msgspec
from hypothesis import strategies as st

from schemas.events import StrategyReturn
from schemas.units import TS_NS_MAX, Instant, format_instant

JSON_INT_MAX = 2**53  # JSON readers in other languages hold no more exactly
LABELS = st.text(st.characters(codec="utf-8"), max_size=8)
INSTANTS = st.integers(-TS_NS_MAX, TS_NS_MAX).map(format_instant)
ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-JSON_INT_MAX, JSON_INT_MAX)
    | LABELS
    # a whole float reads back as a float, for it is written with its point
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(LABELS, inner, max_size=2),
    max_leaves=4,
)


def messages(type_):
    """Values of a message type that its own checks accept."""
    drawn = values_of(type_)
    return drawn.map(consistent) if type_ is StrategyReturn else drawn


def consistent(row):
    value = (row.value or 0.0) if row.status == "value" else None
    return msgspec.structs.replace(row, value=value)


@functools.cache
def values_of(type_):
    if type_ is typing.Any:
        return ANYTHING
    if type_ == Instant:
        return INSTANTS
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct):
        fields = msgspec.structs.fields(type_)
        return (
            st.builds(type_, **{field.name: values_of(field.type) for field in fields})
            if (type_.__struct_config__.array_like is False)
            else st.tuples(*(values_of(field.type) for field in fields)).map(
                lambda row: type_(*row)
            )
        )
    origin, arguments = typing.get_origin(type_), typing.get_args(type_)
    if origin is typing.Annotated:
        return bounded(arguments[0], arguments[1])
    return plain(type_) if origin is None else composed(origin, arguments)


def composed(origin, arguments):
    if origin is typing.Literal:
        return st.sampled_from(arguments)
    if origin in (typing.Union, types.UnionType):
        return st.one_of([values_of(option) for option in arguments])
    if origin is dict:
        return st.dictionaries(*map(values_of, arguments), max_size=3)
    if origin is tuple and arguments[-1] is not Ellipsis:
        return st.tuples(*map(values_of, arguments))
    items = st.lists(values_of(arguments[0]), max_size=3)
    return items.map(tuple) if origin is tuple else items


def plain(type_):
    return {
        type(None): st.none(),
        msgspec.UnsetType: st.just(msgspec.UNSET),
        bool: st.booleans(),
        bytes: st.binary(max_size=16),
        float: st.floats(allow_nan=False, allow_infinity=False),
        int: st.integers(-JSON_INT_MAX, JSON_INT_MAX),
        str: LABELS,
    }[type_]


def bounded(type_, meta):
    if type_ is str:
        if meta.pattern is not None:
            alphabet = st.characters(codec="ascii")
            return st.from_regex(meta.pattern, alphabet=alphabet)
        return LABELS
    low, high = (meta.ge if meta.gt is None else meta.gt), meta.le
    if type_ is int:
        return st.integers(-JSON_INT_MAX if low is None else low, high or JSON_INT_MAX)
    return st.floats(
        low,
        meta.lt if high is None else high,
        exclude_min=meta.gt is not None,
        exclude_max=high is None and meta.lt is not None,
        allow_nan=False,
        allow_infinity=False,
    )
