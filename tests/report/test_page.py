import base64
import hashlib
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser

import msgspec
import numpy as np
import pytest

from schemas.decisions import Trigger
from schemas.units import format_instant
from streams.core.errors import DataError
from streams.report.page import page_of
from streams.report.sheet import make_sheet

BYTES_MAX = 600_000
EMPTY = {"meta"}
HOSTILE = "<script>alert(1)</script>\" onload='x' \u202egnp.exe &amp; ]]>--><svg/onload=alert(2)>"


class Reader(HTMLParser):
    """Elements with their attributes, texts, and whether all that is opened is closed in order."""

    def __init__(self, page):
        super().__init__()
        self.elements, self.texts, self._open = [], [], []
        self.feed(page)
        self.close()
        assert not self._open

    def handle_starttag(self, name, attributes):
        self.elements.append((name, dict(attributes)))
        assert len(dict(attributes)) == len(attributes), (name, attributes)
        if name not in EMPTY:
            self._open.append(name)

    def handle_endtag(self, name):
        assert self._open.pop() == name

    def handle_data(self, data):
        self.texts.append(data)

    def named(self, name):
        return [attributes for element, attributes in self.elements if element == name]


@pytest.fixture(scope="module")
def page(small):
    return page_of(small.sheet, 12)


def test_it_needs_nothing_but_itself_and_lets_nothing_in(page):
    found = Reader(page)
    names = {name for name, _ in found.elements}
    assert not names & {"script", "link", "img", "iframe", "object", "base", "form", "image", "use"}
    for name, attributes in found.elements:
        assert not {"src", "href", "style", "srcset"} & set(attributes), name
        assert not [key for key in attributes if key.startswith("on")], name
    assert "url(" not in page
    assert "@import" not in page
    assert "http:" not in page
    assert "https:" not in page


def test_its_policy_allows_its_own_styles_alone(page):
    found = Reader(page)
    (told,) = [m["content"] for m in found.named("meta") if "http-equiv" in m]
    (style,) = re.findall(r"<style>(.*?)</style>", page, re.DOTALL)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert told.startswith(f"default-src 'none'; style-src 'sha256-{digest}';")


def test_every_drawing_is_well_formed_and_has_words(page):
    whole = re.findall(r'<svg class="chart".*?(?=<(?:details|/div|/section|h3))', page)
    assert len(whole) >= 8
    for drawing in whole:
        root = ET.fromstring(drawing)
        assert root.find("title").text
        assert root.find("desc").text
        assert root.get("aria-labelledby") == root.find("title").get("id")
        for path in root.iter("path"):
            assert "nan" not in path.get("d")
            assert "inf" not in path.get("d")


def test_ids_are_unique_and_every_frame_that_scrolls_can_be_reached(page):
    found = Reader(page)
    ids = [a["id"] for _, a in found.elements if "id" in a]
    assert len(ids) == len(set(ids)) >= 16
    frames = [a for a in found.named("div") if a.get("class") == "scroll"]
    assert len(frames) >= 8
    assert all(a["tabindex"] == "0" and a["aria-label"] for a in frames)
    assert len(found.named("details")) >= 5
    assert len(found.named("caption")) == len(found.named("table"))


def test_the_same_figures_give_the_same_bytes_and_name_no_moment_but_the_last_bar(small, page):
    again = make_sheet(small.book, small.policy, small.panel)
    assert page_of(again, 12) == page
    assert f"As of the bar ending {format_instant(int(small.book.ends_ns[-1]))}" in page


def test_words_of_others_are_only_read(small):
    names = {name: f"{HOSTILE}{number}" for number, name in enumerate(small.book.names)}
    last = small.book.decisions[-1]
    hostile = msgspec.structs.replace(
        last,
        trigger=Trigger(kind="manual", reason=HOSTILE),
        reason=HOSTILE,
        outcome="declined",
        violated=(HOSTILE,),
        decision_id=HOSTILE,
        bar_end=HOSTILE,
        binding=tuple(
            msgspec.structs.replace(limit, constraint=HOSTILE, strategy=HOSTILE)
            for limit in last.binding
        ),
        risk_contributions={names[key]: v for key, v in (last.risk_contributions or {}).items()},
    )
    book = replace(
        small.book, names=tuple(names.values()), decisions=(*small.book.decisions[:-1], hostile)
    )
    page = page_of(make_sheet(book, small.policy, "none"), 12)
    found = Reader(page)
    assert not found.named("script")
    for name, attributes in found.elements:
        assert not [key for key in attributes if key.startswith("on")], (name, attributes)
    assert "\u202e" not in page
    shown = "".join(found.texts)
    assert "<script>alert(1)</script>" in shown


def test_a_long_history_of_many_strategies_stays_small(small):
    bars, count = 8_000, 60
    random = np.random.default_rng(0)
    held = random.dirichlet(np.ones(count), bars)
    book = replace(
        small.book,
        ends_ns=86_400_000_000_000 * np.arange(1, bars + 1),
        net=0.01 * random.standard_normal(bars),
        **{name: np.full(bars, 0.001) for name in ("gross", "cost", "turnover", "coverage")},
        nav=np.ones(bars),
        names=tuple(f"s{number:02d}" for number in range(count)),
        held=held,
        decisions=(),
    )
    page = page_of(make_sheet(book, small.policy, "no returns"), 12)
    assert len(page) < BYTES_MAX


def cut(book, start, stop):
    part = {
        name: getattr(book, name)[start:stop]
        for name in ("ends_ns", "net", "gross", "cost", "turnover", "nav", "coverage", "held")
    }
    return replace(book, **part, decisions=())


@pytest.mark.parametrize("bars", [1, 2, 5, 30, 61])
def test_a_young_portfolio_has_a_page_too(small, bars):
    start = small.sheet.warm_up_bars
    sheet = make_sheet(cut(small.book, start, start + bars), small.policy, "no returns")
    page = page_of(sheet, 12)
    Reader(page)
    assert "nan" not in "".join(Reader(page).texts).lower()
    assert "No benchmarks and no deflated Sharpe ratio: no returns." in page


@pytest.mark.parametrize("lost", [-1.0, -3.0])
def test_a_portfolio_that_lost_everything_or_more_has_a_page_too(small, lost):
    net = small.book.net.copy()
    net[200] = lost
    page = page_of(make_sheet(replace(small.book, net=net), small.policy, "no returns"), 12)
    assert "nan" not in "".join(Reader(page).texts).lower()


@pytest.mark.parametrize("gain", [1e20, 1e200])
def test_a_growth_that_can_only_be_a_mistake_is_refused(small, gain):
    net = small.book.net.copy()
    net[200:203] = gain
    with pytest.raises(DataError, match=r"Portfolio grew to .* times its start"):
        make_sheet(replace(small.book, net=net), small.policy, "no returns")


def test_a_portfolio_that_never_held_anything_says_so(small):
    page = page_of(make_sheet(cut(small.book, 0, 10), small.policy, "no returns"), 12)
    assert "No decision told contributions to risk." in page
    assert "None was taken." in page


def test_the_page_tells_the_figures(small, page):
    text = "".join(Reader(page).texts)
    found = small.sheet.lines[0].headline.figures
    assert f"{found['sharpe']:.2f} ± {found['sharpe_standard_error']:.2f}".replace("-", "−") in text
    for line in small.sheet.lines:
        assert f"{line.headline.figures['max_drawdown']:.2%}".replace("-", "−") in text
    assert str(len(small.book.decisions)) in text
