"""--idle-flush-ms: an utterance whose sender has stopped sending ends by the clock."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from common.run.loop import Loop
from common.run.process import Process
from common.run.state import RunState
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfInput
from common.speech.partials import Partials
from common.wire.command_lines import Command
from common.wire.events import Ack, EndReason, Event, Final, Partial, State, TurnEnded
from tests.speech.scripted import ScriptedEngine, audio, service

SURE = pytest.approx(0.9048, abs=1e-4)


class Sender:
    is_live = True
    comes_once = True


class Printed:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event, _arrived: float = 0.0) -> None:
        self.events.append(event)


def loop_over(inbox: Inbox, idle_sec: float) -> tuple[Loop, list[Event]]:
    printed: Any = Printed()
    running = service(ScriptedEngine(), Partials(append_only=True), turns=True)
    process = Process(printed, inbox, RunState(State.LISTENING))
    return Loop(process, Sender(), running, idle_sec=idle_sec), printed.events


def test_an_open_utterance_ends_when_no_audio_has_come_for_so_long() -> None:
    inbox = Inbox()
    loop, events = loop_over(inbox, 0.05)
    inbox.put_audio(AudioBlock(audio("..aaaabb")))
    loop.step()
    begin = time.monotonic()
    loop.step()
    assert time.monotonic() - begin < 5
    assert events[-2] == Final("1", "甲乙", SURE)
    assert isinstance(events[-1], TurnEnded) and events[-1].reason is EndReason.IDLE
    inbox.put_audio(AudioBlock(audio("cccc")))
    loop.step()
    assert [event.text for event in events if isinstance(event, Partial)] == ["甲", "丙"]


def test_commands_do_not_put_it_off() -> None:
    now = [0.0]
    inbox = Inbox(clock=lambda: now[0])
    loop, events = loop_over(inbox, 1.0)
    inbox.put_audio(AudioBlock(audio("..aaaabb")))
    loop.step()
    now[0] = 0.9
    inbox.put(Command("status", "7"))
    loop.step()
    now[0] = 1.1
    loop.step()
    assert [type(event) for event in events[-3:]] == [Ack, Final, TurnEnded]


@pytest.mark.parametrize("idle_sec", [0.01, float("inf")])
def test_in_silence_and_without_the_setting_nothing_ends(idle_sec: float) -> None:
    inbox = Inbox()
    loop, events = loop_over(inbox, idle_sec)
    if idle_sec < 1:
        inbox.put_audio(AudioBlock(np.zeros(16000, np.float32)))
    else:
        inbox.put_audio(AudioBlock(audio("..aaaabb")))
    inbox.put(EndOfInput())
    loop.run()
    assert not any(isinstance(event, TurnEnded) and event.reason is EndReason.IDLE for event in events)
