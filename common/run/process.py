"""What a process is made of: where lines go, where messages arrive, and what it is doing."""

from __future__ import annotations

import contextlib
import os
import uuid
from typing import NoReturn

from common.errors import EXIT_OK
from common.run.state import RunState
from common.run.statistics import Stats
from common.sources.inbox import Inbox
from common.sources.messages import StdoutGone, Stop
from common.units import to_ms
from common.wire.events import ErrorEvent, State
from common.wire.line_writer import Output, ReaderGone
from common.wire.standard_streams import StdoutFailed

LAST_LINE_SEC = 0.1  # how long an end that cannot wait waits for a reader that does not read


class Process:
    """Made by ``run`` and handed on. Its methods are called from other threads than the main one."""

    def __init__(
        self, output: Output, inbox: Inbox | None = None, state: RunState | None = None, stdin: int = 0
    ) -> None:
        self.output = output
        self.stdin = stdin  # the descriptor
        self.inbox = inbox or Inbox()
        self.state = state or RunState()
        self.stats = Stats()

    def hurry(self) -> None:
        """A stop is on its way: what has arrived is decoded for a while, and 2 s later the process has ended."""
        self.inbox.hurry()
        self.state.stop_asked.set()

    def stop(self) -> None:
        """Ask for the end after all that has arrived."""
        self.hurry()
        self.inbox.put(Stop())

    def stdout_failed(self) -> None:
        """Nobody reads what is written, or it cannot be written. Without a loop a reader that has gone is the end; why
        stdout cannot be written the main thread meets with the line that it writes next."""
        with self.state.lock:
            if self.state.serves:
                self.inbox.put_first(StdoutGone())
                return
        try:
            self.output.check()
        except ReaderGone:
            os._exit(EXIT_OK)
        except StdoutFailed:
            pass

    def leave(self) -> NoReturn:
        """End the process, and say what a microphone had heard: without a model nobody can decode it."""
        heard = self.inbox.take_all().samples
        with contextlib.suppress(ReaderGone, StdoutFailed):
            if heard:
                what = f"{to_ms(heard)} ms of audio were dropped: the model was not loaded yet"
                message = f"InterruptedError: {what}; stderr says when the service is listening"
                self.output.write(ErrorEvent(uuid.uuid4().hex, "audio_overflow", message))
            self.tell_end(EXIT_OK)
            self.output.close(timeout=LAST_LINE_SEC)
        os._exit(EXIT_OK)

    def tell_end(self, exit_status: int) -> None:
        """The last status event, with the totals where anything was heard. Raises ReaderGone, StdoutFailed."""
        totals = self.stats.totals() if self.stats.heard_samples else ()
        for status in self.state.become(State.STOPPED, (("exit_status", exit_status), *totals)):
            self.output.write(status)
