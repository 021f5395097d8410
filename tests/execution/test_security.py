"""Every client of a broker that the product makes is logged in as the settings say."""

import ast

import pytest
from confluent_kafka import KafkaException

from schemas.topics import REPORTS
from streams.execution import RebalanceConsumer, paper
from streams.execution.history import read_answers
from streams.execution.reporter import Reporter
from tests.tidy.repository import ROOT

NOWHERE = "127.0.0.1:9"
REFUSED = {"security.protocol": "no such thing"}  # by the library, when the client is made
CLIENTS = {"AdminClient", "Consumer", "Producer"}
# What starts a broker of its own, on loopback and without a login, asks whether it answers.
OF_OWN_BROKERS = {"streams/kafka/jars.py"}


def clients_of(path):
    """The configurations, as they are written, of the clients that a file makes."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    named = {
        node.targets[0].id: node.value
        for node in nodes
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
    }
    for node in nodes:
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in CLIENTS:
            names = {part.id for part in ast.walk(node.args[0]) if isinstance(part, ast.Name)}
            written = [node.args[0], *(named[name] for name in sorted(names & set(named)))]
            yield " ".join(ast.unparse(part) for part in written)


def test_each_client_in_the_product_is_made_with_the_login():
    made = [
        (path.relative_to(ROOT).as_posix(), config)
        for path in sorted((ROOT / "streams").rglob("*.py"))
        for config in clients_of(path)
    ]
    assert len({place for place, _ in made}) > 15  # they are found
    assert {place for place, config in made if "security" not in config} == OF_OWN_BROKERS


def test_the_login_reaches_the_clients_of_an_executor():
    with pytest.raises(KafkaException, match=r"security\.protocol"):
        Reporter(NOWHERE, REPORTS.name, "desk", REFUSED)
    with pytest.raises(KafkaException, match=r"security\.protocol"):
        RebalanceConsumer(NOWHERE, "desk", security=REFUSED)
    with pytest.raises(KafkaException, match=r"security\.protocol"):
        read_answers(NOWHERE, REPORTS.name, [0], "desk", REFUSED)


def test_the_paper_executor_logs_in_as_the_environment_says(monkeypatch):
    given = []
    monkeypatch.setenv("APSE_KAFKA__USERNAME", "desk")
    monkeypatch.setenv("APSE_KAFKA__PASSWORD", "hunter2")
    monkeypatch.setattr(paper, "serve", lambda *_: None)
    monkeypatch.setattr(paper, "run", lambda settings, *_: given.append(settings))
    assert paper.main(["--bootstrap", NOWHERE]) == 0
    (settings,) = given
    assert settings.security["sasl.username"] == "desk"
    assert settings.security["sasl.password"] == "hunter2"
    assert "hunter2" not in repr(settings)
