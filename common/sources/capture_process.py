"""The process that hears a microphone (capture.py), as its parent sees it."""

from __future__ import annotations

import contextlib
import logging
import os
import queue
import subprocess
import sys
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Optional, Protocol, Tuple

from common.errors import one_line
from common.sources.capture import CLOSE_SEC, HEADER

log = logging.getLogger(__name__)

ROOT = Path(__file__).resolve().parent.parent.parent
PRINTED_BYTES, MUCH_PRINTED = 1 << 16, 1 << 12  # of what PortAudio prints: at most, at once
PRINTED_PAUSE_SEC = 0.05  # after much of it: a thread that spins prints 100 MB a second, unless it has to wait
MOST_LINES = 100  # that are told apart
GRACE_SEC = 0.25  # whoever held up the thread that waits (an import does) held up the one that reads, too
KILLED_SEC = 1.0  # for the system to end a process
Packet = Optional[Tuple[bytes, bytes]]


class Capturing(Protocol):
    """What hears a device: it is found at once, and opened when asked. ``packets`` gives (kind, content), and None at
    the end."""

    packets: queue.SimpleQueue[Packet]

    def open(self) -> None:
        """Open the device."""

    def close(self) -> None:
        """Close it and end, whatever hangs."""


class CaptureProcess:
    """Capturing, in a process of its own. Raises OSError if it cannot be started.

    What PortAudio prints goes into the log: a line once, if it is not in ``told`` yet, and how often at the end.
    """

    def __init__(self, wanted: str | None, channel: int, told: set[bytes]) -> None:
        command = [sys.executable, "-m", "common.sources.capture", str(channel), *([] if wanted is None else [wanted])]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=str(ROOT),
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            start_new_session=True,  # Ctrl-C is for its parent alone
        )
        self._is_open = False
        self._told = told
        self.packets: queue.SimpleQueue[Packet] = queue.SimpleQueue()
        for read in (self._read_packets, self._read_what_is_printed):
            threading.Thread(target=read, name="microphone pipe", daemon=True).start()

    def open(self) -> None:
        """Open the device."""
        self._is_open = True
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):  # it has ended; ``packets`` says so
            self._process.stdin.write(b"\n")
            self._process.stdin.flush()

    def close(self) -> None:
        """The device is closed when this returns, and the process has ended."""
        assert self._process.stdin is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        try:
            self._process.wait(CLOSE_SEC)
        except subprocess.TimeoutExpired:
            self._process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(KILLED_SEC)

    def _read_packets(self) -> None:
        assert self._process.stdout is not None
        with self._process.stdout as stdout, contextlib.suppress(OSError):
            while True:
                header = stdout.read(HEADER.size)
                if len(header) < HEADER.size:
                    break
                kind, size = HEADER.unpack(header)
                content = stdout.read(size)
                if len(content) < size:
                    break
                self.packets.put((kind, content))
        self.packets.put(None)

    def _read_what_is_printed(self) -> None:
        assert self._process.stderr is not None
        counts: Counter[bytes] = Counter()
        rest = b""
        with self._process.stderr as stderr, contextlib.suppress(OSError):
            while True:
                data = os.read(stderr.fileno(), PRINTED_BYTES)
                *lines, rest = (rest[-PRINTED_BYTES:] + data).split(b"\n")
                for line in lines:
                    self._count(line, counts)
                if not data:
                    break
                if len(data) >= MUCH_PRINTED:
                    time.sleep(PRINTED_PAUSE_SEC)
        for line, count in counts.items():
            if count > 1:
                self._log(line, f": {count} times", is_news=count > MOST_LINES)

    def _count(self, line: bytes, counts: Counter[bytes]) -> None:
        line = line.strip()
        if line and (line in counts or len(counts) < MOST_LINES):
            counts[line] += 1
            if counts[line] == 1:
                self._log(line, "", is_news=self._is_open and line not in self._told)

    def _log(self, line: bytes, how_often: str, is_news: bool) -> None:
        """What is printed while devices are looked for is not news: there are always some that are not there."""
        if is_news and len(self._told) < MOST_LINES:
            self._told.add(line)
        text = one_line(line.decode("utf-8", errors="replace"))
        log.log(logging.WARNING if is_news else logging.DEBUG, "PortAudio: %s%s", text, how_often)


def next_packet(packets: queue.SimpleQueue[Packet], patience: float, otherwise: str) -> tuple[bytes, bytes]:
    """What comes next. Raises TimeoutError(``otherwise``) after ``patience`` seconds, ConnectionError at the end."""
    for seconds in (patience, GRACE_SEC):
        with contextlib.suppress(queue.Empty):
            packet = packets.get(timeout=seconds)
            if packet is None:
                raise ConnectionError("the microphone has gone")
            return packet
    raise TimeoutError(otherwise)
