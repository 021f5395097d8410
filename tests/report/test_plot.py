import xml.etree.ElementTree as ET
from itertools import pairwise

from streams.report.plot import HEIGHT, WIDTH, Mark, scatter_svg

SVG = "{http://www.w3.org/2000/svg}"


def drawn(marks, line=((0.05, 0.02), (0.1, 0.05))):
    return ET.fromstring(scatter_svg("a < b & c", ("x", "y"), line, marks))


def test_every_point_is_inside_the_page_and_labels_do_not_cover_each_other():
    marks = [
        Mark(0.05 + 1e-4 * n, 0.02, f"strategy-{n}", "#000", emphasised=n < 3) for n in range(9)
    ]
    root = drawn(marks)
    for circle in root.iter(f"{SVG}circle"):
        assert 0 < float(circle.get("cx")) < WIDTH
        assert 0 < float(circle.get("cy")) < HEIGHT
    labels = [text for text in root.iter(f"{SVG}text") if text.text.startswith("strategy-")]
    heights = sorted(float(text.get("y")) for text in labels)
    assert len(heights) == 9
    assert min(b - a for a, b in pairwise(heights)) >= 12.9


def test_words_are_escaped_and_axes_are_named_in_percent():
    words = "".join(drawn([Mark(0.1, -0.05, "<held>", "#000")]).itertext())
    for part in ("a < b & c", "<held>", "0 %", "x", "y"):
        assert part in words
