"""stdin as a descriptor: what it must not be where sound comes from it, and how it is read."""

from __future__ import annotations

import contextlib
import os
import select
import stat

from common.errors import FatalError, describe


def require_sound(descriptor: int, advice: str, takes_terminal: bool) -> None:
    """Raises FatalError ``audio_input_failed`` if ``descriptor`` is closed, the null device (which is what a closed
    one becomes when a process begins), or a terminal and ``takes_terminal`` is not set."""
    try:
        status = os.fstat(descriptor)
    except OSError as error:
        raise FatalError("audio_input_failed", describe(error, advice)) from error
    if stat.S_ISCHR(status.st_mode):
        if _is_null_device(status):
            what = OSError("stdin is closed or the null device: nothing can be heard")
            raise FatalError("audio_input_failed", describe(what, advice))
        if os.isatty(descriptor) and not takes_terminal:
            raise FatalError("audio_input_failed", describe(OSError("stdin is a terminal"), advice))


def read_some(descriptor: int, most: int) -> bytes:
    """What is there, as soon as anything is; empty at the end. Raises OSError.

    A parent that made its end of the pipe non-blocking has made ours so, too.
    """
    while True:
        try:
            return os.read(descriptor, most)
        except BlockingIOError:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            poll.poll()


def _is_null_device(status: os.stat_result) -> bool:
    with contextlib.suppress(OSError):  # on Windows it has no place in a folder
        return os.path.samestat(status, os.stat(os.devnull))
    return False
