"""A terminal without a window: a real process in a pseudo-terminal, and what somebody in front of it would see."""

from __future__ import annotations

import codecs
import contextlib
import fcntl
import os
import pty
import struct
import subprocess
import sys
import termios
import threading
import time
from typing import Callable, Iterator

import pyte
from wcwidth import wcswidth

from tests.audio import ROOT
from tests.process.spawned import environment

VIEW = [sys.executable, str(ROOT / "clients" / "view.py")]
# Makes the pseudo-terminal the one that sends Ctrl-C and that /dev/tty is.
TAKE_TERMINAL = (
    "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execvp(sys.argv[1], sys.argv[1:])"
)
SPACIOUS = 2000  # columns of a terminal that shows how wide a line is that the process took for fitting


class Measuring(pyte.HistoryScreen):
    """Keeps all lines, and how many cells the widest took."""

    def __init__(self, columns: int, lines: int) -> None:
        super().__init__(columns, lines, history=100_000)
        self.widest = 0

    def draw(self, data: str) -> None:
        super().draw(data)
        self.widest = max(self.widest, self.cursor.x)

    def rows(self) -> list[str]:
        """Every line that was not cleared, also those that have left the window."""
        lines = [*self.history.top, *(self.buffer[line] for line in range(self.lines))]
        return ["".join(line[column].data for column in range(max(line, default=-1) + 1)).rstrip() for line in lines]


class Terminal:
    """The process, its window and its keys.

    columns: what the process is told. spacious: the window is in truth far wider, so that a line that is longer than
    it should be is seen as one and not folded.
    """

    def __init__(self, command: list[str], columns: int, spacious: bool, **changes: str) -> None:
        self.screen = Measuring(SPACIOUS if spacious else columns, 24)
        self.raw = b""
        self._lock = threading.Lock()
        self._master, self.slave = pty.openpty()
        self._tell_size(columns)
        self.before = termios.tcgetattr(self.slave)
        self.process = subprocess.Popen(
            [sys.executable, "-c", TAKE_TERMINAL, *command],
            stdin=self.slave,
            stdout=self.slave,
            stderr=self.slave,
            cwd=ROOT,
            env=environment(**{"TERM": "xterm-256color", **changes}),
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        stream = pyte.Stream(self.screen)
        decoder = codecs.getincrementaldecoder("utf-8")()
        with contextlib.suppress(OSError):  # the last process has closed it
            while data := os.read(self._master, 65536):
                with self._lock:
                    self.raw += data
                    stream.feed(decoder.decode(data))

    def _tell_size(self, columns: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))

    def resize(self, columns: int) -> None:
        with self._lock:
            self._tell_size(columns)
            self.screen.resize(24, columns)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def rows(self) -> list[str]:
        """The lines, the oldest first, without empty ones."""
        with self._lock:
            return [row for row in self.screen.rows() if row]

    def text(self) -> str:
        return "\n".join(self.rows())

    def wait_for(self, seen: str | Callable[[str], object], timeout: float = 90) -> None:
        """Until ``seen`` is somewhere among the lines, or true of them."""
        deadline = time.monotonic() + timeout
        while not (seen in self.text() if isinstance(seen, str) else seen(self.text())):
            assert time.monotonic() < deadline, f"no {seen!r} in {timeout} s:\n{self.text()}"
            assert self.process.poll() is None, f"it ended:\n{self.text()}"
            time.sleep(0.02)

    def widest(self) -> int:
        """Cells of the widest line, counted by a terminal that joins nothing and by one that joins emoji."""
        with self._lock:
            return max(self.screen.widest, *(wcswidth(row) for row in self.screen.rows()))

    def end(self, timeout: float = 30) -> int:
        """Wait for the process and all that it wrote; its exit status."""
        status = self.process.wait(timeout)
        os.close(self.slave)
        self._reader.join(timeout)
        return status

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        with contextlib.suppress(OSError):
            os.close(self.slave)
        self._reader.join(10)
        os.close(self._master)


@contextlib.contextmanager
def terminal(command: list[str], columns: int = 80, spacious: bool = False, **changes: str) -> Iterator[Terminal]:
    window = Terminal(command, columns, spacious, **changes)
    try:
        yield window
    finally:
        window.close()
