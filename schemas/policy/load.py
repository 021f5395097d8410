"""A parsed portfolio file becomes a policy, or an error that names the key."""

import difflib
import math
import re
import types
import typing
from typing import Any

import msgspec

from schemas.policy.check import check_policy
from schemas.policy.portfolio import PortfolioPolicy
from schemas.policy.section import PolicyError, Section


def load_policy(document: object) -> PortfolioPolicy:
    """Return the policy in a parsed portfolio file.

    Parameters
    ----------
    document
        The mapping read from YAML or JSON.

    Raises
    ------
    PolicyError
        When a key is unknown, a value has the wrong type or range, or limits contradict each other.

    Examples
    --------
    >>> load_policy({"portfolio_id": "p", "bar": "1d", "periods_per_year": 252, "strategis": []})
    Traceback (most recent call last):
    ...
    schemas.policy.section.PolicyError: unknown key 'strategis'; did you mean 'strategies'?
    """
    if not isinstance(document, dict):
        message = f"a portfolio file is a mapping of keys, got {type(document).__name__}"
        raise PolicyError(message)
    _refuse_unknown_keys(document, PortfolioPolicy, ())
    _refuse_infinite(document, ())
    try:
        policy = msgspec.convert(document, PortfolioPolicy)
    except msgspec.ValidationError as error:
        raise PolicyError(_readable(error, document)) from error
    check_policy(policy)
    return policy


def _refuse_unknown_keys(value: object, expected: object, path: tuple[str, ...]) -> None:
    """Walk the document beside the types and stop at the first key that does not exist."""
    struct = _struct_for(value, expected)
    if struct is None:
        return
    if isinstance(value, list):
        for number, item in enumerate(value):
            _refuse_unknown_keys(item, struct, (*path, str(number)))
        return
    assert isinstance(value, dict)
    fields = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    for key, item in value.items():
        where = ".".join((*path, str(key)))
        if key not in fields:
            near = difflib.get_close_matches(str(key), fields, n=1, cutoff=0.0)
            message = f"unknown key {where!r}; did you mean {'.'.join((*path, *near))!r}?"
            raise PolicyError(message)
        if (section := _section_of_values(fields[key])) is not None and isinstance(item, dict):
            for name, limit in item.items():
                _refuse_unknown_keys(limit, section, (*path, key, str(name)))
        else:
            _refuse_unknown_keys(item, fields[key], (*path, key))


def _section_of_values(expected: object) -> type[Section] | None:
    """Return the section type of the values of a mapping with free keys; None for any other."""
    if typing.get_origin(expected) is not dict:
        return None
    value = typing.get_args(expected)[1]
    return value if isinstance(value, type) and issubclass(value, Section) else None


def _refuse_infinite(value: object, path: tuple[str, ...]) -> None:
    """Refuse a NaN or an infinity: every bound would let the one by, and YAML can spell both."""
    if isinstance(value, float) and not math.isfinite(value):
        message = f"{'.'.join(path)}: expected a finite number, got {value!r}"
        raise PolicyError(message)
    if isinstance(value, dict):
        for key, item in value.items():
            _refuse_infinite(item, (*path, str(key)))
    elif isinstance(value, list):
        for number, item in enumerate(value):
            _refuse_infinite(item, (*path, str(number)))


def _struct_for(value: object, expected: object) -> type[Section] | None:
    """Return the section type of a mapping, or of a list's items; None where there is none."""
    origin = typing.get_origin(expected)
    options = (
        typing.get_args(expected) if origin in (typing.Union, types.UnionType) else (expected,)
    )
    for option in options:
        if isinstance(value, list) and typing.get_origin(option) is tuple:
            item = typing.get_args(option)[0]
            return item if isinstance(item, type) and issubclass(item, Section) else None
        if isinstance(value, dict) and isinstance(option, type) and issubclass(option, Section):
            return option
    return None


def _readable(error: msgspec.ValidationError, document: dict[str, Any]) -> str:
    """Return the error with the key's path and the value found there."""
    text, _, place = str(error).partition(" - at `$")
    path = place.rstrip("`").lstrip(".")
    value: Any = document
    for part in re.findall(r"[^.\[\]]+", path):
        try:
            value = value[int(part)] if isinstance(value, (list, tuple)) else value[part]
        except (KeyError, IndexError, ValueError, TypeError):
            return f"{path or 'portfolio file'}: {text}"
    return f"{path}: {text}, got {value!r}" if path else text
