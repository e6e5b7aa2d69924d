"""Commands over a service with a scripted engine: their effect, and the acknowledgement behind it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from common.errors import FatalError
from common.run.carry_out import CommandHandler
from common.run.process import Process
from common.run.state import RunState
from common.speech.partials import Partials
from common.speech.service import Service
from common.wire.command_lines import BadLine, Command, parse_line
from common.wire.command_table import BY_KIND, STATUS_KEYS, checked_fields
from common.wire.events import Ack, ErrorEvent, Event, Final, Partial, State, Status
from tests.speech.scripted import ScriptedEngine, audio, service

SURE = pytest.approx(0.9048, abs=1e-4)


class Device:
    """A source that remembers what was done to it."""

    def __init__(self, broken: bool = False) -> None:
        self.done: list[str] = []
        self.is_lost = False
        self._broken = broken

    def pause(self) -> None:
        self.done.append("pause")

    def resume(self) -> None:
        if self._broken:
            raise FatalError("audio_device_failed", "PortAudioError: no such device")
        self.done.append("resume")


class Controlled:
    """A handler and what it acts upon."""

    def __init__(self, device: Device | None, running: Service, paused: bool = False) -> None:
        output: Any = None
        self.process = Process(output, state=RunState(State.PAUSED if paused else State.LISTENING))
        self.handler = CommandHandler(self.process, running, device)

    @property
    def paused(self) -> bool:
        return self.process.state.now is State.PAUSED

    @property
    def stopped(self) -> bool:
        return self.handler.stopped


def controlled(paused: bool = False, broken: bool = False, **settings: Any) -> tuple[Controlled, Service, Device]:
    running = service(ScriptedEngine(), Partials(append_only=True), **settings)
    device = Device(broken)
    return Controlled(device, running, paused), running, device


def told(control: Controlled, kind: str, identity: str | None = "7", **fields: Any) -> list[Event]:
    """What a line on stdin brings."""
    content = {"type": f"core.control.{kind}", **({"id": identity} if identity else {}), **fields}
    parsed = parse_line(json.dumps(content).encode(), takes_audio=False)
    assert isinstance(parsed, (Command, BadLine))
    return list(control.handler.handle(parsed) if isinstance(parsed, Command) else control.handler.refuse(parsed))


def answer(control: Controlled, kind: str, identity: str | None = "7", **fields: Any) -> list[Event]:
    """The same without status events."""
    return [event for event in told(control, kind, identity, **fields) if not isinstance(event, Status)]


def hear(running: Service, frames: str) -> list[Event]:
    return list(running.hear(audio(frames)))


@pytest.mark.parametrize("kind", ["flush", "pause", "stop"])
def test_what_finalises_is_acknowledged_behind_the_final_with_its_trace_id(kind: str) -> None:
    control, running, _ = controlled()
    assert hear(running, "..aaaabb") == [Partial("1", "甲", SURE)]
    assert answer(control, kind) == [Final("1", "甲乙", SURE), Ack("1", "7", True, (("final", True),))]
    assert control.stopped is (kind == "stop")


def test_a_flush_in_silence_says_that_there_was_no_final() -> None:
    control, _, _ = controlled()
    [ack] = answer(control, "flush")
    assert isinstance(ack, Ack)
    assert (ack.ok, ack.details, len(ack.trace_id)) == (True, (("final", False),), 32)


@pytest.mark.parametrize("kind", ["flush", "pause", "resume", "reset", "stop"])
def test_without_an_id_there_is_no_acknowledgement(kind: str) -> None:
    control, running, _ = controlled()
    hear(running, "..aaaa")
    assert not any(isinstance(event, Ack) for event in answer(control, kind, None))


def test_speech_behind_a_flush_is_the_next_utterance_from_its_first_sample() -> None:
    control, running, _ = controlled()
    hear(running, "..aaaa")
    answer(control, "flush")
    assert hear(running, "bbbb....") == [Partial("2", "乙", SURE), Final("2", "乙", SURE)]


def test_reset_drops_the_utterance_without_a_final() -> None:
    control, running, _ = controlled()
    hear(running, "..aaaa")
    [ack] = answer(control, "reset")
    assert isinstance(ack, Ack) and ack.ok
    assert hear(running, "........") == []
    assert hear(running, "bbbb....")[-1] == Final("2", "乙", SURE)


def test_pause_finalises_then_closes_the_device_and_resume_listens_anew() -> None:
    control, running, device = controlled()
    hear(running, "..aaaa")
    final, paused = told(control, "pause", None)
    assert final == Final("1", "甲", SURE)
    assert isinstance(paused, Status) and (paused.state, paused.details) == (State.PAUSED, (("audio_ms", 0),))
    assert (device.done, control.paused) == (["pause"], True)
    answer(control, "pause")
    assert device.done == ["pause"]
    status, ack = told(control, "resume")
    assert isinstance(status, Status) and status.state is State.LISTENING
    assert isinstance(ack, Ack) and ack.ok
    assert (device.done, control.paused) == (["pause", "resume"], False)
    assert hear(running, "bbbb....")[-1] == Final("2", "乙", SURE)


def test_a_device_that_does_not_open_is_told_and_the_service_stays_paused() -> None:
    control, _, _ = controlled(paused=True, broken=True)
    [ack] = answer(control, "resume")
    details = (("error_code", "audio_device_failed"), ("message", "PortAudioError: no such device"))
    assert isinstance(ack, Ack) and (ack.ok, ack.details) == (False, details)
    [error] = answer(control, "resume", None)
    assert isinstance(error, ErrorEvent) and error.error_code == "audio_device_failed"
    assert control.paused


def test_set_changes_the_endpoint_from_the_next_utterance_on() -> None:
    control, running, _ = controlled(endpoint_silence_ms=3 * 32)
    hear(running, "..aaaa")
    [ack] = answer(control, "set", endpoint_silence_ms=6 * 32)
    assert isinstance(ack, Ack) and ack.ok
    assert hear(running, "...")[-1] == Final("1", "甲", SURE)  # this one still ends after three frames
    assert not any(isinstance(event, Final) for event in hear(running, "bbbb....."))
    assert hear(running, ".")[-1] == Final("2", "乙", SURE)


def test_push_to_talk_ends_with_the_flush_alone() -> None:
    control, running, _ = controlled(endpoint_silence_ms=0)
    hear(running, "..aaaa" + "." * 100 + "bb")
    assert answer(control, "flush")[0] == Final("1", "甲乙", SURE)


@pytest.mark.parametrize("fields", [{}, {"endpoint_silence_ms": -1}, {"endpoint_silence_ms": "soon"}, {"colour": 1}])
def test_a_setting_that_cannot_be_used_is_refused_and_nothing_changes(fields: dict[str, Any]) -> None:
    control, running, _ = controlled()
    [ack] = answer(control, "set", **fields)
    assert isinstance(ack, Ack) and not ack.ok
    assert dict(ack.details)["error_code"] == "control_invalid"
    [error] = answer(control, "set", None, **fields)
    assert isinstance(error, ErrorEvent) and error.error_code == "control_invalid"
    assert hear(running, "..aaaa...")[-1] == Final("2", "甲", SURE)  # the error event had a trace_id of its own


def test_status_is_its_own_answer() -> None:
    control, _, _ = controlled(paused=True)
    [ack] = answer(control, "status")
    assert isinstance(ack, Ack) and ack.details[0] == ("state", "paused")
    assert [key for key, _ in ack.details] == list(STATUS_KEYS)


def test_a_resume_while_the_microphone_is_looked_for_says_so_and_status_agrees() -> None:
    control, _, device = controlled()
    answer(control, "pause")
    device.is_lost = True
    [status, ack] = told(control, "resume")
    assert isinstance(status, Status) and status.state is State.RECOVERING
    assert isinstance(ack, Ack) and ack.ok
    [ack] = answer(control, "status")
    assert isinstance(ack, Ack) and ack.details[0] == ("state", "recovering")


def test_a_file_cannot_be_paused_and_the_utterance_goes_on() -> None:
    running = service(ScriptedEngine(), Partials(append_only=True))
    control = Controlled(None, running)
    hear(running, "..aaaa")
    [ack] = answer(control, "pause")
    assert isinstance(ack, Ack) and not ack.ok and not control.paused
    assert hear(running, "bbbb....")[-1] == Final("1", "甲乙", SURE)


@pytest.mark.parametrize("kind", ["flush", "pause", "stop"])
def test_a_failure_too_many_while_finalising_prints_the_final_and_is_fatal(kind: str) -> None:
    running = service(ScriptedEngine(chunk=1, fail_on="c"), Partials(append_only=True))
    control = Controlled(Device(), running)
    hear(running, "..aa" + "c" * 9)
    printed: list[Event] = []
    with pytest.raises(FatalError, match="fails on every chunk"):
        list(running.hear(audio("c")[:-1]))
        running._rest = audio("c")  # a whole frame that was not heard yet
        for event in control.handler.handle(Command(kind, "7")):
            printed.append(event)
    assert isinstance(printed[-1], Final)


def test_a_number_in_quotes_is_no_number() -> None:
    control, _, _ = controlled()
    [ack] = answer(control, "set", endpoint_silence_ms="500")
    assert isinstance(ack, Ack) and not ack.ok
    assert ("error_code", "control_invalid") in ack.details


def test_audio_with_an_id_is_acknowledged() -> None:
    control, _, _ = controlled()
    [ack] = list(control.handler.handle(Command("append", "7")))
    assert isinstance(ack, Ack) and ack.ok


def test_a_value_nested_as_deep_as_json_goes_is_refused_and_ends_nothing() -> None:
    nested: Any = []
    for _ in range(2000):  # deeper than repr can go; json reads such values where the stack is less deep
        nested = [nested]
    for value in (nested, {"a": nested}):
        with pytest.raises(FatalError) as refused:
            checked_fields(BY_KIND["set"], {"hotwords": value})
        assert refused.value.error_code == "control_invalid"


def test_set_answers_which_hotwords_the_model_cannot_write() -> None:
    control, _, _ = controlled()
    [ack] = answer(control, "set", hotwords=["甲乙", "鑫鑫", "丙丁"])
    assert isinstance(ack, Ack) and (ack.ok, ack.details) == (True, (("left_out", ("鑫鑫",)),))
    [ack] = answer(control, "set", hotwords=["甲乙"])
    assert isinstance(ack, Ack) and (ack.ok, ack.details) == (True, ())
