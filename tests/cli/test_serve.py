"""`apse token` and `apse api` as a person uses them; ports are chosen with care."""

import socket
import stat

import pytest

from streams.api.hosting import HOST, PORTS, choose_port, environment_of, words_of
from streams.api.security import read_tokens
from streams.core.errors import ConfigError
from streams.settings import load_settings
from tests.ports import free_ports


def test_a_token_is_shown_once_and_kept_as_a_hash_for_its_owner_alone(apse, tmp_path):
    file = tmp_path / "tokens"
    first = apse(
        "token", "ann", "--scope", "read", "--scope", "rebalance", "--file", file, "--json"
    )
    apse("token", "bob", "--scope", "admin", "--file", file)
    kept = read_tokens(file)
    assert [(t.name, t.scopes) for t in kept] == [
        ("ann", ("read", "rebalance")), ("bob", ("admin",)),
    ]  # fmt: skip
    assert first.json["token"] not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize("arguments", [("ann", "--scope", "all"), ("a b", "--scope", "read")])
def test_a_token_that_could_not_be_used_is_not_made(apse, tmp_path, arguments):
    answer = apse("token", *arguments, "--file", tmp_path / "tokens")
    assert answer.code == 2
    assert not (tmp_path / "tokens").exists()


def test_the_first_free_port_is_taken_and_a_taken_one_refused():
    port = free_ports(1)
    assert choose_port(port) == port
    with socket.socket() as taken:
        taken.bind((HOST, port))
        taken.listen()
        with pytest.raises(ConfigError, match=str(port)):
            choose_port(port)
    assert choose_port(None) in PORTS


def test_a_process_beside_an_engine_listens_to_this_machine_alone():
    settings = load_settings(environment_of(8080))
    assert (settings.api.host, settings.api.port) == ("127.0.0.1", 8080)


def test_a_page_that_was_not_built_is_said_to_be(monkeypatch, tmp_path):
    monkeypatch.setattr("streams.api.hosting.PAGE", tmp_path)
    assert "make setup" in words_of(8080)
    (tmp_path / "index.html").write_text("")
    assert words_of(8080) == "dashboard and API: http://127.0.0.1:8080/"
