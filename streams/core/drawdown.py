"""The drawdown overlay: smaller as losses deepen, larger again only slowly, never nothing.

The multiplier is m = clip((full - d) / (full - start), 0, 1) between 1 and a floor above 0. The
high that the drawdown counts from is the ledger's, which never forgets, so that a book that was
shrunk does not begin again at a lower high (three stops of 10 % would then lose 27 %).
"""

from schemas.policy import DrawdownOverlay


def drawdown_multiplier(overlay: DrawdownOverlay, drawdown: float, before: float) -> float:
    """Return the multiplier after a bar.

    Parameters
    ----------
    overlay
        Where it starts and ends, its floor, and how fast it recovers.
    drawdown
        NAV over its high minus 1, at most 0.
    before
        The multiplier after the bar before.

    Examples
    --------
    >>> overlay = DrawdownOverlay(start=0.1, full=0.2, floor=0.25, recover=0.1)
    >>> [round(drawdown_multiplier(overlay, d, 1.0), 6) for d in (-0.05, -0.1, -0.15, -0.3)]
    [1.0, 1.0, 0.625, 0.25]
    >>> round(drawdown_multiplier(overlay, 0.0, 0.25), 6)
    0.35
    """
    depth = (overlay.full + drawdown) / (overlay.full - overlay.start)
    wanted = overlay.floor + (1.0 - overlay.floor) * min(max(depth, 0.0), 1.0)
    return min(wanted, before + overlay.recover)
