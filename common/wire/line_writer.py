"""stdout, written one whole line at a time by a thread of its own."""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import stat
import sys
import threading
import time
from collections import deque
from typing import Callable, ContextManager

from common.errors import describe
from common.wire.events import Event, Partial, Status
from common.wire.lines import to_line
from common.wire.standard_streams import StdoutFailed

log = logging.getLogger(__name__)

IDLE_POLL_SEC = 0.4  # how often an idle writer looks whether its reader is still there
ROOM_POLL_SEC = 0.01  # how often a full pipe is tried again where the system cannot tell that it has room


class ReaderGone(Exception):
    """Nobody reads stdout any more."""


class Clock:
    """Unix time in ms that never falls and never stands still: the monotonic clock plus an offset that only
    grows, so that a wall clock set back changes nothing and one set forward is followed."""

    def __init__(self, wall: Callable[[], float] = time.time, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._wall = wall
        self._monotonic = monotonic
        self._offset = wall() - monotonic()

    def now_ms(self) -> int:
        now = self._monotonic()
        self._offset = max(self._offset, self._wall() - now)
        return int((now + self._offset) * 1000)


class Output:
    """Writes lines to the stdout that the process was given; everything else that prints goes to stderr.

    A thread does the writing, so that a slow reader stops nothing. A new partial replaces one of the same utterance
    that still waits to be written; finals, errors and text are all kept, in order. When the reader is gone or stdout
    cannot be written, that thread calls ``on_failure`` once, even if nothing waits to be written; the next ``write``
    or ``close`` then raises ReaderGone or StdoutFailed. ``extended`` adds the keys of ``--extended``; status events
    are written if it or ``tells_status`` is set. Each line is written inside ``around_line()``.
    """

    def __init__(self, descriptor: int, clock: Clock | None = None) -> None:
        self.on_failure: Callable[[], None] = lambda: None
        self.extended = False
        self.tells_status = False
        self.around_line: Callable[[], ContextManager[None]] = contextlib.nullcontext
        self._descriptor = descriptor
        self._clock = clock or Clock()
        self._sink = _sink(descriptor)
        self._pending: deque[tuple[Event | str, float | None]] = deque()
        self._lines = 0
        self._changed = threading.Condition()
        self._idle = True
        self._closed = False
        self._shown = ("", "")  # trace_id and text of the partial written last
        self._failure: Exception | None = None
        threading.Thread(target=self._run, name="writer", daemon=True).start()

    def write(self, event: Event, arrived: float | None = None) -> None:
        """Hand over one event. Never waits. Raises ReaderGone or StdoutFailed once writing has failed.

        ``arrived``: when the newest audio that the event needed arrived, by the monotonic clock.
        """
        with self._changed:
            self.check()
            if isinstance(event, Status) and not (self.tells_status or self.extended):
                return
            if isinstance(event, Partial):
                self._drop_older_partial(event.trace_id)
            self._pending.append((event, arrived))
            self._changed.notify_all()

    def write_text(self, text: str) -> None:
        """Hand over plain text instead of an event: what ``--help`` and the like print."""
        with self._changed:
            self.check()
            self._pending.append((text, None))
            self._changed.notify_all()

    def check(self) -> None:
        """Raises ReaderGone or StdoutFailed if writing has failed."""
        if self._failure is not None:
            raise self._failure

    def close(self, timeout: float | None = None) -> None:
        """Wait until everything is written, ``timeout`` seconds at most. Only the first call does anything.

        Raises ReaderGone or StdoutFailed.
        """
        with self._changed:
            if not self._closed:
                self._closed = True
                self._changed.wait_for(lambda: self._failure or (self._idle and not self._pending), timeout)
                self.check()

    def _drop_older_partial(self, trace_id: str) -> None:
        for index, (waiting, _) in enumerate(self._pending):
            if isinstance(waiting, Partial) and waiting.trace_id == trace_id:
                del self._pending[index]
                return

    def _line(self, event: Event, arrived: float | None) -> str:
        now = self._clock.now_ms()
        if not self.extended:
            return to_line(event, now)
        self._lines += 1
        latency = 0 if arrived is None else max(0, round((time.monotonic() - arrived) * 1000))
        return to_line(event, now, self._lines, latency)

    def _is_news(self, event: Event) -> bool:
        """Whether to write it: not a partial that repeats the one written last, as it may if one between them was
        dropped."""
        if isinstance(event, Partial):
            before, self._shown = self._shown, (event.trace_id, event.text)
            return before != self._shown
        return True

    def _run(self) -> None:
        failure: Exception
        try:
            while True:
                line = self._next_line()
                with self.around_line():
                    self._write_line(line)
        except (ReaderGone, StdoutFailed) as error:
            failure = error
        except Exception as error:  # anything at all: if the writer ended without a word, the process would hang
            log.debug("the writer has failed", exc_info=True)
            failure = StdoutFailed(describe(error))
        with self._changed:
            self._failure = failure
            self._changed.notify_all()
        self.on_failure()

    def _next_line(self) -> str:
        """The next line with its time. Waits for one, and meanwhile checks that the reader is still there."""
        while True:
            with self._changed:
                self._idle = True
                self._changed.notify_all()
                self._changed.wait_for(lambda: bool(self._pending), IDLE_POLL_SEC)
                if self._pending:
                    self._idle = False
                    event, arrived = self._pending.popleft()
                    if isinstance(event, str):
                        return event
                    if self._is_news(event):
                        return self._line(event, arrived)
                    continue
            if _reader_is_gone(self._descriptor):
                raise ReaderGone()

    def _write_line(self, line: str) -> None:
        rest = memoryview(line.encode("utf-8", errors="replace"))
        while rest:
            try:
                rest = rest[self._sink(rest) :]
            except BlockingIOError:  # the parent made its end of the pipe non-blocking
                _wait_for_room(self._descriptor)
            except OSError as error:
                if _means_gone(error, self._descriptor):
                    raise ReaderGone() from None
                raise StdoutFailed(str(error)) from error


def _sink(descriptor: int) -> Callable[[memoryview], int]:
    """A function that writes bytes and returns how many. A Windows console reads bytes by its code page, not as
    UTF-8; Python's own file object gives it characters."""
    if sys.platform == "win32" and os.isatty(descriptor):
        console = open(descriptor, "wb", buffering=0, closefd=False)  # noqa: SIM115 - open as long as the process
        return lambda data: console.write(data) or 0
    return lambda data: os.write(descriptor, data)


def _wait_for_room(descriptor: int) -> None:
    if not hasattr(select, "poll"):
        time.sleep(ROOM_POLL_SEC)
        return
    poll = select.poll()  # select fails for a descriptor above 1023
    poll.register(descriptor, select.POLLOUT)
    poll.poll()


def _means_gone(error: OSError, descriptor: int) -> bool:
    """Whether a failed write means that the reader is gone: EINVAL for a pipe on Windows, EIO for a terminal that
    was closed."""
    if isinstance(error, (BrokenPipeError, ConnectionResetError)):
        return True
    if error.errno == errno.EINVAL:
        return sys.platform == "win32"
    return error.errno == errno.EIO and stat.S_ISCHR(os.fstat(descriptor).st_mode)


def _reader_is_gone(descriptor: int) -> bool:
    """Whether the other end of a pipe, a socket or a terminal is closed. Windows has no way to ask; there
    only a failed write tells."""
    if not hasattr(select, "poll"):
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(state & (select.POLLERR | select.POLLHUP) for _, state in poll.poll(0))
