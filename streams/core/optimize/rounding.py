"""Weights as they are hashed and sent: whole multiples of 1e-10."""

import numpy as np

from streams.core.arrays import FloatArray

# 10^15 is the last power of ten whose multiples up to 1 are all exact integers in a double.
DIGITS_MAX = 15
# A sum further from 1 than this is not rounding but a wrong allocation.
_SUM_ERROR_MAX = 1e-6


def round_weights(weights: FloatArray, cash: float, digits: int = 10) -> tuple[FloatArray, float]:
    """Round weights and cash to `digits` decimals so that they sum to exactly 1.

    Works in integers of 10^−digits; what rounding leaves over goes to the leg that is largest in
    size, cash included, the first of equals (strategies before cash).

    Parameters
    ----------
    weights : FloatArray
        (N,) summing with cash to 1.
    cash : float
        Share of NAV not invested.
    digits : int
        Decimals kept, 1 to 15.

    Returns
    -------
    tuple of FloatArray and float
        Rounded weights (N,) and cash; never −0.0. Multiplied by 10^digits and rounded to integers
        they sum to exactly 10^digits.

    Examples
    --------
    >>> import numpy as np
    >>> weights, cash = round_weights(np.array([1 / 3, 1 / 3, 1 / 3]), 0.0)
    >>> [repr(float(weight)) for weight in weights], cash
    (['0.3333333334', '0.3333333333', '0.3333333333'], 0.0)
    """
    assert 1 <= digits <= DIGITS_MAX, f"digits {digits}, expected 1 to {DIGITS_MAX}"
    legs = np.append(weights, cash)
    error = float(legs.sum()) - 1.0
    assert abs(error) <= _SUM_ERROR_MAX, f"weights and cash sum to 1 {error:+.3g}"
    units = 10**digits
    whole = np.rint(legs * units).astype(np.int64)
    whole[int(np.argmax(np.abs(whole)))] += units - int(whole.sum())
    rounded = whole / units
    return rounded[:-1], float(rounded[-1])
