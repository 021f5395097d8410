"""Settings come from the file and the environment, and nothing misspelt is passed over."""

import json
import pickle

import pytest

from streams.core.errors import ConfigError
from streams.observe.log import configure_logging, get_logger
from streams.operate.current import forget_run, reachable_settings, remember_run
from streams.settings import KafkaSettings, LogSettings, Settings, load_settings


def test_nothing_given_is_the_documented_default():
    settings = load_settings({})
    assert settings == Settings()
    assert (settings.ingest.poll_rows, settings.ingest.allowance_bars) == (10_000, 2)
    assert (settings.engine.shards, settings.engine.nudge_after_ms) == (12, 5_000)


def test_environment_wins_over_file_and_file_over_default(tmp_path):
    file = tmp_path / "apse.yaml"
    file.write_text("ingest: {silence_ms: 10, poll_rows: 7}\nkafka: {scope: a-}\n")
    settings = load_settings({"APSE_INGEST__POLL_ROWS": "8"}, file)
    assert (settings.ingest.silence_ms, settings.ingest.poll_rows) == (10, 8)
    assert settings.kafka.scope == "a-"
    assert load_settings({"APSE_SETTINGS_FILE": str(file)}).ingest.poll_rows == 7


def test_bootstrap_variable_of_kafka_is_honoured_below_our_own():
    given = {"KAFKA_BOOTSTRAP_SERVERS": "b:1"}
    assert load_settings(given).kafka.bootstrap == "b:1"
    assert load_settings({**given, "APSE_KAFKA__BOOTSTRAP": "c:2"}).kafka.bootstrap == "c:2"


@pytest.mark.parametrize(
    ("variable", "near"),
    [
        ("APSE_INGEST__POLL_ROW", "APSE_INGEST__POLL_ROWS"),
        ("APSE_INGEST_SILENCE_MS", "APSE_INGEST__SILENCE_MS"),
        ("APSE_ENGIN__SHARDS", "APSE_ENGINE__SHARDS"),
    ],
)
def test_misspelt_variable_is_refused_and_the_nearest_named(variable, near):
    with pytest.raises(ConfigError, match=f"unknown setting {variable}; did you mean {near}"):
        load_settings({variable: "1"})


def test_misspelt_key_of_the_file_is_refused_and_the_nearest_named(tmp_path):
    file = tmp_path / "apse.yaml"
    file.write_text("ingest: {silence: 10}\n")
    with pytest.raises(ConfigError, match=r"unknown setting ingest\.silence .*ingest\.silence_ms"):
        load_settings({}, file)


@pytest.mark.parametrize("text", ["- a\n", "ingest: 3\n", "a: [\n"])
def test_file_that_is_no_mapping_of_sections_is_refused(tmp_path, text):
    file = tmp_path / "apse.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=r"apse\.yaml"):
        load_settings({}, file)


def test_absent_file_is_refused_and_an_empty_one_is_fine(tmp_path):
    with pytest.raises(ConfigError, match="cannot be read"):
        load_settings({}, tmp_path / "absent.yaml")
    (tmp_path / "empty.yaml").write_text("# nothing\n")
    assert load_settings({}, tmp_path / "empty.yaml") == Settings()


def test_value_out_of_range_names_variable_and_value():
    with pytest.raises(ConfigError, match=r"APSE_INGEST__POLL_ROWS: .*>= 1, got '0'"):
        load_settings({"APSE_INGEST__POLL_ROWS": "0"})
    with pytest.raises(ConfigError, match=r"APSE_ENGINE__SHARDS: .*got 'many'"):
        load_settings({"APSE_ENGINE__SHARDS": "many"})


