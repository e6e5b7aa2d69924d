#!/usr/bin/env python3
"""Shows in a terminal what a service hears: the finals, and below them a line that changes while somebody speaks.

    python clients/view.py asr_service_streaming.py --demo                    starts a service, with any of its flags
    python asr_service.py --demo --extended | python clients/view.py -        reads the events of one from a pipe

Space pauses and resumes, f ends the utterance now, q and Ctrl-C quit: the last final is still shown.
If the output is not a terminal, finals are printed as plain lines and errors on stderr.
The exit status is the service's.
"""

from __future__ import annotations

import signal

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C during the imports ends it quietly

import contextlib
import io
import json
import os
import queue
import re
import subprocess
import sys
import threading
import time
import unicodedata
from typing import Any, Callable, Iterable, Iterator, NamedTuple

try:
    from wcwidth import iter_graphemes, strip_sequences, wcswidth, wcwidth
except ImportError:
    sys.exit("view.py needs Python 3.9 or newer, and wcwidth: python -m pip install wcwidth==0.9.4")

BOLD, DIM, RED, PLAIN = "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[0m"
STYLE = {"error": "" if os.environ.get("NO_COLOR") else RED, "warning": DIM}
HIDE_CURSOR, SHOW_CURSOR, CLEAR_BELOW = "\x1b[?25l", "\x1b[?25h", "\x1b[J"
CUT, WRAP = "\x1b[?7l", "\x1b[?7h"  # whether a terminal cuts or wraps a line that is too wide
METER, QUIETEST = 10, -60  # characters; dBFS at the meter's left end
TICK, LEVEL_EVERY = 0.1, 0.5  # seconds
CTRL_C, LATIN = "\x03", re.compile("[!-~]")
Inbox = queue.SimpleQueue[tuple[str, str]]  # ("event" or "log", a line, "" at its end), ("keys", what was typed)


# Text: what is safe to show, and how wide it is.


def clean(text: object) -> str:
    """Text without what a terminal obeys: escape sequences, control characters, changes of the writing direction."""
    spaced = re.sub(r"[\t-\r\x85\u2028\u2029]+", " ", strip_sequences(str(text)))
    return "".join(c for c in spaced if c == "\u200d" or unicodedata.category(c) not in ("Cc", "Cf", "Cs"))


def cells(text: str) -> int:
    """The width in a terminal; the greater one, as only some terminals join flags and families into one emoji."""
    return max(wcswidth(text), sum(max(0, wcwidth(each)) for each in text))


def characters(text: str, room: int) -> list[str]:
    """What a reader takes for one character each, accents included; "?" for one that is wider than the room."""
    return [each if cells(each) <= room else "?" for each in iter_graphemes(text) if cells(each)]


def wrapped(text: str, room: int) -> list[str]:
    """Lines of at most ``room`` cells: broken before a Latin word or between any other two characters."""
    lines: list[str] = []
    line: list[str] = []
    used = 0
    for each in characters(text, room):
        if used + cells(each) > room:
            end = len(line)
            while end and LATIN.match(each) and LATIN.match(line[end - 1]):
                end -= 1
            end = end or len(line)  # a word that is longer than a line is broken, too
            lines.append("".join(line[:end]).rstrip())
            line = line[end:]
            used = sum(map(cells, line))
        if line or not lines or each != " ":
            line.append(each)
            used += cells(each)
    return [*lines, "".join(line)]


def end_of(settled: str, tail: str, room: int) -> str:
    """As much of an utterance's end as there is room for, its tail dim."""
    before, text = len(characters(settled, room)), characters(settled, room) + characters(tail, room)
    first = len(text)
    while first and cells(text[first - 1]) <= room:
        first -= 1
        room -= cells(text[first])
    return "".join(text[first:before]) + DIM + "".join(text[max(first, before) :]) + PLAIN


# What the service tells.


class Said(NamedTuple):
    """Something to show for good."""

    kind: str  # final, text, error, warning
    text: str
    time: str = ""

    def lines(self, room: int) -> list[str]:
        """Its lines, of at most ``room`` cells; the time stands apart unless the window is narrow."""
        if not self.time or room < 30:
            text = f"{self.time} {self.text}".strip()
            return [STYLE.get(self.kind, "") + line + PLAIN for line in wrapped(text, room)]
        margin = len(self.time) + 2
        first, *others = wrapped(self.text, room - margin)
        return [f"{DIM}{self.time}{PLAIN}  {first}", *(" " * margin + line for line in others)]


def time_of(event: dict[str, Any]) -> str:
    """When an utterance began, in the time of its audio; without --extended the time of day when it ended."""
    try:
        if "start_ms" in event:
            seconds = event["start_ms"] // 1000
            return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        return time.strftime("%H:%M:%S", time.localtime(event["ts"] / 1000))
    except (KeyError, TypeError, ValueError, OverflowError, OSError):
        return "-:--:--"


