"""Ingest, which kills itself at the k-th time it comes to a named point.

Arguments: point, k; the place comes from the environment, as for ingest itself. Points lie around
the two steps of a poll: what is appended, and what is committed.
"""

import os
import signal
import sys

from streams.ingest.journal import JournalWriter
from streams.ingest.service import main
from streams.ingest.sources import Source

POINTS = ("before_append", "after_append", "after_settle", "before_commit", "after_commit")


def dying(function, *, before=False, first=lambda *_: None):
    def wrapped(*arguments, **named):
        if before:
            count_down()
        result = function(*arguments, **named)
        if not before:
            first(*arguments)
            count_down()
        return result

    return wrapped


def count_down():
    global left  # noqa: PLW0603  # one process, one countdown
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


def acknowledged(writer, *_):
    writer._producer.flush(10.0)  # this record stands in the journal, others of its poll do not


if __name__ == "__main__":
    point, times = sys.argv[1:]
    left = int(times)
    append, settle, commit = JournalWriter.append, JournalWriter.settle, Source.commit
    match point:
        case "before_append":
            JournalWriter.append = dying(append, before=True)
        case "after_append":
            JournalWriter.append = dying(append, first=acknowledged)
        case "after_settle":
            JournalWriter.settle = dying(settle)
        case "before_commit":
            Source.commit = dying(commit, before=True)
        case "after_commit":
            Source.commit = dying(commit)
    main()
