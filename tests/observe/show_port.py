"""Say where this process is to show its metrics; run by the tests as a child of the supervisor."""

import sys

from streams.settings import load_settings

if __name__ == "__main__":
    sys.stdout.write(f"{sys.argv[1]} {load_settings().metrics.port}\n")
