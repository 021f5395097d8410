"""One worker of the storm.

``python -m tests.storm.toy_worker SHELL BOOTSTRAP SCOPE MEMBER static|dynamic``
"""

import os
import sys
import threading
import time

from tests.storm.shards import say


def main(arguments: list[str]) -> None:
    shell, bootstrap, scope, member, static = arguments
    say(f"process runs, {shell}")
    if shell == "faust":
        from tests.storm import faust_shell as chosen  # noqa: PLC0415  # one shell, one import cost
    else:
        from tests.storm import plain_shell as chosen  # noqa: PLC0415  # as above
    say("imported")
    threading.Thread(target=end_with, args=[os.getppid()], daemon=True).start()
    chosen.run(bootstrap, scope, member, static=static == "static")


def end_with(parent: int) -> None:
    """A storm that is killed leaves no workers behind."""
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(0)


if __name__ == "__main__":
    main(sys.argv[1:])
