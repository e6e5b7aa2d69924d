"""A process before its loop: what is told while a model is prepared, and which commands are answered then."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest

from common.run import process as module
from common.run.process import Process
from common.run.state import RunState
from common.sources.stdin_lines import LineReader
from common.wire.command_lines import Command
from common.wire.events import Ack, Event, State, Status


class Left(Exception):
    """The process has ended."""


class Printed:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event) -> None:
        self.events.append(event)

    def close(self, timeout: float | None = None) -> None:
        """Nothing waits."""


@pytest.fixture
def process(monkeypatch: pytest.MonkeyPatch) -> Any:
    def leave(status: int) -> None:
        raise Left(status)

    monkeypatch.setattr(module.os, "_exit", leave)
    printed: Any = Printed()
    return Process(printed)


def test_a_progress_is_told_once_a_second_and_at_a_change_of_state(
    process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = iter([10.0, 10.4, 10.8, 11.1, 11.1, 11.2])
    monkeypatch.setattr(module.time, "monotonic", lambda: next(now))
    for state, progress in ((State.DOWNLOADING, 0.0), (State.DOWNLOADING, 0.25), (State.DOWNLOADING, 0.5)):
        process.busy(state, progress)
    process.busy(State.DOWNLOADING, 0.75)
    process.busy(State.PREPARING, 0.0)
    events: Any = process.output
    assert [(event.state.value, dict(event.details)["progress"]) for event in events.events] == [
        ("downloading", 0.0),
        ("downloading", 0.75),
        ("preparing", 0.0),
    ]


def test_status_is_answered_while_a_model_is_prepared_and_says_so(process: Process) -> None:
    process.busy(State.PREPARING, 0.5)
    assert process.answer_at_once(Command("status", "7"))
    events: Any = process.output
    assert isinstance(events.events[-1], Ack) and events.events[-1].details[0] == ("state", State.PREPARING)


def test_a_stop_while_a_model_is_prepared_is_acknowledged_and_ends_the_process(process: Process) -> None:
    process.busy(State.PREPARING, 0.5)
    with pytest.raises(Left):
        process.answer_at_once(Command("stop", "7"))
    events: Any = process.output
    _, ack, stopped = events.events
    assert isinstance(ack, Ack) and (ack.id, ack.ok, ack.details) == ("7", True, (("final", False),))
    assert isinstance(stopped, Status) and (stopped.state, stopped.details) == (State.STOPPED, (("exit_status", 0),))


@pytest.mark.parametrize("kind", ["flush", "pause", "resume", "reset", "set"])
def test_what_else_is_asked_waits_for_the_loop(process: Process, kind: str) -> None:
    assert not process.answer_at_once(Command(kind, "7"))


def test_once_the_loop_runs_everything_is_its_own(process: Process) -> None:
    process.state = RunState(State.LISTENING)
    assert not process.answer_at_once(Command("status", "7"))
    assert not process.answer_at_once(Command("stop", "7"))


def test_what_was_answered_at_once_does_not_come_a_second_time(process: Process) -> None:
    out, into = os.pipe()
    lines = [{"type": f"core.control.{kind}", "id": kind} for kind in ("status", "flush", "status")]
    os.write(into, b"".join(json.dumps(line).encode() + b"\n" for line in lines))
    os.close(into)
    reader = LineReader(process.inbox, process.hurry, 16000, False, descriptor=out, answered=process.answer_at_once)
    reader._run()
    left = process.inbox.take_all()
    assert [line.id for line in left.lines] == ["flush"]
    events: Any = process.output
    assert [event.id for event in events.events] == ["status", "status"]
