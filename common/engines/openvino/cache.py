"""Compiled engines kept between starts: in the user's cache folder, each under a key of all that it depends on."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any, Callable

log = logging.getLogger(__name__)

ENTRY = "entry.json"


def key_of(parts: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:32]


def hash_of(path: Path, root: Path) -> str:
    """SHA-256 of a file. A large one takes a second: it is remembered with the file's size and time of change."""
    state = path.stat()
    known = root / "hashes" / key_of({"path": path.resolve(), "size": state.st_size, "changed": state.st_mtime_ns})
    with contextlib.suppress(OSError):
        remembered = known.read_text(encoding="ascii")
        if len(remembered) == 64:
            return remembered
    digest = hashlib.sha256()
    with path.open("rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    write_atomically(known, digest.hexdigest())
    return digest.hexdigest()


def write_atomically(path: Path, text: str) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(temporary, path)


def entry_of(folder: Path) -> dict[str, Any] | None:
    """What entry.json says, or None if the folder is not complete: a file is missing or has another size."""
    try:
        entry: dict[str, Any] = json.loads((folder / ENTRY).read_text(encoding="utf-8"))
        whole = all((folder / name).stat().st_size == size for name, size in entry["files"].items())
    except (OSError, ValueError, KeyError, AttributeError):
        return None
    return entry if whole else None


def made(root: Path, key: str, make: Callable[[Path], dict[str, Any]]) -> Path:
    """The entry's folder, made by ``make`` in a folder of its own first and then moved: a process that dies leaves
    nothing half made behind, and of two that make the same one the later keeps what the earlier made."""
    folder = root / key
    if entry_of(folder) is not None:
        return folder
    drop(folder)
    with tempfile.TemporaryDirectory(dir=root, prefix=".building-") as temporary:
        building = Path(temporary) / "entry"
        building.mkdir(mode=0o700)
        entry = make(building)
        entry["files"] = {path.name: path.stat().st_size for path in building.iterdir()}
        write_atomically(building / ENTRY, json.dumps(entry))
        with contextlib.suppress(OSError):  # another process was faster
            os.rename(building, folder)
    return folder


def drop(folder: Path) -> None:
    """Remove an entry that is damaged."""
    if folder.exists():
        log.warning("%s is damaged and is made again", folder)
        shutil.rmtree(folder, ignore_errors=True)
