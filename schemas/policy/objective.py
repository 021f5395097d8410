"""What the optimizer seeks."""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.policy.section import Section


class Objective(Section, frozen=True, kw_only=True):
    """What the optimizer seeks."""

    type: Literal["mean_variance", "min_variance", "equal", "inverse_volatility"] = "min_variance"
    risk_aversion: Annotated[float, Meta(gt=0.0)] = 1.0
