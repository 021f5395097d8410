import pytest

from streams.readmodel.embedded import EmbeddedStore
from tests.api.served import served
from tests.api.world import World


@pytest.fixture(scope="module")
def store():
    held = EmbeddedStore()
    yield held
    held.close()


@pytest.fixture(scope="module")
def world(store):
    """A portfolio of forty bars, its commands filled on paper; shared by a module's tests."""
    return World(store)


@pytest.fixture(scope="module")
def client(store, world):
    with served(store, world) as found:
        yield found
