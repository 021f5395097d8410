"""Print the part of requirements/lock.txt that the engine needs at run time, hashes included.

The lock is one for running, the demonstration and development. Each entry names who asked for it
("# via"), so that what is reachable from ``project.dependencies`` can be told without a resolver.
Where the lock cannot tell an extra's requirement from a plain one, the package is kept.
"""

import re
import sys
import tomllib
from pathlib import Path

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


def normalized(requirement: str) -> str:
    """Return the name in a requirement as locks spell it: "Foo.Bar>=1" is foo-bar."""
    found = NAME.match(requirement)
    if found is None:
        message = f"{requirement!r} is no requirement, expected a name first"
        raise ValueError(message)
    return re.sub(r"[._-]+", "-", found.group()).lower()


def entries(lock: str) -> list[tuple[str, frozenset[str], str]]:
    """Return (name, who asked for it, text) of each entry, in the order of the lock."""
    found = []
    for text in re.split(r"(?m)^(?=[A-Za-z0-9])", lock)[1:]:
        head, _, via = text.partition("# via ")
        if not via:
            message = f"{head.splitlines()[0]!r} does not say who asked for it"
            raise ValueError(message)
        askers = frozenset(normalized(name) for name in via.split(", "))
        found.append((normalized(text), askers, text))
    return found


def subset(lock: str, roots: set[str]) -> str:
    """Return the entries that ``roots`` are or lead to."""
    listed = entries(lock)
    missing = roots - {name for name, _, _ in listed}
    if missing:
        message = f"the lock has no {', '.join(sorted(missing))}"
        raise ValueError(message)
    wanted: set[str] = set()
    added = set(roots)
    while added:
        wanted |= added
        added = {name for name, askers, _ in listed if askers & wanted} - wanted
    return "".join(text for name, _, text in listed if name in wanted)


def main() -> None:
    """Print the subset of the lock and the project file that the two arguments name."""
    lock, project = map(Path, sys.argv[1:3])
    dependencies = tomllib.loads(project.read_text(encoding="utf-8"))["project"]["dependencies"]
    roots = {normalized(requirement) for requirement in dependencies}
    sys.stdout.write(subset(lock.read_text(encoding="utf-8"), roots))


if __name__ == "__main__":
    main()
