"""What a process is made of: where lines go, where messages arrive, and what it is doing."""

from __future__ import annotations

import contextlib
import math
import os
import time
import uuid
from typing import TYPE_CHECKING, NoReturn

from common.engines.cache_folder import remove_unfinished
from common.errors import EXIT_OK
from common.run.state import RunState
from common.run.statistics import Stats
from common.sources.inbox import Inbox
from common.sources.messages import StdoutGone, Stop
from common.units import to_ms
from common.wire.command_lines import Command
from common.wire.events import Ack, Details, ErrorEvent, State, Status
from common.wire.line_writer import Output, ReaderGone
from common.wire.standard_streams import StdoutFailed

if TYPE_CHECKING:  # too heavy for --help
    from common.sources.stdin_lines import LineReader

PROGRESS_SEC = 1.0  # between two events of the same state that tell how far it is
LAST_LINE_SEC = 0.1  # how long an urgent end waits for a reader that is slow


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
        self.lines: LineReader | None = None  # what reads stdin, once it is known what comes there
        self._told = -math.inf  # when progress was printed last

    def hurry(self) -> None:
        """A stop is on its way: what has arrived is still decoded, as far as the 2 s until the end allow."""
        self.inbox.hurry()
        self.state.stop_asked.set()

    def stop(self) -> None:
        """Ask for the end after all that has arrived."""
        self.hurry()
        self.inbox.put(Stop())

    def busy(self, state: State, progress: float) -> None:
        """Print, about once a second, that a model is downloaded or prepared, and how much of that is done (0…1).
        Meanwhile stdin is read: a stop must not wait for minutes."""
        if self.lines is not None:
            self.lines.start()
        details = (("progress", round(progress, 3)),)
        with self.state.lock:
            events = self.state.become(state, details)
            if not events and time.monotonic() < self._told + PROGRESS_SEC:
                return
            self._told = time.monotonic()
            self.output.write(Status(uuid.uuid4().hex, state, details))

    def answer_at_once(self, command: Command) -> bool:
        """Answer ``status`` or ``stop`` while the loop does not run yet; returns whether that was done."""
        with self.state.lock:
            if self.state.serves or command.kind not in ("status", "stop"):
                return False
            details: Details = (("final", False),)
            if command.kind == "status":
                details = self.stats.details(self.state.now, self.inbox.backlog)
            if command.id is not None:
                self.output.write(Ack(uuid.uuid4().hex, command.id, True, details))
            if command.kind == "stop":
                self.leave()
            return True

    def stdout_failed(self) -> None:
        """The reader is gone, or stdout cannot be written. While the loop does not run yet, a reader that is gone ends
        the process here; another failure reaches the main thread with the next line that it writes."""
        with self.state.lock:
            if self.state.serves:
                self.inbox.put_first(StdoutGone())
                return
        try:
            self.output.check()
        except ReaderGone:
            remove_unfinished()
            os._exit(EXIT_OK)
        except StdoutFailed:
            pass

    def leave(self) -> NoReturn:
        """End the process at once, and say how much audio is dropped: without a model it cannot be decoded."""
        heard = self.inbox.take_all().samples
        with contextlib.suppress(ReaderGone, StdoutFailed):
            if heard:
                what = f"{to_ms(heard)} ms of audio were dropped: the model was not loaded yet"
                message = f"InterruptedError: {what}; stderr says when the service is listening"
                self.output.write(ErrorEvent(uuid.uuid4().hex, "audio_overflow", message))
            self.tell_end(EXIT_OK)
            self.output.close(timeout=LAST_LINE_SEC)
        remove_unfinished()
        os._exit(EXIT_OK)

    def tell_end(self, exit_status: int) -> None:
        """The last status event, with the totals where anything was heard. Raises ReaderGone, StdoutFailed."""
        totals = self.stats.totals() if self.stats.heard_samples else ()
        for status in self.state.become(State.STOPPED, (("exit_status", exit_status), *totals)):
            self.output.write(status)
