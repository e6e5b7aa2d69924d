"""A lock on an open file, between processes. The system releases it when its holder dies."""

from __future__ import annotations

import contextlib
import sys

if sys.platform == "win32":
    import msvcrt

    def taken(handle: int) -> bool:
        """Whether the lock is ours now; another process may have it."""
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def released(handle: int) -> None:
        with contextlib.suppress(OSError):
            msvcrt.locking(handle, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def taken(handle: int) -> bool:
        """Whether the lock is ours now; another process may have it. A file system without locks counts as ours."""
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            return True
        return True

    def released(handle: int) -> None:
        with contextlib.suppress(OSError):
            fcntl.flock(handle, fcntl.LOCK_UN)
