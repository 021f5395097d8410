"""Exact bytes of a state: nested plain values and arrays, in MessagePack with one extension.

The same state gives the same bytes, and reading them back gives the same bits; a checkpoint is
built on that.
"""

from typing import Any, Final

import msgspec
import numpy as np

_ARRAY_CODE: Final = 1


def encode_image(state: dict[str, Any]) -> bytes:
    """Return the bytes of a state made of dicts, lists, numbers, strings, bytes, None and arrays.

    Examples
    --------
    >>> decode_image(encode_image({"a": np.arange(3.0), "n": 1}))
    {'a': array([0., 1., 2.]), 'n': 1}
    """
    return _encoder.encode(state)


def decode_image(data: bytes) -> dict[str, Any]:
    """Return the state that :func:`encode_image` wrote; arrays are writable copies."""
    state = _decoder.decode(data)
    assert isinstance(state, dict)
    return state


def _encode_array(value: object) -> object:
    if isinstance(value, np.ndarray):
        assert value.dtype != object, "an array of objects has no bytes"
        array = np.ascontiguousarray(value).reshape(value.shape)  # it makes no scalar a vector
        header = msgspec.msgpack.encode((array.dtype.str, array.shape))
        return msgspec.msgpack.Ext(
            _ARRAY_CODE, len(header).to_bytes(2, "little") + header + array.tobytes()
        )
    if isinstance(value, np.generic):
        return value.item()
    message = f"a state holds plain values and arrays, got {type(value).__name__}"
    raise TypeError(message)


def _decode_array(code: int, data: memoryview) -> object:
    assert code == _ARRAY_CODE, f"unknown extension {code} in a state"
    size = int.from_bytes(data[:2], "little")
    dtype, shape = msgspec.msgpack.decode(data[2 : 2 + size])
    return np.frombuffer(data[2 + size :], dtype=dtype).reshape(shape).copy()


_encoder: Final = msgspec.msgpack.Encoder(order="deterministic", enc_hook=_encode_array)
_decoder: Final = msgspec.msgpack.Decoder(ext_hook=_decode_array)
