"""Which estimator of a covariance, as it is spelled in files."""

import re
from dataclasses import dataclass, replace
from functools import cache
from typing import Final, Literal

from schemas.policy import Estimation
from streams.core.errors import ConfigError

__all__ = ["COVARIANCE_LITERALS", "CovarianceSpec", "covariance_spec", "parse_covariance"]

Kind = Literal[
    "sample",
    "ewma",
    "ewma_split",
    "ledoit_wolf",
    "oas",
    "constant_correlation",
    "cluster_block",
    "denoise",
    "factor",
]

COVARIANCE_LITERALS: Final = (
    "sample, ewma:LAMBDA (as ewma:0.94), ewma_split:VOL_HALF_LIFE:CORR_HALF_LIFE, ledoit_wolf, "
    "ledoit_wolf:LAMBDA, oas, oas:LAMBDA, constant_correlation, cluster_block, "
    "cluster_block:LIMIT, denoise, factor:auto or factor:K"
)
_HALF_LIFE_MAX: Final = 100_000.0
_FACTORS_MAX: Final = 9_999
_CLUSTER_LIMIT: Final = 0.5
_PLAIN: Final = ("sample", "ledoit_wolf", "oas", "constant_correlation", "denoise")


@dataclass(frozen=True, slots=True, kw_only=True)
class CovarianceSpec:
    """Which estimator, and what it does with holes and wild values; see `parse_covariance`.

    Attributes
    ----------
    kind
        The estimator.
    decay
        Weight of a row relative to the next newer one; None = all alike. Of `ewma_split` that of
        the correlations.
    volatility_decay
        The same for the variances of `ewma_split`.
    factors
        Factors of `factor`; None = as many as stand out of noise.
    limit
        Correlation above which `cluster_block` joins clusters.
    ragged
        What becomes of rows with holes: see `streams.core.covariance.ragged`.
    winsorize
        Deviations from the median beyond which a return is cut; None = never.
    """

    kind: Kind
    decay: float | None = None
    volatility_decay: float | None = None
    factors: int | None = None
    limit: float | None = None
    ragged: Literal["complete_rows", "pairwise", "congruence"] = "complete_rows"
    winsorize: float | None = None

    @property
    def online(self) -> "CovarianceSpec":
        """The estimator that rank-one updates keep: this one, or what its own is finished from.

        `sample`, `ewma` and `ledoit_wolf` have an exact online form. `oas`, `denoise` and `factor`
        are functions of the sample covariance, `ewma_split` of the ewma of its correlations. The
        others need rows again: for them (and with ragged rows or winsorising) the online one is the
        sample of the complete rows, good for the line of summary that goes out at every bar, while
        the matrix itself is made from the window's rows where it is needed: at decisions, and at
        the bars at which it is published. Which bars those are follows from their numbers, never
        from how far behind the reader is.
        """
        if self.kind == "ewma" or (self.kind == "ledoit_wolf" and self.decay is None):
            return CovarianceSpec(kind=self.kind, decay=self.decay)
        if self.kind == "ewma_split":
            return CovarianceSpec(kind="ewma", decay=self.decay)
        return CovarianceSpec(kind="sample")

    @property
    def literal(self) -> str:
        """How an online estimator is spelled: the shortest decay that reads the same."""
        assert self.is_online, self
        return self.kind if self.decay is None else f"{self.kind}:{self.decay!r}"

    @property
    def is_online(self) -> bool:
        """Whether the rank-one updates give this very estimator."""
        return self == self.online

    @property
    def is_finished_online(self) -> bool:
        """Whether this estimate follows from the online one, with no second look at all rows."""
        plain = self.ragged == "complete_rows" and self.winsorize is None
        by_rows = self.kind in {"constant_correlation", "cluster_block"}
        weighted = self.kind in {"ledoit_wolf", "oas"} and self.decay is not None
        return plain and not by_rows and not weighted


