"""The compose file holds together: commands, settings, dependencies, hardening."""

import importlib.util
import re
import subprocess
import sys
import tomllib

import pytest

from streams.api.hosting import API
from streams.api.security import is_loopback
from streams.operate.supervisor import ENGINE as SUPERVISED
from streams.operate.supervisor import executor
from streams.settings import load_settings
from tests.deploy.compose import ENGINE, SERVICES, load, with_defaults
from tests.tidy.repository import ROOT

PINNED = re.compile(r"[a-z0-9./-]+:v?\d+\.\d+\.\d+(-[a-z0-9.]+)?")
CONDITIONS = {"service_started", "service_healthy", "service_completed_successfully"}


def module_of(service):
    command = service["command"]
    assert command[:2] == ["python", "-m"]
    return command[2]


def test_the_services_are_those_that_are_documented():
    assert set(ENGINE) == {"topics", "ingest", "worker", "optimizer", "executor", "api"}
    assert set(SERVICES) - set(ENGINE) == {"kafka", "redis", "prometheus", "grafana"}


def test_the_processes_are_those_of_the_supervisor():
    modules = {module_of(service) for name, service in ENGINE.items() if name != "topics"}
    assert modules == {command[0] for command in (*SUPERVISED, executor("b:1", ""), API)}


@pytest.mark.parametrize("name", sorted(set(ENGINE) - {"topics"}))
def test_the_module_of_a_command_is_there_and_runs_as_one(name):
    found = importlib.util.find_spec(module_of(ENGINE[name]))
    assert found is not None
    assert 'if __name__ == "__main__":' in found.loader.get_source(found.name)


def test_the_topics_job_is_a_command_of_the_project():
    command, *arguments = ENGINE["topics"]["command"]
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert command in scripts
    start = f"from {scripts[command].replace(':', ' import ')}; main()"
    done = subprocess.run(
        [sys.executable, "-c", start, arguments[0], "--help"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert arguments[1] in done.stdout


@pytest.mark.parametrize("name", sorted(ENGINE))
def test_the_environment_of_a_service_is_known_settings(name):
    environment = {key: str(value) for key, value in ENGINE[name]["environment"].items()}
    settings = load_settings(environment)
    assert settings.kafka.bootstrap == "kafka:19092"
    assert settings.metrics.port == 9464
    assert str(settings.metrics.port) in (ROOT / "deploy/prometheus/prometheus.yml").read_text()


def test_the_api_keeps_its_views_in_redis_and_asks_for_tokens():
    service = ENGINE["api"]
    settings = load_settings({key: str(value) for key, value in service["environment"].items()})
    assert settings.api.store.startswith("redis://redis:")
    assert set(service["profiles"]) == set(SERVICES["redis"]["profiles"])
    assert not is_loopback(settings.api.host)
    (secret,) = service["secrets"]
    assert settings.api.tokens == f"/run/secrets/{secret}"
    assert secret in load()["secrets"]
    assert service["ports"][0].endswith(f":{settings.api.port}")
    assert f":{settings.api.port}/readyz" in service["healthcheck"]["test"][3]


def test_the_executor_is_told_the_same_broker_as_its_environment():
    given = {"APSE_KAFKA__BOOTSTRAP": "b:1", "APSE_KAFKA__SCOPE": "blue-"}
    service = load(given)["services"]["executor"]
    assert service["command"][3:] == ["--bootstrap", "b:1", "--scope", "blue-"]
    assert service["environment"]["APSE_KAFKA__SCOPE"] == "blue-"


def test_what_clients_are_told_is_where_the_broker_listens():
    environment = SERVICES["kafka"]["environment"]
    assert "INTERNAL://kafka:19092" in environment["KAFKA_ADVERTISED_LISTENERS"]
    assert "INTERNAL://:19092" in environment["KAFKA_LISTENERS"]
    assert "19092" in SERVICES["kafka"]["healthcheck"]["test"][-1]
    assert environment["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_what_a_service_waits_for_exists_and_can_become_so(name):
    for target, how in SERVICES[name].get("depends_on", {}).items():
        assert target in SERVICES
        assert how["condition"] in CONDITIONS
        if how["condition"] == "service_healthy":
            assert SERVICES[target]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}
        profiles = set(SERVICES[target].get("profiles", ()))
        assert profiles <= set(SERVICES[name].get("profiles", ())), f"{target} is not started"


def test_the_order_is_broker_then_topics_then_the_processes():
    assert set(ENGINE["topics"]["depends_on"]) == {"kafka"}
    assert set(ENGINE["api"]["depends_on"]) == {"topics", "redis"}
    for name in set(ENGINE) - {"topics", "api"}:
        assert ENGINE[name]["depends_on"] == {
            "topics": {"condition": "service_completed_successfully"}
        }


@pytest.mark.parametrize("name", sorted(SERVICES))
def test_a_service_is_pinned_hardened_and_not_root(name):
    service = SERVICES[name]
    assert PINNED.fullmatch(service["image"]), service["image"]
    assert service["init"] is True
    assert service["read_only"] is True
    assert service["tmpfs"]
    assert service["cap_drop"] == ["ALL"]
    if name not in ENGINE:  # the image of the engine names its user itself
        assert re.fullmatch(r"[1-9]\d*:\d+", service["user"])
    for port in service.get("ports", ()):
        assert port.startswith("127.0.0.1:")


@pytest.mark.parametrize("name", sorted(set(SERVICES) - {"topics"}))
def test_a_service_that_stays_says_whether_it_is_well(name):
    assert SERVICES[name]["healthcheck"]["test"][0] == "CMD"


def test_files_that_are_mounted_are_there_and_volumes_are_declared():
    declared = set(load()["volumes"])
    for name, service in SERVICES.items():
        for mount in service.get("volumes", ()):
            source = mount.split(":")[0]
            if source.startswith("./"):
                assert (ROOT / source).exists(), f"{name}: {source}"
                assert mount.endswith(":ro")
            else:
                assert source in declared


def test_the_healthcheck_of_a_process_is_python_that_compiles():
    code = ENGINE["worker"]["healthcheck"]["test"]
    assert code[:3] == ["CMD", "python", "-c"]
    compile(code[3], "healthcheck", "exec")
    assert "9464/readyz" in code[3]  # 503 is an error of urlopen, and so is no answer


def test_a_variable_without_a_default_is_seen():
    with pytest.raises(AssertionError, match="no default"):
        with_defaults("image: ${NAME}")
