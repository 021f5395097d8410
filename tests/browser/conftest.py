import pytest

from tests.browser.chromium import DESK, WAIT_MS, running_chromium
from tests.browser.stack import running_stack


@pytest.fixture(scope="module")
def stack(broker, tmp_path_factory):
    with running_stack(broker, tmp_path_factory.mktemp("stack")) as found:
        yield found


@pytest.fixture(scope="module")  # no longer: its event loop would stay in the way of other tests
def chromium():
    with running_chromium() as found:
        yield found


@pytest.fixture
def page(chromium, stack):
    """A new page of a new visitor, shown nothing yet; its own errors fail the test."""
    context = chromium.new_context(viewport=DESK, color_scheme="light", base_url=stack.client.base)
    context.set_default_timeout(WAIT_MS)
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []
