"""The hard limits of every decision."""

from typing import Annotated

from msgspec import Meta, field

from schemas.policy.section import Section
from schemas.units import Family, Weight


class FamilyLimit(Section, frozen=True, kw_only=True):
    """Bounds of a family's total weight."""

    min: float = 0.0
    max: float = 1.0


class Constraints(Section, frozen=True, kw_only=True):
    """Hard limits of every decision."""

    long_only: bool = True
    weight_min: Weight = 0.0
    weight_max: Weight = 1.0
    families: dict[Family, FamilyLimit] = field(default_factory=dict)
    turnover_max: Annotated[float, Meta(gt=0.0)] | None = None
