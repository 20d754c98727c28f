"""What runs here: each `meshsim up` leaves a record, so that the other verbs find its API and nobody else's.

A record is a small file under $XDG_STATE_HOME/meshsim that its owner keeps locked; the system lets go of the
lock however the owner ends, so a record that can be locked is a stale one.
"""

import fcntl
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final
from urllib.parse import urlsplit

import msgspec

from meshsim.cli.topology import Topology
from meshsim.kit.errors import StartError
from meshsim.kit.state import state_dir

_OWNER_ONLY: Final = 0o600
_OBJECTS: Final = ".objects"


@dataclass(frozen=True, slots=True)
class Running:
    """One running `meshsim up`: where its API and its proxy are, as URLs."""

    pid: int
    api: str
    traffic: str
    kubeconfig: str
    clock: str
    """The clock that its objects are stamped with, as ClockEpoch writes it."""
    data_dir: str = ""

    def __str__(self) -> str:
        place = f", data in {self.data_dir}" if self.data_dir else ""
        return f"{self.api} (pid {self.pid}{place})"


def running(state: Path | None = None) -> list[Running]:
    """Every `meshsim up` of this user that runs now; records of dead ones are removed."""
    found = []
    for path in sorted((state or state_dir()).glob("*.json")):
        with suppress(OSError, msgspec.MsgspecError), path.open("rb") as record:
            if _lock(record, shared=True):
                path.unlink()
                shutil.rmtree(path.with_suffix(_OBJECTS), ignore_errors=True)
            else:
                found.append(msgspec.json.decode(record.read(), type=Running))
    return found


def ports_of_meshes(meshes: Iterable[Running]) -> dict[int, str]:
    """Which mesh has a port, and how to reach it: a sentence's object, by each port that is known."""
    found: dict[int, str] = {}
    for mesh in meshes:
        which = f"the mesh that runs already (pid {mesh.pid}), which `meshsim get rollouts` and the other verbs reach"
        found |= {urlsplit(url).port or 0: which for url in (mesh.api, mesh.traffic)}
    return found


@contextmanager
def recorded(topology: Topology, state: Path | None = None) -> Iterator[Running]:
    """Leave a record of the mesh that this process runs, until the block ends. Its owner alone may read it.

    Raises StartError.
    """
    with ExitStack() as stack:
        try:
            state = state or state_dir()
            state.mkdir(mode=0o700, parents=True, exist_ok=True)
            mine = Running(
                pid=os.getpid(),
                api=topology.url("api"),
                traffic=topology.url("traffic"),
                kubeconfig=str(topology.kubeconfig),
                clock=topology.clock,
                data_dir=str(topology.directory.absolute()) if topology.is_kept else "",
            )
            _write(state / f"{mine.pid}.json", msgspec.json.encode(mine), stack)
        except OSError as error:
            raise StartError(f"cannot keep the record of this run: {error}") from None
        yield mine


def _write(path: Path, content: bytes, stack: ExitStack) -> None:
    """Put a locked file there at once and whole; it goes when the stack closes."""
    new = path.with_name(f".{path.name}.{os.getpid()}")
    file = stack.enter_context(os.fdopen(os.open(new, os.O_RDWR | os.O_CREAT | os.O_TRUNC, _OWNER_ONLY), "wb"))
    _lock(file)
    file.write(content)
    file.flush()
    new.replace(path)
    stack.callback(path.unlink, missing_ok=True)


@contextmanager
def owned_data_dir(path: Path) -> Iterator[Path]:
    """Make the data directory and keep it to this process; it is returned.

    Raises StartError when another one uses it.
    """
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (path / "lock").open("ab")
    except OSError as error:
        raise StartError(f"--data-dir {path}: {error.strerror}") from None
    with lock:
        if not _lock(lock):
            raise StartError(f"--data-dir {path}: in use by another `meshsim up`")
        yield path


@contextmanager
def passing_data_dir(state: Path | None = None) -> Iterator[Path]:
    """Where the API of this process's mesh keeps its objects until the block ends: one that dies goes on with them.

    Raises StartError.
    """
    path = (state or state_dir()) / f"{os.getpid()}{_OBJECTS}"
    try:
        shutil.rmtree(path, ignore_errors=True)  # of a dead process that had the same number
        path.mkdir(mode=0o700, parents=True)
    except OSError as error:
        raise StartError(f"cannot keep objects in {path}: {error.strerror}") from None
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _lock(file: IO[bytes], *, shared: bool = False) -> bool:
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
