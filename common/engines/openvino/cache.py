"""What is prepared once and kept between starts: in the user's cache folder, each entry under a key of all that it
depends on. A cache that cannot be made, written or filled is a warning, and nothing is kept."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any, Callable, Iterator

from common.engines.cache_folder import cache_root, shared_root, unfinished
from common.engines.openvino.lock import released, taken
from common.errors import describe

log = logging.getLogger(__name__)

ENTRY = "entry.json"
BUILDING = ".building-"  # begins the name of a folder in which an entry is made
LARGEST = 1 << 30  # bytes of all entries; those that were used last stay
LOOK_EVERY_SEC = 0.2
OLD_SEC = 3600.0  # a small file that nobody renamed in this time is nobody's


def key_of(parts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def entry_of(folder: Path) -> dict[str, Any] | None:
    """What entry.json says, or None if the folder is not complete: a file is missing or has another size."""
    try:
        entry: dict[str, Any] = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in entry["files"].items())
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return entry if whole else None


class Cache:
    """``own``: the folder that is written to, None if there is none; ``shared``: one that is only read."""

    def __init__(self, own: Path | None, shared: Path | None) -> None:
        self.own = own
        self.shared = shared

    @classmethod
    def of_the_user(cls) -> Cache:
        cache = cls(None, shared_root())
        try:
            cache.own = cache_root()
            if not os.access(str(cache.own), os.W_OK):
                raise PermissionError(f"{cache.own} cannot be written to")
        except (OSError, RuntimeError) as error:  # RuntimeError: nobody's home
            cache.give_up(error)
        if cache.own is not None and any(cache.own.glob(BUILDING + "*")):
            with cache.alone(wait=None) as is_alone:
                log.debug("killed preparations: %s", "swept" if is_alone else "another process is preparing")
        return cache

    def give_up(self, error: BaseException) -> None:
        what = "nothing can be kept, so every start prepares the engine anew"
        log.warning("%s: %s; XDG_CACHE_HOME names a folder for it", what, describe(error))
        self.own = None

    def find(self, key: str) -> Path | None:
        """The complete entry. It counts as used now."""
        for root in (self.own, self.shared):
            folder = None if root is None else root / key
            if folder is not None and entry_of(folder) is not None:
                with contextlib.suppress(OSError):
                    os.utime(folder)
                return folder
        return None

    def made(self, key: str, make: Callable[[Path], dict[str, Any]]) -> Path | None:
        """The entry's folder, made by ``make`` if need be: in a folder of its own first and then moved, so that a
        process that dies leaves nothing half made. None if it cannot be kept."""
        folder = self.find(key)
        if folder is not None or self.own is None:
            return folder
        folder = self.own / key
        try:
            shutil.rmtree(folder, ignore_errors=True)
            building = Path(tempfile.mkdtemp(dir=self.own, prefix=BUILDING))
            with unfinished(building):
                entry = make(building)
                entry["files"] = {path.name: path.stat().st_size for path in building.iterdir()}
                write_atomically(building / ENTRY, json.dumps(entry))
                os.rename(building, folder)
        except OSError as error:  # read-only, full, somebody else's; on Windows an old one that is in use
            if self.find(key) is None:
                self.give_up(error)
                return None
        self._evict()
        return folder

    def drop(self, key: str) -> None:
        """Remove an entry that is damaged; one in the shared folder is not looked at any more."""
        if self.shared is not None and (self.shared / key).is_dir():
            log.warning("%s is damaged and is not used", self.shared)
            self.shared = None
        if self.own is not None and (self.own / key).exists():
            log.warning("%s is damaged and is made again", self.own / key)
            shutil.rmtree(self.own / key, ignore_errors=True)

    @contextlib.contextmanager
    def alone(self, wait: Callable[[], None] | None) -> Iterator[bool]:
        """While ``with`` lasts no other process makes entries: it waits for one that does and calls ``wait`` once
        before, or does not wait if that is None; whether it is alone. A process that dies is waited for no more.
        What killed processes have left is swept."""
        if self.own is None:
            yield True
            return
        try:
            handle = os.open(str(self.own / "lock"), os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            log.debug("no lock: %s", error)
            yield True
            return
        is_alone = False
        try:
            is_alone = taken(handle)
            if not is_alone and wait is not None:
                wait()
                while not is_alone:
                    time.sleep(LOOK_EVERY_SEC)
                    is_alone = taken(handle)
            if is_alone:
                self._sweep()
            yield is_alone
        finally:
            if is_alone:
                released(handle)
            os.close(handle)

    def hash_of(self, path: Path) -> str:
        """SHA-256 of a file. A large one takes a second: it is remembered with what changes when the file does."""
        state = path.stat()
        known = {"path": path.resolve(), "size": state.st_size, "inode": state.st_ino}
        known.update(changed=state.st_mtime_ns, replaced=state.st_ctime_ns)
        note = None if self.own is None else self.own / "hashes" / key_of(known)
        with contextlib.suppress(OSError, UnicodeDecodeError):
            remembered = "" if note is None else note.read_text(encoding="ascii")
            if len(remembered) == 64:
                return remembered
        digest = hashlib.sha256()
        with path.open("rb") as file:
            for block in iter(lambda: file.read(1 << 20), b""):
                digest.update(block)
        with contextlib.suppress(OSError):
            if note is not None:
                write_atomically(note, digest.hexdigest())
        return digest.hexdigest()

    def _sweep(self) -> None:
        assert self.own is not None
        for folder in self.own.glob(BUILDING + "*"):
            shutil.rmtree(folder, ignore_errors=True)
        for path in (self.own / "hashes").glob(".new-*"):
            with contextlib.suppress(OSError):
                if time.time() - path.stat().st_mtime > OLD_SEC:
                    path.unlink()

    def _evict(self) -> None:
        """Those that were used longest ago go until the rest is small enough. One that is in use stays readable to
        whoever has it open; where it cannot be removed it is tried again next time."""
        kept = 0
        for used, folder, size in sorted(self.entries(), reverse=True):
            kept += size
            if kept > LARGEST and time.time() - used > OLD_SEC:
                log.info("removed %s from the cache: not used for the longest time", folder)
                shutil.rmtree(folder, ignore_errors=True)

    def entries(self) -> list[tuple[float, Path, int]]:
        """When each was used last (seconds since 1970), where it is, and its size in bytes."""
        found = []
        for path in [] if self.own is None else self.own.iterdir():
            with contextlib.suppress(OSError):
                if (path / ENTRY).is_file():
                    size = sum(file.stat().st_size for file in path.iterdir())
                    found.append((path.stat().st_mtime, path, size))
        return found


def write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(temporary, path)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(temporary)
        raise
