import pytest

from streams.readmodel.embedded import EmbeddedStore
from tests.api.served import served
from tests.api.world import World
from tests.readmodel.redis_server import RedisServer


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


@pytest.fixture
def fresh_store(tmp_path):
    """A store of one test's own, in a file."""
    held = EmbeddedStore(tmp_path / "views")
    yield held
    held.close()


@pytest.fixture
def fresh_world(fresh_store):
    """A portfolio of forty bars that one test may change."""
    return World(fresh_store)


@pytest.fixture
def fresh_client(fresh_store, fresh_world):
    with served(fresh_store, fresh_world) as found:
        yield found


@pytest.fixture
def redis(tmp_path):
    server = RedisServer(tmp_path)
    server.start()
    yield server
    server.stop()
