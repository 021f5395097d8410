"""How a portfolio estimates: windows, covariance, expected returns."""

from typing import Annotated, Literal

from msgspec import Meta

from schemas.policy.section import PositiveInt, Section


class Estimation(Section, frozen=True, kw_only=True):
    """Windows and estimators. ``min_bars`` None means min(window_bars, max(20, N + 2))."""

    window_bars: Annotated[int, Meta(ge=2, le=100_000)] = 252
    min_bars: Annotated[int, Meta(ge=2, le=100_000)] | None = None
    stale_bars: PositiveInt = 5
    windows: tuple[Annotated[int, Meta(ge=2, le=100_000)], ...] = (20, 60, 252)
    covariance: Annotated[
        str, Meta(pattern=r"^(sample|ledoit_wolf|ewma:0?\.[0-9]*[1-9][0-9]*)$(?!\n)")
    ] = "sample"
    mean: Literal["sample"] = "sample"
