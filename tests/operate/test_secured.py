"""The engine on a broker that wants a login over TLS: each of its clients, and Faust's."""

import os
import ssl
import subprocess

import pytest
from faust.auth import SSLCredentials
from faust.types.auth import AuthProtocol, SASLMechanism

from streams.agents.shell import credentials
from streams.core.errors import BrokerUnavailableError
from streams.kafka import broker as roads
from streams.kafka.admin import TopicSpec, ensure_topics
from streams.kafka.broker import resolve_broker
from streams.kafka.jars import JarServer, find_jars
from streams.settings import KafkaSettings, Secret
from tests.cli.conftest import policy_file, returns_file
from tests.operate.engine import replayed_alike
from tests.tidy.repository import ROOT

__all__ = ["policy_file", "returns_file"]

pytestmark = [pytest.mark.kafka, pytest.mark.slow]

USER, PASSWORD = "desk", "hunter2-hunter2"
STORE_PASSWORD = "changeit"
KEYSTORE, CERTIFICATE = "broker.p12", "ca.pem"
PROPERTIES = """
listener.security.protocol.map=BROKER:SASL_SSL,CONTROLLER:PLAINTEXT
sasl.enabled.mechanisms=SCRAM-SHA-512
sasl.mechanism.inter.broker.protocol=SCRAM-SHA-512
listener.name.broker.scram-sha-512.sasl.jaas.config= \\
  org.apache.kafka.common.security.scram.ScramLoginModule required \\
  username="{user}" password="{password}";
ssl.keystore.type=PKCS12
ssl.keystore.location={folder}/{keystore}
ssl.keystore.password={store_password}
ssl.truststore.type=PEM
ssl.truststore.location={folder}/{certificate}
"""


class SecuredServer(JarServer):
    """A broker from the jars whose one listener wants SCRAM-SHA-512 over TLS."""

    def __init__(self, folder):
        self.folder = folder
        super().__init__(find_jars(ROOT, os.environ), data_dir=folder / "broker", heap_mb=512)

    def login(self, password=PASSWORD, certificate=CERTIFICATE):
        return KafkaSettings(
            bootstrap=self.bootstrap,
            username=USER,
            password=Secret(password),
            ssl_ca_location=str(self.folder / certificate),
        )

    def _write_properties(self):
        path = super()._write_properties()
        own = PROPERTIES.format(
            user=USER,
            password=PASSWORD,
            folder=self.folder,
            keystore=KEYSTORE,
            store_password=STORE_PASSWORD,
            certificate=CERTIFICATE,
        )
        path.write_text(path.read_text() + own)  # of two values the last one counts
        return path

    def _java(self, main, *arguments, options):
        if main == "kafka.tools.StorageTool":
            scram = f"SCRAM-SHA-512=[name={USER},password={PASSWORD}]"
            arguments = (*arguments, "--add-scram", scram)
        return super()._java(main, *arguments, options=options)

    def _answers(self):
        ensure_topics(self.bootstrap, [TopicSpec(name="t", partitions=1)], "", self.security())
        return True

    def security(self):
        return self.login().security()


def keytool(folder, *arguments):
    command = ["keytool", *arguments, "-keystore", KEYSTORE, "-storepass", STORE_PASSWORD]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)


def certify(folder):
    """Make the broker's key, and the certificate that its clients trust."""
    names = ("-dname", "CN=localhost", "-ext", "SAN=IP:127.0.0.1")
    keytool(folder, "-genkeypair", "-alias", "b", "-keyalg", "RSA", "-storetype", "PKCS12", *names)
    keytool(folder, "-exportcert", "-rfc", "-alias", "b", "-file", CERTIFICATE)


@pytest.fixture(scope="module")
def secured(tmp_path_factory):
    folder = tmp_path_factory.mktemp("secured")
    certify(folder)
    server = SecuredServer(folder)
    server.start()
    yield server
    server.stop()


def test_the_whole_engine_works_on_a_broker_with_a_login_over_tls(
    secured, apse, monkeypatch, returns_file, policy_file, tmp_path
):
    """Ingest, worker, optimizer, the loader of checkpoints, the administration, what is read."""
    given = secured.login()
    for name, value in given.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("APSE_KAFKA__PASSWORD", PASSWORD)
    monkeypatch.setenv("KAFKA_BOOTSTRAP_SERVERS", given.bootstrap)
    replayed_alike(apse, returns_file, policy_file, tmp_path)
    environment = {"KAFKA_BOOTSTRAP_SERVERS": given.bootstrap, **given.environment()}
    monkeypatch.setattr(roads, "EXTERNAL_TIMEOUT_S", 1.0)
    for password, words in (("", "must be set"), ("wrong", "does not answer within 1 s")):
        with pytest.raises(BrokerUnavailableError, match=words):
            resolve_broker(environment=environment | {"APSE_KAFKA__PASSWORD": password})


def test_faust_logs_in_as_the_other_clients_do(secured):
    assert credentials(KafkaSettings()) is None
    authority = str(secured.folder / CERTIFICATE)
    alone = credentials(KafkaSettings(ssl_ca_location=authority))
    assert isinstance(alone, SSLCredentials)
    named = credentials(secured.login())
    told = (named.protocol, named.username, named.password, named.mechanism)
    assert told == (AuthProtocol.SASL_SSL, USER, PASSWORD, SASLMechanism.SCRAM_SHA_512)
    for context in (alone.context, named.ssl_context):
        assert context.cert_store_stats()["x509"] == 1  # that one, and nobody of the system's
        assert context.verify_mode == ssl.CERT_REQUIRED
