"""Gives memory back to the kernel that is needed while a model is loaded and not after that."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import sys
import threading
from pathlib import Path
from typing import Iterator

EVERY = 0.02  # seconds: a library reads a few MB meanwhile


@contextlib.contextmanager
def read_once(path: Path) -> Iterator[None]:
    """While ``with`` lasts, pages of ``path`` that this process has mapped and read are dropped from its memory again.

    They stay mapped: a page that is read once more comes from the kernel's file cache, which all processes share.
    They must not be written to. Does nothing except on Linux."""
    if not sys.platform.startswith("linux"):
        yield
        return
    over = threading.Event()

    def watch() -> None:
        while not over.wait(EVERY):
            _drop_pages(path)

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
    _drop_pages(path)


def _drop_pages(path: Path) -> None:
    with contextlib.suppress(OSError, AttributeError):  # no /proc, or no such function: the pages stay
        name = str(path.resolve()).encode()
        for line in Path("/proc/self/maps").read_bytes().splitlines():
            fields = line.split(None, 5)  # address range, mode, offset, device, inode, name
            if fields[5:] == [name]:
                first, last = (int(address, 16) for address in fields[0].split(b"-"))
                size = ctypes.c_size_t(last - first)
                ctypes.CDLL(None).madvise(ctypes.c_void_p(first), size, mmap.MADV_DONTNEED)


def give_back_what_is_free() -> None:
    """Return what malloc keeps of freed memory to the kernel; loading a model needs more than running it."""
    with contextlib.suppress(OSError, AttributeError, TypeError):  # only glibc has it
        ctypes.CDLL(None).malloc_trim(0)