def test_secret_is_in_no_repr_no_text_and_no_error(tmp_path):
    settings = load_settings({"APSE_KAFKA__USERNAME": "me", "APSE_KAFKA__PASSWORD": "hunter2"})
    secret = settings.kafka.password
    for shown in (repr(settings), str(settings), f"{secret}", f"{secret!r}", f"{secret:>9}"):
        assert "hunter2" not in shown
    assert settings.kafka.security()["sasl.password"] == "hunter2"
    assert Settings().kafka.security() == {}
    assert pickle.loads(pickle.dumps(secret)).reveal() == "hunter2"
    file = tmp_path / "apse.yaml"
    file.write_text("kafka: {username: me, password: [hunter2]}\n")
    with pytest.raises(ConfigError) as raised:
        load_settings({}, file)
    assert "hunter2" not in str(raised.value)


@pytest.fixture
def authorities(tmp_path):
    file = tmp_path / "ca.pem"
    file.touch()
    return str(file)


def test_every_way_to_a_secured_broker_is_told_to_the_client(authorities):
    login = {"APSE_KAFKA__USERNAME": "me", "APSE_KAFKA__PASSWORD": "hunter2"}
    trust = {"APSE_KAFKA__SSL_CA_LOCATION": authorities}
    assert load_settings(login | trust).kafka.security() == {
        "security.protocol": "sasl_ssl",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "me",
        "sasl.password": "hunter2",
        "ssl.ca.location": authorities,
    }
    assert "ssl.ca.location" not in load_settings(login).kafka.security()
    assert load_settings(trust).kafka.security() == {
        "security.protocol": "ssl",
        "ssl.ca.location": authorities,
    }
    nobody = {"APSE_KAFKA__USERNAME": "", "APSE_KAFKA__SSL_CA_LOCATION": ""}
    assert load_settings(login | nobody).kafka.security() == {}


def test_a_child_process_reaches_what_its_parent_does_and_is_told_no_secret(authorities):
    own = {
        "APSE_KAFKA__USERNAME": "me",
        "APSE_KAFKA__PASSWORD": "hunter2",
        "APSE_KAFKA__SSL_CA_LOCATION": authorities,
        "APSE_KAFKA__BOOTSTRAP": "b:1",
        "APSE_KAFKA__SCOPE": "s-",
    }
    kafka = load_settings(own).kafka
    assert "hunter2" not in str(kafka.environment())
    assert load_settings(own | kafka.environment()).kafka == kafka
    plain = KafkaSettings(bootstrap="b:2")  # a broker of our own, whatever the parent's login
    assert load_settings(own | plain.environment()).kafka.security() == {}


def test_authorities_that_are_nowhere_are_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"ssl_ca_location.*nowhere\.pem"):
        load_settings({"APSE_KAFKA__SSL_CA_LOCATION": str(tmp_path / "nowhere.pem")})


def test_other_commands_reach_the_run_as_it_is_reached_itself(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setenv("APSE_KAFKA__USERNAME", "me")
    monkeypatch.setenv("APSE_KAFKA__PASSWORD", "hunter2")
    own = KafkaSettings(bootstrap="b:2", scope="s-")  # plaintext, whatever the login
    remember_run(own)
    found = reachable_settings().kafka
    assert (found.bootstrap, found.scope, found.security()) == ("b:2", "s-", {})
    remember_run(load_settings().kafka)
    assert reachable_settings().kafka == load_settings().kafka
    assert not [file for file in tmp_path.rglob("*.json") if "hunter2" in file.read_text()]
    forget_run()
    assert not list(tmp_path.rglob("current.json"))


def test_log_lines_are_json_events_with_fields(capsys):
    configure_logging(LogSettings(format="json", level="info"), process="ingest")
    log = get_logger("journal")
    log.debug("not_shown")
    log.info("appended", rows=3)
    (line,) = capsys.readouterr().err.splitlines()
    event = json.loads(line)
    assert event.pop("at").endswith("Z")
    assert event == {
        "process": "ingest",
        "component": "journal",
        "event": "appended",
        "level": "info",
        "rows": 3,
    }


def test_log_lines_for_people_carry_the_same_fields(capsys):
    configure_logging(LogSettings(), process="ingest")
    get_logger("journal").warning("appended", rows=3)
    line = capsys.readouterr().err
    assert "appended" in line
    assert "rows=3" in line
