"""The compose file as Compose reads it: merged, with the defaults of its variables."""

import re

import yaml

from tests.tidy.repository import ROOT

VARIABLE = re.compile(r"\$\{([A-Z_]+)(:-([^}]*))?\}")


def with_defaults(text, given=None):
    """Text with each ${NAME:-default} replaced; one without a default must be given."""
    given = given or {}

    def value(match):
        assert match[2] is not None or match[1] in given, f"{match[0]} has no default"
        return given.get(match[1], match[3] or "")

    return VARIABLE.sub(value, text)


def load(given=None):
    text = (ROOT / "docker-compose.yml").read_text(encoding="utf-8")
    return yaml.safe_load(with_defaults(text, given))


SERVICES = load()["services"]
ENGINE = {n: s for n, s in SERVICES.items() if s["image"].startswith("apse:")}
