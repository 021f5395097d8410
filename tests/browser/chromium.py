"""A real Chromium, and what is asked of any page: its faults by axe, its fit on a phone."""

import shutil
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import sync_playwright

ROOT = Path(__file__).parents[2]
AXE = ROOT / "dashboard" / "node_modules" / "axe-core" / "axe.min.js"
WAIT_MS = 45_000  # what takes a moment takes longer on a machine that does other things as well
# The sandbox needs rights that a container's root lacks; the rest keeps it from asking its maker.
ARGUMENTS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
]  # fmt: skip
DESK = {"width": 1280, "height": 860}
PHONE = {"width": 390, "height": 844}
NAMES_BROKEN = """() => [...document.querySelectorAll('[data-name]')]
    .filter(e => e.getClientRects().length && e.getBoundingClientRect().height > 30)
    .map(e => e.textContent)"""
TEXT_TOO_SMALL = """() => [...document.querySelectorAll('svg text')]
    .filter(e => e.getScreenCTM().a * parseFloat(getComputedStyle(e).fontSize) < 8.5)
    .map(e => e.textContent)"""
TOO_WIDE = "() => document.documentElement.scrollWidth - window.innerWidth"


@contextmanager
def running_chromium():
    """Chromium as the system has it; no other is fetched."""
    found = shutil.which("chromium") or shutil.which("google-chrome")
    assert found is not None, "chromium is not installed; `make servers` installs it"
    assert AXE.is_file(), "axe-core is not installed; `make setup` does, with Node.js 20.19"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=ARGUMENTS)
        yield browser
        browser.close()


def serious_faults(page):
    """What axe finds serious or critical on a page as it is shown, in words."""
    if not page.evaluate("() => 'axe' in window"):
        page.evaluate(AXE.read_text())  # no script tag: the page's own policy has no say in it
    found = page.evaluate("async () => (await axe.run({resultTypes: ['violations']})).violations")
    return [
        f"{fault['id']}: {fault['help']}: {node['html'][:160]} {node['failureSummary']}"
        for fault in found
        if fault["impact"] in {"serious", "critical"}
        for node in fault["nodes"][:3]
    ]
