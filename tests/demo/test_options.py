"""Whom the demonstration serves its dashboard: a person, or a script that asks for it."""

import pytest

from streams.demo.run import Options


@pytest.mark.parametrize(
    ("leave", "port", "serves"),
    [(False, None, True), (False, 9000, True), (True, None, False), (True, 9000, True)],
)
def test_the_dashboard_is_served_to_a_person_or_on_request(leave, port, serves):
    options = Options(bars=2, speed=None, incidents=False, leave=leave, quiet=True, port=port)
    assert options.serves is serves
