"""Commands, carried out one after the other; each is acknowledged after its effect."""

from __future__ import annotations

import uuid
from typing import Any, Iterator, Protocol

from common.errors import FatalError, bad_setting
from common.run.process import Process
from common.speech.service import Service
from common.wire.command_lines import BadLine, Command
from common.wire.command_table import BY_KIND, Where
from common.wire.events import Ack, Details, EndReason, Event, Final, State

END_REASONS = {"flush": EndReason.FLUSH, "pause": EndReason.FLUSH, "stop": EndReason.SHUTDOWN}


class Pausable(Protocol):
    """A microphone, or audio as JSON lines."""

    is_lost: bool  # the device is lost, and is looked for

    def pause(self) -> None:
        """Stop listening."""

    def resume(self) -> None:
        """Listen. Raises FatalError ``audio_device_failed``."""


class CommandHandler:
    """Does what commands ask for. ``source`` is None if it cannot be paused."""

    def __init__(self, process: Process, service: Service, source: Pausable | None) -> None:
        self.stopped = False
        self.commanded = False  # whether any command has come
        self._state = process.state
        self._stats = process.stats
        self._inbox = process.inbox
        self._service = service
        self._source = source

    def handle(self, command: Command) -> Iterator[Event]:
        """Do it; yields what it prints, the acknowledgement last. Raises FatalError ``internal_error``."""
        self.commanded = True
        try:
            if BY_KIND[command.kind].where is Where.PAUSABLE and self._source is None:
                raise bad_setting("only a microphone or --input jsonl can be paused")
            if command.kind in END_REASONS:
                yield from self._finalise(command)
            else:
                yield from getattr(self, f"_{command.kind}")(command)
        except FatalError as error:
            if error.error_code == "internal_error":
                raise
            code = "control_invalid" if error.error_code == "config_invalid" else error.error_code
            yield from self._refused(command.id, code, str(error))

    def refuse(self, line: BadLine) -> Iterator[Event]:
        """Refuse a line that is not a command: by an acknowledgement if it has an ``id``, else by an error event."""
        yield from self._refused(line.id, "control_invalid", line.reason)

    def too_late(self, line: Command | BadLine) -> Iterator[Event]:
        """Refuse a line that was read after the end had begun; without an ``id`` it gets no answer."""
        if line.id is not None:
            yield from self._refused(line.id, "control_invalid", "InterruptedError: the service is ending")

    def end_of_input(self, identity: str | int | None = None) -> Iterator[Event]:
        """Finalise: nothing more will come. ``identity``: the ``id`` of the line that said so."""
        end = Command("end", identity)
        yield from self._finalise(end, self._state.end_reason(EndReason.EOF))

    def _finalise(self, command: Command, reason: EndReason | None = None) -> Iterator[Event]:
        final = None
        for event in self._service.end(reason or END_REASONS[command.kind]):
            final = event.trace_id if isinstance(event, Final) else final
            yield event
        if command.kind == "pause":
            yield from self._stop_listening()
        self.stopped = self.stopped or command.kind == "stop"
        yield from self._done(command, (("final", final is not None),), final)

    def _stop_listening(self) -> Iterator[Event]:
        if self._source is not None and self._state.now is not State.PAUSED:
            self._source.pause()
            yield from self._state.become(State.PAUSED, self._stats.audio())

    def _resume(self, command: Command) -> Iterator[Event]:
        if self._source is not None and self._state.now is State.PAUSED:
            self._source.resume()
            self._service.restart()
            state = State.RECOVERING if self._source.is_lost else State.LISTENING
            yield from self._state.become(state, self._stats.audio())
        yield from self._done(command)

    def _append(self, command: Command) -> Iterator[Event]:
        """The audio was in the inbox before this."""
        yield from self._done(command)

    def _reset(self, command: Command) -> Iterator[Event]:
        yield from self._service.reset()
        yield from self._done(command)

    def _set(self, command: Command) -> Iterator[Event]:
        settings = dict(command.fields)
        left_out = self._service.set_hotwords(settings.pop("hotwords")) if "hotwords" in settings else ()
        self._service.set(**settings)
        yield from self._done(command, (("left_out", left_out),) if left_out else ())

    def _status(self, command: Command) -> Iterator[Event]:
        yield from self._done(command, self._stats.details(self._state.now, self._inbox.backlog))

    def _done(self, command: Command, details: Details = (), trace_id: str | None = None) -> Iterator[Event]:
        if command.id is not None:
            yield Ack(trace_id or uuid.uuid4().hex, command.id, True, details)

    def _refused(self, identity: Any, code: str, message: str) -> Iterator[Event]:
        if identity is not None:
            yield Ack(uuid.uuid4().hex, identity, False, (("error_code", code), ("message", message)))
        else:
            yield self._service.error(code, message)