class Picture:
    """What the service has told so far."""

    def __init__(self) -> None:
        self.state = "waiting"
        self.level: float | None = None  # dBFS
        self.open: dict[str, tuple[str, str]] = {}  # the open utterance of each stream: what is settled, the tail
        self.log = ""  # the last line of the log
        self.failed = False  # an error was told
        self.exit_status = 0
        self.ended = False  # no more events come

    def take(self, kind: str, line: str) -> list[Said]:
        """Learn from a line of stdout ("event") or stderr ("log"); returns what of it is to be shown for good."""
        if kind == "event" and line:
            return self._take_event(line)
        self.ended = self.ended or kind == "event"
        self.log = clean(line.strip()) or self.log
        return [Said("warning", self.log)] if line.startswith("WARNING") else []

    def _take_event(self, line: str) -> list[Said]:
        try:
            event = json.loads(line)
            kind, stream = event["type"], clean(event.get("stream", ""))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):  # the text of --help, --doctor
            return [Said("text", clean(line.rstrip()))]
        text, stable = str(event.get("text", "")), event.get("stable")
        if kind == "voice.asr_text.partial":
            settled = stable if isinstance(stable, int) else 0
            self.open.pop(stream, None)  # the line shows what changed last
            self.open[stream] = clean(text[:settled]), clean(text[settled:])
        elif kind == "voice.asr_text.final":
            self.open.pop(stream, None)
            return [Said("final", clean(f"{stream}: {text}" if stream else text), time_of(event))] if text else []
        elif kind == "core.error_event" or (event.get("ok") is False and event.get("id") != "quiet"):
            self.failed = self.failed or kind == "core.error_event"
            return [Said("error", clean(f"{event.get('error_code')}: {event.get('message')}"))]
        elif "state" in event:
            self._take_state(event)
        return []

    def _take_state(self, event: dict[str, Any]) -> None:
        progress, level, status = (event.get(key) for key in ("progress", "level_dbfs", "exit_status"))
        percent = f" {100 * progress:.0f} %" if isinstance(progress, (int, float)) and 0 <= progress <= 1 else ""
        self.state = clean(event["state"]) + percent
        self.level = level if isinstance(level, (int, float)) and self.state == "listening" else None
        self.exit_status = status if isinstance(status, int) and 0 <= status < 256 else self.exit_status

    def line(self, room: int, keys: str) -> str:
        """The line that changes: state, level, and the open utterance or what the keys do."""
        level = QUIETEST if self.level is None else min(0, max(QUIETEST, self.level))
        bars = "|" * round(METER * (1 - level / QUIETEST))
        heads = [self.state] if self.level is None else [f"{self.state}  [{bars:{METER}}]", self.state]
        head = next((each + "  " for each in heads if cells(each) <= room // 2), "")
        if self.open:
            *_, (settled, tail) = self.open.values()
            return BOLD + head + PLAIN + end_of(settled, tail, room - cells(head))
        if not head:
            return BOLD + end_of(self.state, "", room)
        return BOLD + head + PLAIN + (DIM + keys + PLAIN if cells(head + keys) <= room else "")


class Source:
    """A service that is started here, or a pipe (``process`` is None). Its lines go into the inbox."""

    def __init__(self, arguments: list[str], inbox: Inbox) -> None:
        self._inbox = inbox
        self.stops = 0  # how often an end was asked for
        self.process: subprocess.Popen[str] | None = None
        # If the sound comes through stdin, our commands cannot.
        self.takes_commands = not re.search(r"^-$|--input[ =](-|jsonl)( |$)", " ".join(arguments))
        if arguments == ["-"]:
            in_thread(self._read, "event", os.fdopen(os.dup(0), encoding="utf-8", errors="replace"))
            return
        python = [sys.executable] if arguments[0].endswith(".py") else []
        flags = ["--extended", *(["--control", "on"] if self.takes_commands else [])]
        self.process = subprocess.Popen(
            [*python, arguments[0], *flags, *arguments[1:]],
            stdin=subprocess.PIPE if self.takes_commands else None,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            errors="replace",
        )
        in_thread(self._read, "event", self.process.stdout)
        in_thread(self._read, "log", self.process.stderr)

    def _read(self, kind: str, lines: Iterable[str]) -> None:
        for line in lines:
            self._inbox.put((kind, line))
            while self._inbox.qsize() > 1000:  # a file that is faster than the terminal
                time.sleep(TICK / 10)
        self._inbox.put((kind, ""))

    def send(self, command: str, name: str = "key") -> None:
        """Send a command; if its ``name`` is "quiet", a refusal is not shown."""
        if self.process and self.process.stdin:
            with contextlib.suppress(OSError):  # it has gone: its exit status says why
                self.process.stdin.write(json.dumps({"type": f"core.control.{command}", "id": name}) + "\n")
                self.process.stdin.flush()

    def stop(self) -> None:
        """Ask for the end, which comes after the last final; the second time, end at once."""
        self.stops += 1
        if self.process is None:
            if self.stops > 1:  # the first Ctrl-C has reached the writer of the pipe, too
                self._inbox.put(("event", ""))
        elif self.stops > 1:
            self.process.kill()
        elif self.takes_commands:
            self.send("stop", "quiet")
        else:
            self.process.terminate()


def in_thread(work: Callable[..., object], *arguments: object) -> None:
    threading.Thread(target=work, args=arguments, daemon=True).start()


# The terminal: what is shown there, and what is typed.


def print_plainly(said: list[Said], _picture: Picture, _keys: str) -> None:
    """Into a file or a pipe."""
    for each in said:
        print(each.text, file=sys.stdout if each.kind in ("final", "text") else sys.stderr, flush=True)


class Screen:
    """A terminal: what was said moves up, the line below it changes."""

    _drawn = ("", 0)

    def show(self, said: list[Said], picture: Picture, keys: str) -> None:
        columns = os.get_terminal_size(sys.stdout.fileno()).columns or 80
        room = max(1, columns - 1)  # some terminals begin a new line as soon as the last column is full
        line = picture.line(room, keys)
        if said or self._drawn != (line, columns):
            self._drawn = (line, columns)
            above = "".join(each + "\n" for one in said for each in one.lines(room))
            # The cursor stays at the start of the line: if a narrower window folds it, all of it lies below.
            sys.stdout.write(f"\r{HIDE_CURSOR}{CLEAR_BELOW}{above}{CUT}{line}{WRAP}\r")
            sys.stdout.flush()


@contextlib.contextmanager
def keyboard(inbox: Inbox) -> Iterator[None]:
    """What is typed goes into the inbox, without an echo; afterwards the terminal is as it was before."""

    def read(one: Callable[[], str]) -> None:
        with contextlib.suppress(OSError):  # the terminal has gone
            for typed in iter(one, ""):
                inbox.put(("keys", typed))

    with contextlib.ExitStack() as at_the_end:
        at_the_end.callback(lambda: print(end=f"\r{CLEAR_BELOW}{SHOW_CURSOR}", flush=True))
        if sys.platform == "win32":
            import msvcrt

            os.system("")  # from here on the console obeys escape sequences
            in_thread(read, msvcrt.getwch)
        else:
            import termios
            import tty

            with contextlib.suppress(OSError, termios.error):  # no terminal, or not ours: only Ctrl-C works
                terminal = os.open("/dev/tty", os.O_RDONLY)  # stdin may be a pipe
                at_the_end.callback(termios.tcsetattr, terminal, termios.TCSADRAIN, termios.tcgetattr(terminal))
                tty.setcbreak(terminal)
                in_thread(read, lambda: os.read(terminal, 64).decode("utf-8", "replace"))
        yield


def press(typed: str, source: Source, state: str) -> list[Said]:
    """Do what the keys say; returns what is to be shown of it."""
    for key in strip_sequences(typed):  # an arrow key is not the letter that its sequence ends in
        if key == "q" and source.process is None:
            os.kill(0, getattr(signal, "CTRL_C_EVENT", signal.SIGINT))  # what the terminal does at Ctrl-C
        elif key in ("q", CTRL_C):
            source.stop()
        elif key in (" ", "f") and not source.takes_commands:
            return [Said("warning", "space and f need a service that view.py starts and that leaves stdin alone")]
        elif key in (" ", "f"):
            source.send("flush" if key == "f" else "resume" if state == "paused" else "pause")
    return []


# What ties them together.


def watch(source: Source, inbox: Inbox, show: Callable[[list[Said], Picture, str], None]) -> int:
    """Show everything until the end. Returns the exit status, more than 128 for a signal."""
    picture, asked = Picture(), 0.0
    while True:
        kind, value = "", ""
        with contextlib.suppress(queue.Empty):
            kind, value = inbox.get(timeout=TICK)
        said = press(value, source, picture.state) if kind == "keys" else picture.take(kind, value)
        keys = "space resumes" if picture.state == "paused" else "space pauses, f flushes"
        show(said, picture, f"{keys}, q quits" if source.takes_commands else "q quits")
        if source.takes_commands and picture.state == "listening" and time.monotonic() > asked + LEVEL_EVERY:
            asked = time.monotonic()
            source.send("status", "quiet")
        status = source.process.poll() if source.process else picture.exit_status
        if picture.ended and status is not None and not kind:
            break
    if status and not source.stops and (status < 0 or not picture.failed):
        why = f"it was killed by signal {-status}" if status < 0 else picture.log or f"it ended with status {status}"
        show([Said("error", why)], picture, "")
    return status if status >= 0 else 128 - status


def main(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(__doc__, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    is_terminal = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding=None if is_terminal else "utf-8", errors="replace")
    inbox = Inbox()
    try:
        source = Source(arguments, inbox)
    except OSError as error:
        print(f"{STYLE['error']}{error}{PLAIN}" if is_terminal else error, file=sys.stderr)
        return 127
    signal.signal(signal.SIGINT, lambda *_: inbox.put(("keys", CTRL_C)))
    times = 1 if source.process else 2  # unlike Ctrl-C it does not reach the writer of a pipe: end at once
    signal.signal(signal.SIGTERM, lambda *_: inbox.put(("keys", times * CTRL_C)))
    try:
        with keyboard(inbox) if is_terminal else contextlib.nullcontext():
            return watch(source, inbox, Screen().show if is_terminal else print_plainly)
    except OSError:  # the reader of stdout is gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        source.stop()
        return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
