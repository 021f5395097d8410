"""What the README tells to ask the API is answered."""

import re
import shlex

import pytest

from tests.tidy.repository import ROOT

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
LINES = re.findall(
    r"(?m)^curl .*$", TEXT.partition("## Dashboard and API")[2].partition("\n## ")[0]
)
BASE = "http://127.0.0.1:8080"


def test_each_way_in_is_shown():
    assert len(LINES) >= 7


@pytest.mark.parametrize("line", LINES, ids=lambda line: line.split("/portfolio/")[1][:12])
def test_a_line_of_the_readme_is_answered(client, line):
    _, flags, url, *rest = shlex.split(line)
    options = (
        dict(zip(rest[::2], rest[1::2], strict=True)) if "-d" not in rest else {"-d": rest[-1]}
    )
    headers = dict(text.split(": ") for text in rest if ": " in text and not text.startswith("{"))
    assert url.startswith(BASE)
    method = "POST" if "-d" in options else "GET"
    streams = url.endswith("/stream")
    assert streams == ("N" in flags)
    path = url.removeprefix(BASE)
    with client.request(
        method, path, headers=headers, data=options.get("-d"), stream=streams
    ) as answer:
        assert answer.status_code == (202 if path.endswith("/rebalance") else 200), answer.text
        wanted = headers.get("Accept", "text/event-stream" if streams else "application/json")
        assert answer.headers["content-type"].startswith(wanted)
