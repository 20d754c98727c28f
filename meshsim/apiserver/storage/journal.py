"""The journal: every object on disk, so that a killed server comes back with all it has acknowledged.

SQLite in WAL mode, one writer. The commits of one turn of the event loop go down in one transaction (group
commit), in a thread. Only then are they published: nobody sees what is not on disk, so a crash undoes nothing that
anybody has seen, and versions go on where the file's end. What cannot be written is withdrawn.
"""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Final

from meshsim.api.decode import FieldError, Object, read_json, write_json
from meshsim.api.kinds import Kind
from meshsim.api.meta import key_of
from meshsim.apiserver.storage.store import Event, Store
from meshsim.client.api import ApiError
from meshsim.kit.errors import StartError

_log: Final = logging.getLogger(__name__)
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS objects (
    resource TEXT NOT NULL, namespace TEXT NOT NULL, name TEXT NOT NULL, value BLOB NOT NULL,
    PRIMARY KEY (resource, namespace, name)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), version INTEGER NOT NULL);
INSERT OR IGNORE INTO progress VALUES (1, 0);
"""
_PUT: Final = "INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?)"
_REMOVE: Final = "DELETE FROM objects WHERE resource = ? AND namespace = ? AND name = ?"


class Journal:
    """The objects of a store, kept in a directory. Raises StartError when the directory cannot be used.

    Open it, `load()` what is there, `serve` a store that logs to it, and await `durable()` in the turn of the loop
    that wrote, before answering.
    """

    def __init__(self, directory: Path) -> None:
        self._groups: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        self._thread = Thread(target=self._work, name="journal", daemon=True)
        self._waiting: list[tuple[Kind, Event]] = []
        self._logged = self._written = 0
        self._writers: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._store: Store | None = None
        self._is_failing = False
        self._is_flushing = False
        path = directory / "objects.db"
        self._path = path
        try:
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            path.touch(mode=0o600)
            self._database = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=0.5)
            # Exclusive: two servers over the same directory would each undo what the other does.
            self._database.execute("PRAGMA locking_mode = EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode = WAL")
            self._database.execute("PRAGMA synchronous = FULL")
            self._database.executescript(_SCHEMA)
            (state,) = self._database.execute("PRAGMA quick_check(1)").fetchone()
        except (OSError, sqlite3.Error) as error:
            raise StartError(f"the data directory {directory} cannot be used: {error}") from error
        if state != "ok":
            raise StartError(f"{path} is damaged ({state}): move it away to start with an empty one")
        self._thread.start()

    @property
    def first_version(self) -> int:
        """Where a store over this journal goes on counting: after the newest commit; 0 if new."""
        (version,) = self._database.execute("SELECT version FROM progress").fetchone()
        return int(version)

    def load(self) -> Iterator[tuple[str, Object]]:
        """Every object, with the resource name of its kind. Raises StartError for one that cannot be read."""
        for resource, name, value in self._database.execute("SELECT resource, name, value FROM objects"):
            try:
                yield resource, read_json(value)
            except (FieldError, UnicodeDecodeError) as error:
                raise StartError(f'{self._path} is damaged: {resource} "{name}" cannot be read: {error}') from error

    def serve(self, store: Store) -> None:
        """Publish the store's commits once they are on disk, or withdraw them."""
        self._store = store

    def log(self, kind: Kind, event: Event) -> None:
        """Take in a commit, to be written with the next group."""
        self._waiting.append((kind, event))
        self._logged += 1
        if not self._is_flushing:
            self._is_flushing = True
            # Not before the end of this turn of the loop: what else it commits goes along.
            asyncio.get_running_loop().call_soon(self._flush)

    async def durable(self) -> None:
        """Wait until everything logged so far is on disk. Raises ApiError when it cannot be written."""
        if self._written == self._logged:
            return
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._writers.append((self._logged, written))
        try:
            await written
        except sqlite3.Error as error:
            raise ApiError(500, "InternalError", f"the journal cannot be written: {error}") from error

    async def close(self) -> None:
        """Write what waits and close the file."""
        try:
            await self.durable()
        finally:
            await asyncio.to_thread(self._end)

    def _flush(self) -> None:
        """Have the thread write what waits; no coroutine waits for it, as there is a group for nearly every write."""
        group, self._waiting = self._waiting, []
        self._groups.put(partial(self._write_and_tell, group, asyncio.get_running_loop()))

    def _flushed(self, group: list[tuple[Kind, Event]], error: Exception | None) -> None:
        if error is not None:
            self._withdraw(error)
            return
        if self._is_failing:
            self._is_failing = False
            _log.warning("the journal can be written again")
        self._written += len(group)
        if self._waiting:
            self._flush()
        else:
            self._is_flushing = False
        if self._store is not None:
            self._store.publish(group[-1][1].version)
        while self._writers and self._writers[0][0] <= self._written:
            _, written = self._writers.popleft()
            if not written.done():
                written.set_result(None)

    def _withdraw(self, error: Exception) -> None:
        """Undo what cannot be written; whoever waits is told so, those too whose commits came later and build on it."""
        # A full disk fails every write; each writer is told, the log once.
        if not self._is_failing:
            _log.error("the journal cannot be written; writes are refused until it can: %s", error)
        self._is_failing = True
        self._is_flushing = False
        self._waiting.clear()
        self._written = self._logged
        if self._store is not None:
            self._store.withdraw()
        while self._writers:
            _, written = self._writers.popleft()
            if not written.done():
                written.set_exception(error)

    def _end(self) -> None:
        self._groups.put(None)
        self._thread.join()
        self._database.close()

    def _work(self) -> None:
        """What the thread does. A queue that it waits at costs less than an executor's futures."""
        while (job := self._groups.get()) is not None:
            job()

    def _write_and_tell(self, group: list[tuple[Kind, Event]], loop: asyncio.AbstractEventLoop) -> None:
        failure: Exception | None = None
        try:
            self._write(group)
        except Exception as error:  # noqa: BLE001 - whoever waits is told
            failure = error
        loop.call_soon_threadsafe(self._flushed, group, failure)

    def _write(self, group: list[tuple[Kind, Event]]) -> None:
        # Only the last of an object's states is kept.
        states = {(kind.resource, key_of(event.new or event.old or {})): event.new for kind, event in group}
        with self._database:
            self._database.execute("BEGIN IMMEDIATE")
            for (resource, key), obj in states.items():
                if obj is not None:
                    self._database.execute(_PUT, (resource, *key, write_json(obj)))
                else:
                    self._database.execute(_REMOVE, (resource, *key))
            self._database.execute("UPDATE progress SET version = ?", (group[-1][1].version,))