def parse_covariance(literal: str) -> CovarianceSpec:
    """Read an estimator's name.

    Raises
    ------
    ConfigError
        Naming the literal and what may be written.

    Examples
    --------
    >>> parse_covariance("ewma:0.94").decay
    0.94
    >>> round(parse_covariance("ewma_split:20:120").volatility_decay, 6)
    0.965936
    """
    name, *numbers = literal.split(":")
    spec = _parsed(literal, name, numbers)
    if spec is None:
        msg = f"covariance is {literal!r}; expected {COVARIANCE_LITERALS}"
        raise ConfigError(msg)
    return spec


def covariance_spec(estimation: Estimation, literal: str | None = None) -> CovarianceSpec:
    """Give the estimator of a policy, or another one of it under the same treatment of rows."""
    chosen = estimation.covariance if literal is None else literal
    return _spec(chosen, estimation.ragged, estimation.winsorize)


@cache  # asked at each bar
def _spec(
    literal: str,
    ragged: Literal["complete_rows", "pairwise", "congruence"],
    winsorize: float | None,
) -> CovarianceSpec:
    return replace(parse_covariance(literal), ragged=ragged, winsorize=winsorize)


def _parsed(literal: str, name: str, numbers: list[str]) -> CovarianceSpec | None:
    spec: CovarianceSpec | None = None
    match name, numbers:
        case kind, [] if kind in _PLAIN:
            spec = CovarianceSpec(kind=kind)  # type: ignore[arg-type]  # one of the plain kinds
        case ("ewma" | "ledoit_wolf" | "oas") as kind, [decay]:
            spec = CovarianceSpec(kind=kind, decay=_share(literal, decay, f"{kind}:LAMBDA", 0.94))
        case "ewma_split", [volatility, correlation]:
            spec = CovarianceSpec(
                kind="ewma_split",
                decay=_decay_of(literal, correlation),
                volatility_decay=_decay_of(literal, volatility),
            )
        case "cluster_block", []:
            spec = CovarianceSpec(kind="cluster_block", limit=_CLUSTER_LIMIT)
        case "cluster_block", [limit]:
            spec = CovarianceSpec(
                kind="cluster_block", limit=_share(literal, limit, "cluster_block:LIMIT", 0.5)
            )
        case "factor", [count]:
            factors = None if count == "auto" else _count(literal, count)
            spec = CovarianceSpec(kind="factor", factors=factors)
        case _:
            pass
    return spec


def _share(literal: str, text: str, form: str, example: float) -> float:
    value = _number(text)
    if not 0.0 < value < 1.0:
        what = form.partition(":")[2]
        msg = (
            f"covariance is {literal!r}; expected {form} with 0 < {what} < 1, "
            f"as {form.replace(what, str(example))}"
        )
        raise ConfigError(msg)
    return value


def _decay_of(literal: str, text: str) -> float:
    half_life = _number(text)
    if not 0.0 < half_life <= _HALF_LIFE_MAX:
        msg = (
            f"covariance is {literal!r}; expected ewma_split:VOL_HALF_LIFE:CORR_HALF_LIFE in bars, "
            f"above 0 and at most {_HALF_LIFE_MAX:g}, as ewma_split:20:120"
        )
        raise ConfigError(msg)
    decay: float = 0.5 ** (1.0 / half_life)
    return decay


def _count(literal: str, text: str) -> int:
    if not re.fullmatch(r"[1-9][0-9]{0,3}", text):
        msg = (
            f"covariance is {literal!r}; expected factor:K with K from 1 to {_FACTORS_MAX}, "
            "or factor:auto"
        )
        raise ConfigError(msg)
    return int(text)


# Plain decimals, as the pattern of the portfolio file has them: no exponent, sign, blank or nan.
def _number(text: str) -> float:
    return float(text) if re.fullmatch(r"[0-9]*\.?[0-9]+", text) else float("nan")
