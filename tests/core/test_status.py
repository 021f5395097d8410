"""Counters and flags survive their image."""

from dataclasses import fields

import numpy as np

from streams.core.image import decode_image, encode_image
from streams.core.status import Status


def test_every_field_comes_back():
    status = Status(bar_number=3, version=7, accepted_bar_number=2, halted=True, multiplier=0.5)
    status.last_command_id, status.ended = "c", np.array([True, False])
    back = Status.from_state(decode_image(encode_image(status.to_state())))
    for item in fields(Status):
        assert np.array_equal(getattr(back, item.name), getattr(status, item.name)), item.name


def test_a_new_status_has_walked_no_bar():
    assert (Status().bar_number, Status().accepted_bar_number, len(Status().ended)) == (0, None, 0)
