"""This program's folder in the user's cache, one that others have filled, and folders that are not finished yet."""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from pathlib import Path
from typing import Iterator

SHARED = "FUNASR_STREAMING_SHARED_CACHE"  # a folder that another user or machine prepared; it is only read

_unfinished: set[Path] = set()  # folders that this process is filling


def cache_path() -> Path:
    """Where the user's cache folder for this program is, whether it is there or not.

    Raises RuntimeError where the user has no home.
    """
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA") or str(Path.home() / "AppData" / "Local")
    elif sys.platform == "darwin":
        base = str(Path.home() / "Library" / "Caches")
    else:
        base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base) / "funasr-streaming"


def cache_root() -> Path:
    """The user's cache folder for this program, made for the user alone.

    Raises OSError, or RuntimeError for a user without a home, where there can be none.
    """
    root = cache_path()
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    return root


def shared_root() -> Path | None:
    """The cache folder that others have filled, or None if the environment does not name one."""
    named = os.environ.get(SHARED)
    return Path(named) if named else None


@contextlib.contextmanager
def unfinished(folder: Path) -> Iterator[None]:
    """``folder`` is filled while ``with`` lasts; what is still there after it is removed."""
    _unfinished.add(folder)
    try:
        yield
    finally:
        _unfinished.discard(folder)
        shutil.rmtree(folder, ignore_errors=True)


def remove_unfinished() -> None:
    """Remove the folders that this process will not finish. For an end by ``os._exit``, from any thread."""
    for folder in list(_unfinished):
        gone = folder.with_name(folder.name + "-gone")  # so that the thread that fills it finds it no more
        with contextlib.suppress(OSError):
            os.rename(folder, gone)
            shutil.rmtree(gone, ignore_errors=True)
