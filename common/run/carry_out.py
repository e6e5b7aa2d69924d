"""Commands, done one after the other; each is acknowledged after its effect."""

from __future__ import annotations

import reprlib
import uuid
from typing import Any, Callable, Iterator, Protocol, Tuple

from common.errors import FatalError, bad_setting
from common.settings.checks import check_field
from common.settings.flags import CommonConfig
from common.speech.service import Service
from common.wire.command_lines import Command
from common.wire.events import Ack, ErrorEvent, Event, Final

SETTABLE = {"endpoint_silence_ms": int, "hotwords": list}
JSON_NAMES = {int: "number", list: "list"}
Details = Tuple[Tuple[str, Any], ...]


class Pausable(Protocol):
    """A microphone, or audio as JSON lines."""

    is_lost: bool  # the device has gone, and is looked for

    def pause(self) -> None:
        """Stop listening."""

    def resume(self) -> None:
        """Listen. Raises FatalError ``audio_device_failed``."""


class Control:
    """Whether the service listens, and what commands do to it. ``source`` is None if it cannot be paused."""

    def __init__(
        self, service: Service, source: Pausable | None, status: Callable[[str], Details], paused: bool
    ) -> None:
        self.paused = paused
        self.stopped = False
        self.commanded = False  # whether any command has come
        self._service = service
        self._source = source
        self._report = status

    def handle(self, command: Command) -> Iterator[Event]:
        """Do it; yields what it prints, the acknowledgement last."""
        self.commanded = True
        try:
            if command.kind in ("flush", "pause", "stop"):
                yield from self._finalise(command)
            else:
                details: Details = getattr(self, f"_{command.kind}")(command.fields)
                yield from self._done(command, details)
        except FatalError as error:
            if error.error_code == "internal_error":
                raise
            yield from self._refused(command, error)

    def _finalise(self, command: Command) -> Iterator[Event]:
        if command.kind == "pause" and self._source is None:
            raise bad_setting("only a microphone or --input jsonl can be paused")
        final = None
        for event in self._service.end("shutdown" if command.kind == "stop" else "flush"):
            final = event.trace_id if isinstance(event, Final) else final
            yield event
        if command.kind == "pause" and self._source is not None and not self.paused:
            self._source.pause()
            self.paused = True
        self.stopped = self.stopped or command.kind == "stop"
        yield from self._done(command, (("final", final is not None),), final)

    def _resume(self, _fields: dict[str, Any]) -> Details:
        if self.paused and self._source is not None:
            self._source.resume()
            self._service.restart()
            self.paused = False
        return ()

    def _append(self, _fields: dict[str, Any]) -> Details:
        """The audio was in the inbox before this."""
        return ()

    def _reset(self, _fields: dict[str, Any]) -> Details:
        self._service.reset()
        return ()

    def _set(self, fields: dict[str, Any]) -> Details:
        unknown = set(fields) - set(SETTABLE)
        if unknown or not fields:
            named = ", ".join(sorted(unknown)) or "nothing"
            known = " and ".join(SETTABLE)
            raise FatalError("control_invalid", f"ValueError: core.control.set takes {known}, not {named}")
        for name, value in fields.items():
            if not isinstance(value, SETTABLE[name]):
                raise bad_setting(f"{name} must be a JSON {JSON_NAMES[SETTABLE[name]]}, not {reprlib.repr(value)}")
        checked = {name: check_field(CommonConfig, name, value) for name, value in fields.items()}
        if "endpoint_silence_ms" in checked:
            self._service.set_endpoint_silence(checked["endpoint_silence_ms"])
        if "hotwords" in checked:
            self._service.set_hotwords(checked["hotwords"])
        return ()

    def _status(self, _fields: dict[str, Any]) -> Details:
        if self.paused:
            return self._report("paused")
        is_lost = self._source is not None and self._source.is_lost
        return self._report("recovering" if is_lost else "listening")

    def _done(self, command: Command, details: Details, trace_id: str | None = None) -> Iterator[Event]:
        if command.id is not None:
            yield Ack(trace_id or uuid.uuid4().hex, command.id, True, details)

    def _refused(self, command: Command, error: FatalError) -> Iterator[Event]:
        code = "control_invalid" if error.error_code == "config_invalid" else error.error_code
        if command.id is not None:
            details = (("error_code", code), ("message", str(error)))
            yield Ack(uuid.uuid4().hex, command.id, False, details)
        else:
            yield ErrorEvent(uuid.uuid4().hex, code, str(error))
