"""The real promtool where there is one, and a visible word where there is none."""

import shutil
import subprocess
from pathlib import Path

CACHED = Path(__file__).parents[1] / ".cache" / "prometheus" / "usr" / "bin" / "promtool"


def promtool(capsys, *arguments, text=None):
    """Run promtool and return its code and words; without one, say "not run" and return None."""
    found = str(CACHED) if CACHED.exists() else shutil.which("promtool")
    if found is None:
        with capsys.disabled():
            print(f"\n  promtool {' '.join(arguments[:2])}: not run, it is not installed")  # noqa: T201  # to be seen
        return None
    done = subprocess.run(
        [found, *arguments], input=text, capture_output=True, text=True, timeout=60, check=False
    )
    return done.returncode, done.stdout + done.stderr
