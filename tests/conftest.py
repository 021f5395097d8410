"""What all tests share: one BLAS thread, hypothesis profiles, the broker's fixtures."""

import os

# Before numpy is imported: bitwise claims hold for one BLAS thread only.
for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = "1"

import pytest  # noqa: E402  # the threads are set first
import structlog  # noqa: E402  # the threads are set first
from hypothesis import HealthCheck, settings  # noqa: E402  # the threads are set first

pytest_plugins = ["tests.kafka.broker_fixture"]

# No deadline anywhere: the first call of a solver or of BLAS warms up, and two cores are shared.
# A law over a whole stage may take long to draw its data, which is no fault of the law.
COMMON = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}
settings.register_profile("dev", max_examples=50, **COMMON)
settings.register_profile(
    "ci", max_examples=100, derandomize=True, print_blob=True, database=None, **COMMON
)
settings.register_profile("soak", max_examples=20_000, **COMMON)
settings.load_profile(os.environ.get("APSE_TEST_PROFILE", "dev"))


@pytest.fixture(autouse=True)
def _nobody_logs_into_an_output_that_is_gone():
    """Let go of a log that a test set up: it writes where that test's output was captured."""
    yield
    if structlog.is_configured():
        structlog.reset_defaults()
