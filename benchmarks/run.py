"""Run the benchmarks, print the table, write it to README.md and the figures to results.json.

`make bench` runs everything, in some ten minutes; `make bench ARGS=--quick` takes smaller sizes and
less than five, and leaves the table in README.md alone. With `ARGS='--only solve'` one file runs,
and the other figures stay as they are.
"""

import argparse
import gc
import json
import os
import platform
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import (
    api,
    growth,
    latency,
    memory,
    metrics,
    offline_replay,
    poison,
    restart,
    sigma_update,
    solve,
    whole_path,
)
from benchmarks.report import Result, load
from benchmarks.targets import table_of
from streams.kafka.broker import Broker, resolve_broker

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
README = HERE / "README.md"
BEGIN, END = "<!-- table: written by run.py -->", "<!-- end of table -->"

ON_BROKER = {
    "whole_path": whole_path.on,
    "latency": latency.on,
    "restart": restart.on,
    "growth": growth.on,
    "poison": poison.on,
    "api": api.on,
}
IN_PROCESS = {
    "solve": solve.run,
    "sigma_update": sigma_update.run,
    "metrics": metrics.run,
    "offline_replay": offline_replay.run,
    "memory": memory.run,
}


def found_by(names: list[str], broker: Broker, *, quick: bool) -> Iterator[Result | str]:
    """Run benchmarks by name; yield their results, and the name of one that failed."""
    works: dict[str, Callable[[], list[Result]]] = {
        name: lambda on=on: on(broker, quick=quick) for name, on in ON_BROKER.items()
    } | {name: lambda run=run: run(quick=quick) for name, run in IN_PROCESS.items()}
    for name in names:
        print(f"-- {name} ({load()})", flush=True)
        begun_s = time.monotonic()
        try:
            results = works[name]()
        except Exception:  # noqa: BLE001  # the others have their say; the exit code tells
            traceback.print_exc()
            yield name
            continue
        for result in results:
            print("  " + result.line(), flush=True)
        yield from results
        print(f"   {time.monotonic() - begun_s:.0f} s", flush=True)
        gc.collect()


def write_results(results: list[Result]) -> None:
    """Write the figures, over those of the same name; others stay."""
    known = json.loads(RESULTS.read_text()) if RESULTS.exists() else []
    fresh = {result.name: result.as_json() for result in results}
    entries = {entry["name"]: entry for entry in known} | fresh
    lines = ",\n".join(json.dumps(entry) for entry in entries.values())
    RESULTS.write_text(f"[\n{lines}\n]\n")


def write_table(results: list[Result]) -> None:
    """Put the rows of these results into the README's table; the other rows stay."""
    text = README.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    known, _, after = rest.partition(END)
    machine = f"{os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    head = f"`make bench` on {time.strftime('%Y-%m-%d', time.gmtime())}: {machine}.\n"
    table = table_of(results, known.splitlines())
    README.write_text(f"{before}{BEGIN}\n{head}\n{table}\n{END}{after}", encoding="utf-8")


def main() -> int:
    """Run what was asked for; return the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="smaller sizes; README.md stays")
    parser.add_argument("--only", nargs="+", choices=[*ON_BROKER, *IN_PROCESS], metavar="NAME")
    options = parser.parse_args()
    names = options.only or [*ON_BROKER, *IN_PROCESS]
    results, failed = [], []
    with resolve_broker() as broker:
        print(broker.note)
        for found in found_by(names, broker, quick=options.quick):
            if isinstance(found, str):
                failed.append(found)
            else:
                results.append(found)
    write_results(results)
    print("\n" + table_of(results))
    if not options.quick:
        write_table(results)
    if failed:
        print(f"failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
