"""The table of metrics for the documentation, made from the one list.

``python -m streams.observe.reference`` prints it.
"""

import sys

from streams.observe.metrics import METRICS, Metric


def metrics_table() -> str:
    """Return the list as a Markdown table, a line for each metric, in the order of the data."""
    head = "| metric | type | labels | shown by | what |\n|---|---|---|---|---|\n"
    return head + "".join(f"{_row(metric)}\n" for metric in METRICS)


def _row(metric: Metric) -> str:
    labels = ", ".join(
        f"`{name}` ({', '.join(values)})" if values else f"`{name}`"
        for name, values in metric.labels.items()
    )
    shown_by = ", ".join(metric.processes)
    return f"| `{metric.name}` | {metric.kind} | {labels} | {shown_by} | {metric.help} |"


if __name__ == "__main__":
    sys.stdout.write(metrics_table())
