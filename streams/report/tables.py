"""Tables of a report, and its lists of keys. Cells are markup already: words are escaped before."""

from collections.abc import Iterable, Sequence

from streams.report.svg import tag, words

__all__ = ["behind", "key", "small", "table"]


def table(
    caption: str,
    head: Sequence[str],
    rows: Iterable[Sequence[str | tuple[str, str]]],
    *,
    style: str | None = None,
    wordy: Iterable[int] = (),
) -> str:
    """Return a table in a frame that scrolls by itself where the page is too narrow for it.

    Parameters
    ----------
    caption
        For those who do not see it; plain words.
    head
        Names of the columns, plain words.
    rows
        Cells as markup, or (markup, class); the first of each names its row.
    style
        Class of the table.
    wordy
        Columns of words, which stand at the left.
    """
    left = set(wordy)
    names = [
        tag("th", words(name), scope="col", class_="words" if place in left else None)
        for place, name in enumerate(head)
    ]
    body = []
    for row in rows:
        cells = []
        for place, cell in enumerate(row):
            inner, own = cell if isinstance(cell, tuple) else (cell, "")
            style_ = f"words {own}".strip() if place in left else own
            if place:
                cells.append(tag("td", inner, class_=style_ or None))
            else:
                cells.append(tag("th", inner, scope="row", class_=style_ or None))
        body.append(tag("tr", *cells))
    whole = tag(
        "table",
        tag("caption", words(caption)),
        tag("thead", tag("tr", *names)),
        tag("tbody", *body),
        class_=style,
    )
    return tag("div", whole, class_="scroll", role="region", tabindex="0", aria_label=caption)


def behind(summary: str, content: str) -> str:
    """Return what opens on demand: the figures behind a chart."""
    return tag("details", tag("summary", words(summary)), content)


def key(entries: Iterable[tuple[str, str]], *, areas: bool = False) -> str:
    """Return the list that says which colour is whose: (class, plain words)."""
    told = [tag("li", tag("bdi", words(name)), class_=style) for style, name in entries]
    return tag("ul", *told, class_="key areas" if areas else "key")


def small(main: str, beside: str) -> str:
    """Return markup with a smaller line below it; ``beside`` is plain words."""
    return main + (tag("small", words(beside)) if beside else "")
