"""The loop: messages out of the inbox, events onto stdout, until something ends it."""

from __future__ import annotations

import math
import sys
import threading
import time
import uuid
from typing import Iterable, Iterator, Protocol

from common.run.carry_out import CommandHandler, Pausable
from common.run.owed import Owed
from common.run.process import Process
from common.run.progress import Bar
from common.run.recorder import Recorder
from common.sources.messages import (
    AudioBlock,
    DeviceLost,
    EndOfCommands,
    EndOfInput,
    Gap,
    Message,
    SourceFailed,
    StdoutGone,
)
from common.speech.service import Service
from common.units import SAMPLE_RATE, to_ms
from common.wire.command_lines import BadLine, Command
from common.wire.events import Details, EndReason, ErrorEvent, Event, State

TOO_SLOW = "the machine is too slow; stop what else runs, or take asr_service.py with a larger --chunk-sec"


class Source(Protocol):
    """Where sound comes from. One that can be paused has ``pause`` and ``resume`` as well."""

    is_live: bool  # its sound goes on, whether it is read or not
    comes_once: bool  # what was read and not decoded cannot be read again: stdin


class Loop:
    """Takes one message after the other and prints what follows from it."""

    def __init__(
        self,
        process: Process,
        source: Source,
        service: Service,
        recorder: Recorder | None = None,
        bar: Bar | None = None,
        idle_sec: float = math.inf,
    ) -> None:
        self._state = process.state
        self._stats = process.stats
        self._inbox = process.inbox
        self._output = process.output
        self._source = source
        self._service = service
        self._recorder = recorder
        self._bar = bar
        self._writing = threading.Lock()  # taken for good by ``give_up``
        self._owed = Owed()
        self._idle_sec = idle_sec  # without audio, after which an utterance ends
        self._heard_at = 0.0  # when audio arrived last, by the inbox's clock
        pausable: Pausable | None = source if hasattr(source, "pause") else None  # type: ignore[assignment]
        self._commands = CommandHandler(process, service, pausable)

    def run(self) -> None:
        """Until the end. Raises FatalError, ReaderGone, StdoutFailed."""
        while self.step() and not self._commands.stopped:
            pass
        left = self._inbox.take_all()
        self.emit(self._overflow(left.samples if self._source.comes_once else 0))
        for line in left.lines:
            self.emit(self._commands.too_late(line))

    def step(self) -> bool:
        """Take the next message; returns whether to go on. If the sender stops sending, the open utterance ends."""
        patience = self._idle_sec if self._service.is_open else math.inf
        message = self._inbox.get_until(self._heard_at + patience)
        if message is not None:
            return self._take(message)
        self.emit(self._service.end(EndReason.IDLE))
        return True

    def tell(self, state: State, details: Details) -> None:
        """Emit a status event, if the state is a new one."""
        self.emit(self._state.become(state, details))

    def emit(self, events: Iterable[Event]) -> None:
        for event in events:
            with self._writing:
                self._output.write(event, self._inbox.arrived)
                self._owed.printed(event)
            self._stats.printed(event, time.monotonic() - self._inbox.arrived)

    def give_up(self) -> None:
        """Print what is owed, from another thread, when ``run`` takes too long; from then on ``run`` prints nothing.

        Raises ReaderGone, StdoutFailed.
        """
        self._writing.acquire()
        left = self._inbox.take_all()
        owed = self._owed.settle(self._stats.heard_samples)
        for event in [*owed, *self._overflow(left.samples), *_not_answered(left.lines)]:
            self._output.write(event)

    def _take(self, message: Message) -> bool:
        """Do what follows from ``message``; returns whether to go on."""
        if isinstance(message, AudioBlock):
            self._hear(message)
        elif isinstance(message, Gap):
            self._begin_anew(message)
        elif isinstance(message, DeviceLost):
            self._lose(message)
        elif isinstance(message, Command):
            self.emit(self._commands.handle(message))
            if message.kind == "reset":
                self._owed.dropped()
        elif isinstance(message, BadLine):
            self.emit(self._commands.refuse(message))
        elif isinstance(message, SourceFailed):
            raise message.error
        elif isinstance(message, StdoutGone):
            self._output.close()  # raises why
        elif not isinstance(message, EndOfCommands) or message.always or self._commands.commanded:
            identity = message.id if isinstance(message, EndOfInput) else None
            self.emit(self._commands.end_of_input(identity))
            return False
        return True

    def _begin_anew(self, gap: Gap) -> None:
        """Nothing from before the gap may be joined to what comes after it."""
        self.emit(self._service.end(self._state.end_reason(EndReason.OVERFLOW)))
        self.emit(self._overflow(gap.dropped))
        self._service.restart()

    def _lose(self, device: DeviceLost) -> None:
        """While paused the device is closed, so losing it changes nothing."""
        if self._state.now is not State.PAUSED:
            self.emit(self._service.end(EndReason.DEVICE_LOST))
            self.emit([self._service.error("audio_device_lost", device.reason)])
            self.tell(State.RECOVERING, ())

    def _hear(self, block: AudioBlock) -> None:
        if self._state.now is State.PAUSED:
            return
        self.tell(State.LISTENING, self._stats.audio())
        self._heard_at = self._inbox.arrived
        if self._recorder is not None:
            self._recorder.write(block.samples)
        # A file that is read as fast as possible is all backlog: the optional looks at the tail are left out.
        backlog = self._inbox.backlog if self._source.is_live else sys.maxsize
        begin = time.monotonic()
        self.emit(self._service.hear(block.samples, backlog))
        self._stats.heard(block.samples, time.monotonic() - begin)
        if self._bar is not None:
            self._bar.update(len(block.samples) / SAMPLE_RATE)

    def _overflow(self, dropped: int) -> Iterator[ErrorEvent]:
        """The error event about samples that were heard but dropped."""
        if dropped == 0 or self._state.now is State.PAUSED:
            return
        what = f"{to_ms(dropped)} ms of"
        if self._state.stop_asked.is_set():
            message = f"TimeoutError: {what} audio could not be decoded before the end: {TOO_SLOW}"
        else:
            message = f"OverflowError: {what} microphone audio were dropped: {TOO_SLOW}"
        yield ErrorEvent(uuid.uuid4().hex, "audio_overflow", message)


def _not_answered(lines: list[Command | BadLine]) -> Iterator[ErrorEvent]:
    """One error event about all the commands for which the end left no time."""
    if lines:
        what = f"TimeoutError: {len(lines)} lines on stdin could not be carried out before the end"
        yield ErrorEvent(uuid.uuid4().hex, "control_invalid", f"{what}; the exit answers them")
