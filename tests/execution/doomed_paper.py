"""The paper executor, which kills itself at the k-th time it comes to a named point.

Arguments: bootstrap, scope, point, k. Points are around the two steps of an answer: the report and
the commit; and inside the start, when the past reports have been read.
"""

import os
import signal
import sys
import threading

from streams.execution import consumer as consumer_module
from streams.execution.consumer import RebalanceConsumer
from streams.execution.paper import PaperSettings, run
from streams.execution.reporter import Reporter

POINTS = ("before_report", "after_report", "after_commit", "after_history")


def dying(function, *, before):
    def wrapped(*arguments, **named):
        if before:
            count_down()
        result = function(*arguments, **named)
        if not before:
            count_down()
        return result

    return wrapped


def count_down():
    global left  # noqa: PLW0603  # one process, one countdown
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    bootstrap, scope, point, times = sys.argv[1:]
    left = int(times)
    assert point in POINTS
    if point.endswith("_report"):
        Reporter.publish = dying(Reporter.publish, before=point == "before_report")
    elif point == "after_commit":
        RebalanceConsumer._commit = dying(RebalanceConsumer._commit, before=False)
    else:
        consumer_module.read_answers = dying(consumer_module.read_answers, before=False)
    run(PaperSettings(bootstrap=bootstrap, scope=scope), threading.Event())
