"""The progress bar over a long file: it stands below whatever is printed on the terminal, and nothing waits for it."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import time
from typing import Any, Iterator

from common.wire.line_writer import Output

log = logging.getLogger(__name__)

LONG_FILE_SEC = 30.0  # from here on a progress bar is worth having
REDRAW_SEC = 0.1
WIDEST = 79  # columns
FORM = "{percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s of audio [{elapsed}<{remaining}]"
ERASE = b"\x1b[J"  # from the cursor, which stands above the bar, to the end of the screen
BELOW, BACK = b"\n", b"\r\x1b[A"


class Bar:
    """Drawn on the row below the cursor, so that what other programs print does not run into it.

    ``terminal`` is a descriptor that does not block: while it is stopped (Ctrl-S) no bar is drawn.
    """

    def __init__(self, terminal: int, total_sec: float, tqdm: Any) -> None:
        self._terminal = terminal
        self._total = total_sec
        self._tqdm = tqdm
        self._begin = time.monotonic()
        self._heard = 0.0  # seconds of audio
        self._drawn = 0.0  # when it was drawn, by the monotonic clock; 0: it is not shown
        self._aside = False  # a line is being written
        self._closed = False
        self._lock = threading.Lock()  # nothing that it guards ever waits

    def update(self, seconds: float) -> None:
        """So much more audio was heard."""
        with self._lock:
            self._heard += seconds
            if time.monotonic() - self._drawn >= REDRAW_SEC and not self._aside:
                self._draw()

    @contextlib.contextmanager
    def aside(self) -> Iterator[None]:
        """The bar is away while ``with`` lasts and a line is written; then it is drawn below that line."""
        with self._lock:
            self._aside = True
            self._write(ERASE)
        yield
        with self._lock:
            self._aside = False
            self._draw()

    def make_room(self, _record: Any = None) -> bool:
        """Remove the bar until the next ``update``, for a line of the log. A log filter: True lets that pass."""
        with self._lock:
            self._write(ERASE)
            self._drawn = 0.0
        return True

    def close(self) -> None:
        """Remove the bar for good."""
        with self._lock:
            self._closed = True
            self._write(ERASE)

    def _draw(self) -> None:
        if not self._closed:
            with contextlib.suppress(Exception):  # whatever it is: a bar must not end the thread that draws it
                self._write(ERASE + BELOW + self._text().encode("utf-8") + BACK)
            self._drawn = time.monotonic()

    def _text(self) -> str:
        columns = min((os.get_terminal_size(self._terminal).columns or WIDEST + 1) - 1, WIDEST)
        elapsed = time.monotonic() - self._begin
        plain = "utf" not in (sys.stderr.encoding or "").lower()
        heard = min(self._heard, self._total)
        text: str = self._tqdm.format_meter(heard, self._total, elapsed, columns, ascii=plain, bar_format=FORM)
        return text

    def _write(self, sequence: bytes) -> None:
        with contextlib.suppress(OSError):  # BlockingIOError, or the terminal has gone
            os.write(self._terminal, sequence)


@contextlib.contextmanager
def progress(duration_sec: float, output: Output) -> Iterator[Bar | None]:
    """A bar on stderr for a long file, which makes way for what ``output`` writes; None if that is not a terminal."""
    tqdm = _tqdm() if duration_sec >= LONG_FILE_SEC else None
    terminal = _terminal() if tqdm is not None else None
    if terminal is None:
        yield None
        return
    bar = Bar(terminal, duration_sec, tqdm)
    handlers = list(logging.getLogger().handlers)
    output.around_line = bar.aside
    for handler in handlers:
        handler.addFilter(bar.make_room)
    try:
        yield bar
    finally:
        bar.close()
        output.around_line = contextlib.nullcontext
        for handler in handlers:
            handler.removeFilter(bar.make_room)


def _tqdm() -> Any | None:
    try:
        from tqdm import tqdm
    except Exception as error:  # not installed, or broken
        log.debug("no progress bar: %s", error)
        return None
    return tqdm


def _terminal() -> int | None:
    """A descriptor of stderr's terminal that never blocks, opened anew: to change stderr itself would change it for
    the shell, too. None where there is none; Windows has nothing like it."""
    if not sys.stderr.isatty() or os.environ.get("TERM") == "dumb" or not hasattr(os, "O_NONBLOCK"):
        return None
    for name in (os.ttyname, lambda _: "/dev/tty"):  # under su it is another user's, and opens as /dev/tty only
        with contextlib.suppress(OSError):
            return os.open(name(sys.stderr.fileno()), os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    return None
