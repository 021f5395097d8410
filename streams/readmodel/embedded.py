"""The views in a file of this process: the default, which needs no server."""

import secrets
import sqlite3
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from streams.observe.clock import now_ns
from streams.readmodel.changes import Append, Change, Put, Tell
from streams.readmodel.store import (
    TOLD_MAX,
    Entry,
    ForgottenError,
    LeaseLostError,
    Place,
    StoreUnavailableError,
    Told,
)

_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS views (key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS series (name TEXT, place INTEGER, value BLOB NOT NULL,
  PRIMARY KEY (name, place)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS told (number INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL,
  portfolio_id TEXT NOT NULL, value BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS positions (topic TEXT, shard INTEGER, next INTEGER NOT NULL,
  PRIMARY KEY (topic, shard)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lease (one INTEGER PRIMARY KEY CHECK (one = 1), holder TEXT NOT NULL,
  until_ns INTEGER NOT NULL);
"""
_FIRST: Final = -(2**63)
_LAST: Final = 2**63 - 1
_BUSY_S: Final = 5.0


class EmbeddedStore:
    """A store in an SQLite file, by default one that ends with the process.

    A crash of the machine may lose the newest changes with their positions: they are folded again.
    """

    def __init__(self, file: Path | None = None) -> None:
        self._folder = TemporaryDirectory(prefix="apse-views-") if file is None else None
        self._file = Path(self._folder.name) / "views.sqlite" if self._folder else file
        self._local = threading.local()
        self._opened: list[sqlite3.Connection] = []
        self._unused = threading.Condition()
        self._users = 0
        self._closed = False
        self._name = secrets.token_hex(8)
        self._is_writer = False
        with self._connected() as connection:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.executescript(_SCHEMA)

    def hold(self, seconds: float) -> bool:
        """Take the lease, or keep it for so long from now; tell whether it is ours.

        One that ends later than anybody could have taken it for was taken by a clock that has been
        set back since: it counts as ended, for its holder may be gone.
        """
        now, length = now_ns(), round(seconds * 1e9)
        with self._connected() as connection:
            done = connection.execute(
                "INSERT INTO lease VALUES (1, ?, ?) ON CONFLICT (one) DO UPDATE SET"
                " holder = excluded.holder, until_ns = excluded.until_ns"
                " WHERE holder = excluded.holder OR until_ns <= ? OR until_ns > ?",
                (self._name, now + length, now, now + 2 * length),
            )
            self._is_writer = done.rowcount == 1
        return self._is_writer

    def release(self) -> None:
        """Give the lease back, where it is ours."""
        self._is_writer = False
        with self._connected() as connection:
            connection.execute("DELETE FROM lease WHERE holder = ?", (self._name,))

    def _check_lease(self, connection: sqlite3.Connection) -> None:
        held = connection.execute("SELECT holder FROM lease").fetchone()
        if held != (self._name,):
            raise LeaseLostError

    def positions(self) -> dict[Place, int]:
        """Return the first offset of each partition whose changes are not stored yet."""
        with self._connected() as connection:
            rows = connection.execute("SELECT topic, shard, next FROM positions").fetchall()
        return {(topic, shard): following for topic, shard, following in rows}

    def apply(self, changes: Sequence[Change], positions: Mapping[Place, int]) -> None:
        """Store changes and the positions they lead to, both or neither."""
        puts = [(c.key, c.value) for c in changes if isinstance(c, Put)]
        appends = [(c.series, c.place, c.value) for c in changes if isinstance(c, Append)]
        tells = [(c.kind, c.portfolio_id, c.value) for c in changes if isinstance(c, Tell)]
        with self._connected() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            if self._is_writer:
                self._check_lease(connection)
            connection.executemany("INSERT OR REPLACE INTO views VALUES (?, ?)", puts)
            connection.executemany("INSERT OR REPLACE INTO series VALUES (?, ?, ?)", appends)
            connection.executemany(
                "INSERT INTO told (kind, portfolio_id, value) VALUES (?, ?, ?)", tells
            )
            connection.execute(
                "DELETE FROM told WHERE number <= (SELECT max(number) FROM told) - ?", (TOLD_MAX,)
            )
            connection.executemany(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?)",
                [(topic, shard, following) for (topic, shard), following in positions.items()],
            )

    def get(self, key: str) -> bytes | None:
        """Return the newest value under a key."""
        with self._connected() as connection:
            row = connection.execute("SELECT value FROM views WHERE key = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def keys(self, prefix: str) -> list[str]:
        """Return the keys that begin with ``prefix``, sorted."""
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT key FROM views WHERE key >= ? AND key < ? ORDER BY key",
                (prefix, prefix + "\U0010ffff"),
            ).fetchall()
        return [key for (key,) in rows]

    def series(
        self,
        name: str,
        *,
        after: int | None = None,
        before: int | None = None,
        limit: int = 1_000,
        newest_first: bool = False,
    ) -> list[Entry]:
        """Return entries with ``after`` < place < ``before``, at most ``limit``."""
        query = (
            "SELECT place, value FROM series WHERE name = ? AND place >= ? AND place <= ?"
            " ORDER BY place DESC LIMIT ?"
        )
        first = _FIRST if after is None else after + 1
        last = _LAST if before is None else before - 1
        with self._connected() as connection:
            rows = connection.execute(
                query if newest_first else query.replace("DESC", "ASC"), (name, first, last, limit)
            ).fetchall()
        return [Entry(place, value) for place, value in rows]

    def told(self, after: int, limit: int = 1_000) -> list[Told]:
        """Return live events with larger numbers than ``after``, oldest first."""
        with self._connected() as connection:
            rows = connection.execute(
                "SELECT number, kind, portfolio_id, value FROM told WHERE number > ?"
                " ORDER BY number LIMIT ?",
                (after, limit),
            ).fetchall()
            newest = self.newest_told()
        if after > newest or (rows and rows[0][0] != after + 1):
            message = f"events after {after} are not kept; the newest is {newest}"
            raise ForgottenError(message)
        return [Told(*row) for row in rows]

    def newest_told(self) -> int:
        """Return the number of the newest live event, 0 where there is none."""
        with self._connected() as connection:
            row = connection.execute("SELECT max(number) FROM told").fetchone()
        return row[0] or 0

    def clear(self) -> None:
        """Forget everything that is stored."""
        with self._connected() as connection, connection:
            connection.execute("BEGIN IMMEDIATE")
            for table in ("views", "series", "told", "positions"):
                connection.execute(f"DELETE FROM {table}")  # noqa: S608  # names of our own

    def close(self) -> None:
        """Let go of everything, once nobody is reading or writing any more."""
        with self._unused:
            self._closed = True
            self._unused.wait_for(lambda: self._users == 0)
            for connection in self._opened:
                connection.close()
            self._opened.clear()
        if self._folder is not None:
            self._folder.cleanup()

    @contextmanager
    def _connected(self) -> Iterator[sqlite3.Connection]:
        """Hand out this thread's connection."""
        with self._unused:
            if self._closed:
                message = "the embedded store was closed"
                raise StoreUnavailableError(message)
            self._users += 1
        connection = getattr(self._local, "connection", None)
        try:
            if connection is None:
                assert self._file is not None
                connection = sqlite3.connect(
                    self._file, timeout=_BUSY_S, isolation_level=None, check_same_thread=False
                )
                connection.execute("PRAGMA synchronous = NORMAL")
                self._local.connection = connection
                with self._unused:
                    self._opened.append(connection)
            yield connection
        except sqlite3.Error as error:
            message = f"the embedded store: {error}"
            raise StoreUnavailableError(message) from error
        finally:
            with self._unused:
                self._users -= 1
                self._unused.notify_all()
