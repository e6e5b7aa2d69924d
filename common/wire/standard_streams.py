"""stdin and stdout, claimed before anything heavy is imported: libraries print, and their child processes read."""

from __future__ import annotations

import os
import sys
from typing import NamedTuple

CLOSED = -1  # instead of a descriptor; reading it fails with EBADF


class StdoutFailed(Exception):
    """stdout cannot be written: closed, or the disk is full."""


class Standard(NamedTuple):
    """The descriptors of what the process was given as stdin and stdout; stdin is ``CLOSED`` where it was closed."""

    stdin: int
    stdout: int


def claim() -> Standard:
    """Keep the real stdin and stdout, and point descriptor 0 at the null device and 1 at stderr, for Python and C code
    alike: what a library prints goes to the log, and its children (ffmpeg) do not eat what is meant for us.

    A descriptor 0-2 that is closed is opened on the null device first: else the next file or socket would get its
    number, and what a library prints would go there. Raises StdoutFailed if stdout is closed.
    """
    closed = [descriptor for descriptor in (0, 1, 2) if not _is_open(descriptor)]
    for _ in closed:
        os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    if sys.stderr is None:
        sys.stderr = open(2, "w", encoding="utf-8", errors="backslashreplace", closefd=False)  # noqa: SIM115
    if 1 in closed:
        raise StdoutFailed("it is closed")
    standard = Standard(CLOSED if 0 in closed else os.dup(0), os.dup(1))
    null = os.open(os.devnull, os.O_RDONLY)
    os.dup2(null, 0)
    os.close(null)
    if sys.stdout is not None:
        sys.stdout.flush()
    os.dup2(2, 1)
    sys.stdout = sys.stderr
    if sys.platform == "win32":
        import msvcrt

        for descriptor in standard:
            if descriptor != CLOSED:
                msvcrt.setmode(descriptor, os.O_BINARY)
    return standard


def _is_open(descriptor: int) -> bool:
    try:
        os.fstat(descriptor)
    except OSError:
        return False
    return True
