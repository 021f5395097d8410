"""An array handed out read-only."""

import numpy as np
import pytest

from streams.core.arrays import read_only


def test_a_view_cannot_be_written_while_its_owner_can():
    owner = np.zeros(2)
    view = read_only(owner)
    with pytest.raises(ValueError, match="read-only"):
        view[0] = 1.0
    owner[0] = 2.0
    assert view.tolist() == [2.0, 0.0]
