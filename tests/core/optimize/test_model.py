import pytest

from streams.core.optimize.model import Shape, compiled
from streams.core.optimize.terms import Caps

SHAPES = [
    Shape(names=3, objective=objective, bars=5, groups=2, turnover=True, caps=caps)
    for objective in (
        *("quadratic", "target_return", "robust_mean_variance", "target_volatility"),
        *("max_sharpe", "max_diversification", "risk_parity", "min_cvar", "min_cdar", "kelly"),
    )
    for caps in ((), Caps.CONIC)
]


@pytest.mark.parametrize("shape", SHAPES, ids=lambda s: f"{s.objective}-{len(s.caps)}")
def test_every_shape_compiles_once_with_its_numbers_as_parameters(shape):
    program = compiled(shape)  # asserts that it is DPP
    assert compiled(shape) is program
    assert program.problem.is_dcp(dpp=True)
    assert (program.scale is None) == (
        shape.objective not in {"max_sharpe", "max_diversification", "risk_parity"}
    )
