"""Events that come twice under one id: two processes at one instant, or a repeat by hand."""

from typing import Final

REMEMBERED: Final = 512
"""Ids of one kind that a portfolio keeps: far more than can be under way at once."""


def is_repeated(identifier: str, told: list[str]) -> bool:
    """Tell whether an id is among those told, oldest first; else remember it as the newest.

    Examples
    --------
    >>> told = ["a"]
    >>> is_repeated("b", told), is_repeated("a", told), told
    (False, True, ['a', 'b'])
    """
    if identifier in told:
        return True
    told.append(identifier)
    del told[:-REMEMBERED]
    return False
