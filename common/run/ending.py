"""What a signal does: before the service hears anything it ends the process, then it asks the inbox for the end."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
import time
import uuid
from typing import TYPE_CHECKING, Any, Callable

from common.errors import EXIT_OK, EXIT_SECOND_INTERRUPT
from common.units import SAMPLE_RATE
from common.wire.events import ErrorEvent
from common.wire.line_writer import Output, ReaderGone, StdoutFailed

if TYPE_CHECKING:  # numpy comes with it: too heavy for --help
    from common.sources.inbox import Inbox

LAST_RESORT_SEC = 1.8  # behind a stop
LAST_LINE_SEC = 0.1  # how long an end that cannot wait waits for a reader that does not read


class Ending:
    """One a process, as signals are. ``output`` and ``inbox`` are filled in as soon as there are any."""

    def __init__(self) -> None:
        self.output: Output | None = None
        self.inbox: Inbox | None = None
        self._serving = False
        self._asked = False
        self._lock = threading.Lock()

    def watch_signals(self) -> None:
        """From here on SIGINT, SIGTERM and SIGHUP come to a thread of their own; call it from the main thread.

        Python runs a signal handler between two steps of the main thread, which may sit in a library for seconds:
        loading a model, decoding. What ``set_wakeup_fd`` writes to is written at once.
        """
        reader, writer = socket.socketpair()
        writer.setblocking(False)
        numbers = signals()
        for number in numbers:
            signal.signal(number, _ignore)
        signal.set_wakeup_fd(writer.detach(), warn_on_full_buffer=False)
        threading.Thread(target=self._watch, args=(reader, numbers), name="signals", daemon=True).start()

    def begin_serving(self) -> None:
        """From here on a signal asks the inbox for the end. Does not return if one is ending the process."""
        with self._lock:
            self._serving = True

    def end_in_time(self, give_up: Callable[[], None]) -> None:
        """From here on a stop ends the process within 2 s, whatever hangs; ``give_up`` prints what is owed then."""
        threading.Thread(target=self._end_in_time, args=(give_up,), name="last resort", daemon=True).start()

    def _end_in_time(self, give_up: Callable[[], None]) -> None:
        assert self.inbox is not None and self.output is not None
        self.inbox.stop_asked.wait()
        time.sleep(LAST_RESORT_SEC)
        with contextlib.suppress(ReaderGone, StdoutFailed):
            give_up()
            self.output.close(timeout=LAST_LINE_SEC)
        os._exit(EXIT_OK)

    def reader_gone(self) -> None:
        """The output calls it when writing has failed while the model loads: nobody waits for it any more."""
        try:
            if self.output is not None:
                self.output.check()
        except ReaderGone:
            os._exit(EXIT_OK)
        except StdoutFailed:
            pass  # the main thread meets it with the line that it writes next, and says why

    def _watch(self, reader: socket.socket, numbers: list[int]) -> None:
        while True:
            for number in reader.recv(64):
                if number in numbers:
                    self._signalled(number)

    def _signalled(self, number: int) -> None:
        if self._asked:
            if number == signal.SIGINT:
                os._exit(EXIT_SECOND_INTERRUPT)
            return
        self._asked = True
        with self._lock:
            if self._serving and self.inbox is not None:
                self.inbox.stop()
            else:
                self._leave()

    def _leave(self) -> None:
        """End the process, and say what a microphone had heard: without a model nobody can decode it."""
        heard = self.inbox.drop_all() if self.inbox is not None else 0
        if heard and self.output is not None:
            what = f"{heard * 1000 // SAMPLE_RATE} ms of microphone audio were dropped: the model was not loaded yet"
            message = f"InterruptedError: {what}; stderr says when the service is listening"
            with contextlib.suppress(ReaderGone, StdoutFailed):
                self.output.write(ErrorEvent(uuid.uuid4().hex, "audio_overflow", message))
                self.output.close(timeout=LAST_LINE_SEC)
        os._exit(EXIT_OK)


ENDING = Ending()


def signals() -> list[int]:
    """Those that ask for the end here. ``nohup`` makes a process deaf to SIGHUP, and so it stays."""
    numbers: list[int] = [signal.SIGINT, signal.SIGTERM]
    for name in ("SIGHUP", "SIGBREAK"):  # the terminal is closed; Ctrl-Break on Windows
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is not signal.SIG_IGN:
            numbers.append(number)
    return numbers


def _ignore(_number: int, _frame: Any) -> None:
    """The wakeup descriptor has told the thread already; without a handler Python would not write to it."""
