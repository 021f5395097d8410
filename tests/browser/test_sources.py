"""The dashboard's own gates: types as the API's document tells them, and its unit tests."""

import shutil
import subprocess

import pytest

from tests.browser.chromium import ROOT

TIMEOUT_S = 240.0  # some ten seconds on a machine that does nothing else

pytestmark = pytest.mark.slow


def test_the_sources_hold_to_the_document_and_pass_their_tests():
    npm = shutil.which("npm")
    assert npm is not None, "npm is not installed; the dashboard needs Node.js 20.19 or later"
    checked = subprocess.run(
        [npm, "run", "check"],
        cwd=ROOT / "dashboard",
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
