"""What all sections of a portfolio file have in common."""

from typing import Annotated

import msgspec
from msgspec import Meta

PositiveInt = Annotated[int, Meta(ge=1, le=1_000_000)]
Share = Annotated[float, Meta(ge=0.0, le=1.0)]


class PolicyError(ValueError):
    """A portfolio file that cannot be used; names the key, its value and what was expected."""


class Section(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True
):
    """Base of the sections: immutable, and closed to unknown keys."""
