import pytest

from tests.cli.conftest import apse
from tests.operate.engine import Outsider, running_engine

__all__ = ["apse"]

PORTFOLIO = """\
portfolio_id: {name}
bar: 1d
periods_per_year: 252
strategies: {{from_returns: true}}
estimation: {{window_bars: 10, min_bars: 2, windows: [5], covariance: sample}}
objective: {{type: inverse_volatility}}
constraints: {{weight_max: 1.0}}
rebalance: {{schedule: every_bar}}
"""


@pytest.fixture(scope="module")
def engine(broker, tmp_path_factory):
    """A whole engine with empty portfolios, for tests to fill; yields (folder, outsider)."""
    from streams.kafka.admin import delete_scope  # noqa: PLC0415  # only to clean up

    folder = tmp_path_factory.mktemp("engine")
    files = []
    for name in ("pair", "later", "steered", "told"):
        files.append(folder / f"{name}.yaml")
        files[-1].write_text(PORTFOLIO.format(name=name))
    scope = f"live-{folder.name}-"
    try:
        with running_engine(broker, scope, folder, *files):
            outside = Outsider(broker.bootstrap, scope)
            yield folder, outside
            outside.close()
    finally:
        delete_scope(broker.bootstrap, scope)


@pytest.fixture
def outsider(engine, monkeypatch):
    """The engine's outsider; commands of this test find the engine as the run started last."""
    folder, found = engine
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    for name in ("KAFKA_BOOTSTRAP_SERVERS", "APSE_KAFKA__BOOTSTRAP", "APSE_KAFKA__SCOPE"):
        monkeypatch.delenv(name, raising=False)
    return found
