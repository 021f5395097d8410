"""Which engine a command talks to: the settings where they say so, else the run that was started last on this machine."""

import json
import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from streams.settings import BOOTSTRAP_VARIABLE, Settings, load_settings

_VARIABLES: Final = (
    BOOTSTRAP_VARIABLE,
    "APSE_KAFKA__BOOTSTRAP",
    "APSE_KAFKA__SCOPE",
    "APSE_SETTINGS_FILE",
)


def _file() -> Path:
    return Path(tempfile.gettempdir()) / f"apse-{os.getuid()}" / "current.json"


def remember_run(bootstrap: str, scope: str) -> None:
    """Make a run the one that other commands reach by default."""
    path = _file()
    path.parent.mkdir(mode=0o700, exist_ok=True)
    path.write_text(json.dumps({"bootstrap": bootstrap, "scope": scope, "pid": os.getpid()}))


def forget_run() -> None:
    """Forget the run, if it is ours."""
    path = _file()
    if path.exists() and json.loads(path.read_text()).get("pid") == os.getpid():
        path.unlink()


def reachable_settings() -> Settings:
    """Return the settings, with broker and scope of the run started last where nothing else names them."""
    settings = load_settings()
    path = _file()
    if any(name in os.environ for name in _VARIABLES) or not path.exists():
        return settings
    run = json.loads(path.read_text())
    kafka = msgspec.structs.replace(settings.kafka, bootstrap=run["bootstrap"], scope=run["scope"])
    return msgspec.structs.replace(settings, kafka=kafka)
