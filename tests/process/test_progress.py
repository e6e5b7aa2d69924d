"""The progress bar over a long file: on a terminal it is always there, and nothing waits for it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import termios
import threading
import time
import unicodedata
from typing import Any, Iterator

import pytest

from tests.audio import DEMO_SPEECH
from tests.process.spawned import Ended, Running, command, environment, running_process

LONG = str(DEMO_SPEECH / "long.flac")
COLUMNS = 100
BAR = re.compile(r" *\d+%\|[^\r\n]*s of audio")


class Terminal:
    """A terminal whose other end a thread reads, until it is told not to."""

    def __init__(self) -> None:
        self.shown = b""
        self._master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, COLUMNS, 0, 0))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        with contextlib.suppress(OSError):  # Linux: the other end of the terminal is closed
            while True:
                self.shown += os.read(self._master, 65536)

    def wait_for_a_bar(self) -> None:
        deadline = time.monotonic() + 90
        while not BAR.search(self.shown.decode("utf-8", errors="replace")):
            assert time.monotonic() < deadline, self.shown
            time.sleep(0.01)

    def stop_output(self) -> None:
        """As Ctrl-S does: whatever writes to it now waits."""
        termios.tcflow(self.slave, termios.TCOOFF)

    def everything(self) -> str:
        """All that it was sent, once nobody writes to it any more."""
        os.close(self.slave)
        self.slave = -1
        self._reader.join(10)
        return self.shown.decode("utf-8")

    def close(self) -> None:
        if self.slave >= 0:
            os.close(self.slave)
        self._reader.join(10)
        os.close(self._master)


@contextlib.contextmanager
def hearing(terminal: Terminal, *arguments: str, stdout: Any = subprocess.PIPE) -> Iterator[Running]:
    process = subprocess.Popen(
        command("asr_service", "--demo", "--input", LONG, *arguments),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=terminal.slave,
        env=environment(PYTHONIOENCODING="utf-8"),
    )
    with running_process(process, append_only=True) as running:
        yield running


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    made = Terminal()
    yield made
    made.close()


def screen(shown: str) -> list[str]:
    """The rows of a terminal that was sent ``shown``.

    It knows what is needed here: carriage return, newline, one row up, erasing to the end of the screen, long lines
    that go on in the next row, and that a Chinese character takes two columns, of which the second stays empty.
    """
    rows: list[list[str]] = [[]]
    row = column = 0
    for part in re.findall(r"\x1b\[[0-9;]*[A-Za-z]|.", shown, flags=re.DOTALL):
        width = 2 if unicodedata.east_asian_width(part[0]) in "WF" else 1
        if part == "\x1b[A":
            row -= 1
        elif part == "\x1b[J":
            rows[row:] = [rows[row][:column]]
        elif part == "\r":
            column = 0
        elif part == "\n" or column + width > COLUMNS:
            row, column = row + 1, 0 if part != "\n" else column
        if row == len(rows):
            rows.append([])
        if part.isprintable():
            rows[row] += [" "] * (column + width - len(rows[row]))
            rows[row][column : column + width] = [part, ""][:width]
            column += width
    return ["".join(each) for each in rows]


def test_the_bar_stands_below_every_event_whenever_one_looks(terminal: Terminal) -> None:
    """stdout and stderr are one terminal, as in a shell."""
    with hearing(terminal, stdout=terminal.slave) as running:
        terminal.wait_for_a_bar()
        assert running.process.wait(90) == 0
    shown = terminal.everything()
    bars = list(BAR.finditer(shown))
    heard = shown[bars[0].start() : bars[-1].end()]
    lines = re.findall(r"(?:\}|INFO \w+)\r\n(.{0,200})", heard, flags=re.DOTALL)
    assert len(lines) > 30
    for behind in lines:
        assert BAR.match(behind, len("\x1b[J\r\n")) and behind.startswith("\x1b[J\r\n"), behind
    assert BAR.search(screen(shown[: bars[len(bars) // 2].end()])[-1])


def test_every_event_stays_whole_on_rows_of_its_own_and_no_bar_is_left_behind(terminal: Terminal) -> None:
    with hearing(terminal, stdout=terminal.slave) as running:
        assert running.process.wait(90) == 0
    joined = "".join(screen(terminal.everything())) + "\n"  # a row may be the middle of an event
    begin = joined.index("{")
    while joined[begin] == "{":
        event, begin = json.JSONDecoder().raw_decode(joined, begin)
        ended = event["type"].endswith("final")
    assert ended and joined[begin:] == "\n"
    assert not BAR.search(joined) and joined.count('"voice.asr_text.final"') >= 12


def test_a_terminal_that_nobody_reads_does_not_hold_up_a_file(terminal: Terminal) -> None:
    with hearing(terminal) as running:
        terminal.wait_for_a_bar()
        terminal.stop_output()
        ended: Ended = running.end(timeout=90)
    assert (ended.status, ended.errors) == (0, [])
    assert len(ended.finals) >= 12


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_terminal_that_nobody_reads_does_not_hold_up_the_end(terminal: Terminal, number: signal.Signals) -> None:
    with hearing(terminal, "--realtime") as running:
        terminal.wait_for_a_bar()
        running.wait_for(b"partial")
        terminal.stop_output()
        time.sleep(1)  # the bar is drawn meanwhile
        begin = time.monotonic()
        running.signal(number)
        ended = running.end(timeout=20)
        assert time.monotonic() - begin < 3
    assert (ended.status, len(ended.finals)) == (0, 1)


def test_without_tqdm_there_is_no_bar_and_no_error(terminal: Terminal, tmp_path: Any) -> None:
    (tmp_path / "tqdm.py").write_text("raise ImportError('no tqdm')")
    os.environ["PYTHONPATH"] = str(tmp_path)
    try:
        with hearing(terminal) as running:
            ended = running.end(timeout=90)
    finally:
        del os.environ["PYTHONPATH"]
    assert (ended.status, ended.errors) == (0, [])
    assert len(ended.finals) >= 12
    assert not BAR.search(terminal.shown.decode("utf-8", errors="replace"))
