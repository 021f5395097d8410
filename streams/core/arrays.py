"""Names of the array types, and the one way to hand an array out read-only.

Letters used in shapes everywhere: N strategies (columns), T bars (rows, oldest first), W windows.
"""

import numpy as np
from numpy.typing import NDArray

__all__ = ["BoolArray", "FloatArray", "IntArray", "column_sums", "read_only"]

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]


def read_only(values: FloatArray) -> FloatArray:
    """Give a view of `values` through which nothing can be written.

    Parameters
    ----------
    values
        Any array; it is not copied and stays writable for its owner.

    Examples
    --------
    >>> read_only(np.zeros(2)).flags.writeable
    False
    """
    view = values.view()
    view.flags.writeable = False
    return view


def column_sums(rows: FloatArray) -> FloatArray:
    """Sum each column, row after row, to the same bits whatever columns stand beside it.

    numpy takes one column alone in pairs, which are other bits.

    Parameters
    ----------
    rows
        (T, M), in C order, T at least 1.

    Returns
    -------
    (M,)
    """
    if rows.shape[1] == 1:
        alone: FloatArray = np.add.accumulate(rows, axis=0)[-1]
        return alone
    total: FloatArray = np.add.reduce(rows, axis=0)
    return total
