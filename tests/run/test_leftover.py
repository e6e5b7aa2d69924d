"""What an end finds undone: sound that was read from stdin is decoded or told, lines with an id are answered."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from typing import Any

import numpy as np

from common.run.loop import Loop
from common.run.process import Process
from common.run.state import RunState
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock
from common.sources.stdin_lines import LineReader
from common.speech.partials import Partials
from common.wire.command_lines import Command
from common.wire.events import Ack, ErrorEvent, Event, State
from tests.speech.scripted import ScriptedEngine, audio, service


class Printed:
    def __init__(self) -> None:
        self.events: list[Event] = []

    def write(self, event: Event, _arrived: float = 0.0) -> None:
        self.events.append(event)


def world(descriptor: int) -> tuple[Process, LineReader, Loop, Printed]:
    printed: Any = Printed()
    process = Process(printed, Inbox(), RunState(State.LISTENING))
    reader = LineReader(process.inbox, process.hurry, 16000, takes_audio=True, descriptor=descriptor)
    return process, reader, Loop(process, reader, service(ScriptedEngine(), Partials(append_only=True))), printed


def append(frames: str) -> bytes:
    pcm = (audio(frames) * 32768).astype("<i2").tobytes()
    return json.dumps({"type": "voice.audio.append", "audio": base64.b64encode(pcm).decode()}).encode() + b"\n"


def wait_until(condition: Any) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


def test_sound_that_waits_at_the_door_when_a_signal_comes_is_told_to_the_millisecond() -> None:
    out, into = os.pipe()
    process, reader, loop, printed = world(out)
    seconds = 32  # 31.25 frames of 32 ms are a second
    lines = b"".join(append("." * 125) for _ in range(seconds // 4))  # more than the inbox takes
    reader.start()
    threading.Thread(target=os.write, args=(into, lines), daemon=True).start()
    wait_until(lambda: process.inbox._doors and process.inbox.backlog >= 2 * 16000)
    process.stop()
    wait_until(lambda: not process.inbox._doors)
    inside = process.inbox.backlog
    process.inbox._decode_until = -1.0  # no time to decode any of it
    loop.run()
    told = [event for event in printed.events if isinstance(event, ErrorEvent)]
    assert {event.error_code for event in told} == {"audio_overflow"}
    assert sum(int(event.message.split()[1]) for event in told) == inside // 16
    os.close(into)


def test_every_line_that_was_read_when_the_end_had_begun_is_answered_and_not_done() -> None:
    out, into = os.pipe()
    _, reader, loop, printed = world(out)
    flush = b'{"type":"core.control.flush","id":"late"}\n'
    os.write(into, b'{"type":"voice.audio.end","id":"end"}\n' + flush + b'{"type":"nothing","id":7}\n')
    os.close(into)
    reader._run()
    loop.run()
    acks = [event for event in printed.events if isinstance(event, Ack)]
    assert [(ack.id, ack.ok) for ack in acks] == [("end", True), ("late", False), (7, False)]
    assert acks[1].details[0] == ("error_code", "control_invalid")


def test_commands_for_which_the_last_resort_leaves_no_time_are_told_once() -> None:
    out, _into = os.pipe()
    process, _, loop, printed = world(out)
    for number in range(1000):
        process.inbox.put(Command("flush", number))
    process.stop()
    loop.give_up()
    [told] = printed.events
    assert isinstance(told, ErrorEvent) and told.error_code == "control_invalid"
    assert told.message.startswith("TimeoutError: 1000 lines on stdin")


def test_what_waits_at_the_door_is_let_in_when_a_stop_is_on_its_way() -> None:
    inbox = Inbox(capacity_sec=0.1)
    block = AudioBlock(np.zeros(16000, np.float32))
    source = threading.Thread(target=inbox.put_all, args=([block, Command("flush", "1"), block],))
    source.start()
    wait_until(lambda: inbox.backlog == 16000)
    assert source.is_alive()
    inbox.hurry()
    source.join(20)
    assert inbox.take_all().samples == 32000
