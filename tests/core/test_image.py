"""The exact bytes of a state come back as the exact state."""

import numpy as np
import pytest

from streams.core.image import decode_image, encode_image

ARRAYS = [
    np.array([0.1, -0.0, np.nan, np.inf, 5e-324]),
    np.frombuffer(np.array([0x7FF8000000000123], dtype="<u8").tobytes(), dtype="<f8"),
    np.arange(6, dtype=np.int64).reshape(2, 3),
    np.arange(6.0).reshape(2, 3).T,
    np.arange(10.0)[::3],
    np.array([True, False]),
    np.array([1, 2], dtype=np.uint8),
    np.array([-(2**62), 2**62]),
    np.zeros((0, 3)),
    np.zeros((3, 0)),
    np.array(3.5),
]


@pytest.mark.parametrize("array", ARRAYS, ids=lambda array: f"{array.dtype.str}{array.shape}")
def test_an_array_comes_back_with_its_type_shape_and_bits(array):
    back = decode_image(encode_image({"x": [array]}))["x"][0]
    assert (back.dtype, back.shape) == (array.dtype, array.shape)
    assert back.tobytes() == np.ascontiguousarray(array).tobytes()
    assert back.flags.writeable


def test_plain_values_come_back_and_numpy_numbers_become_plain():
    state = {"n": None, "i": -(2**62), "f": 0.1, "s": "ü", "b": b"\x00", "l": [1, [True]], "d": {}}
    assert decode_image(encode_image(state)) == state
    assert decode_image(encode_image({"x": np.float64(0.1), "y": np.int64(3)})) == {
        "x": 0.1,
        "y": 3,
    }


def test_the_order_of_keys_does_not_change_the_bytes():
    assert encode_image({"a": 1, "b": {"c": 2, "d": 3}}) == encode_image(
        {"b": {"d": 3, "c": 2}, "a": 1}
    )


def test_what_has_no_bytes_is_refused():
    with pytest.raises(AssertionError, match="array of objects"):
        encode_image({"x": np.array([None])})
    with pytest.raises(TypeError, match="plain values and arrays, got object"):
        encode_image({"x": object()})
