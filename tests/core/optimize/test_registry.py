import pytest

from streams.core.errors import DataError
from streams.core.optimize import registry


class Nothing:
    def expression(self, weights, _):
        return 0.0 * weights[0]

    def value(self, *_):
        return 0.0


@pytest.fixture(autouse=True)
def _empty(monkeypatch):
    monkeypatch.setattr(registry, "_REGISTERED", {})


def test_a_term_is_found_under_its_name_and_the_last_one_counts():
    first, second = Nothing(), Nothing()
    registry.register("nothing", first)
    registry.register("nothing", second)
    assert registry.registered("nothing") is second


def test_an_unknown_name_is_told_with_the_nearest_one():
    with pytest.raises(DataError, match="'nothin' is not registered in this process; none are"):
        registry.registered("nothin")
    registry.register("nothing", Nothing())
    with pytest.raises(DataError, match="did you mean 'nothing'"):
        registry.registered("nothin")
