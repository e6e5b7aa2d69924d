"""Falling behind: what a machine that is too slow drops, when, and what it says."""

from __future__ import annotations

import threading
import time
import types
from typing import Any

import numpy as np
import pytest

from common.run.loop import Loop
from common.run.process import Process
from common.run.state import RunState
from common.sources.inbox import DECODE_AFTER_STOP_SEC, LIVE_SEC, Inbox
from common.sources.messages import AudioBlock, DeviceLost, EndOfCommands, EndOfInput, Gap, Stop
from common.speech.partials import Partials
from common.units import VAD_FRAME_SAMPLES
from common.wire.command_lines import Command
from common.wire.events import Ack, ErrorEvent, Event, Final, Partial, State, Status, TurnEnded
from tests.speech.scripted import FrameVad, ScriptedEngine, ScriptedSession, audio, service

SURE = pytest.approx(0.9048, abs=1e-4)
FRAME_SEC = VAD_FRAME_SAMPLES / 16000


class Time:
    """A clock that stands still unless somebody spends time."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class Printed:
    """The output's place: a list of events."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.arrived: list[float | None] = []

    def write(self, event: Event, arrived: float | None = None) -> None:
        self.events.append(event)
        self.arrived.append(arrived)


class Live:
    """The source's place: a microphone."""

    is_live = True
    comes_once = False


class LateSession(ScriptedSession):
    def accept(self, samples: np.ndarray) -> Any:
        self._engine.clock.now += self._engine.seconds  # type: ignore[attr-defined]
        return super().accept(samples)


class LateEngine(ScriptedEngine):
    """Every frame of speech costs it ``seconds``."""

    def __init__(self, clock: Time, seconds: float) -> None:
        super().__init__()
        self.clock, self.seconds = clock, seconds

    def session(self) -> ScriptedSession:
        self.heard_by_session.append([])
        return LateSession(self, self.heard_by_session[-1])


def block(frame: str) -> AudioBlock:
    return AudioBlock(audio(frame))


def spoken_into(inbox: Inbox, frames: str) -> None:
    for frame in frames:
        inbox.put_live(block(frame))


def process_of(inbox: Inbox, output: Any = None) -> Process:
    return Process(output, inbox, RunState(State.LISTENING))


def loop_over(inbox: Inbox, engine: ScriptedEngine) -> tuple[Loop, Printed, Process]:
    printed = Printed()
    process = process_of(inbox, printed)
    return Loop(process, Live(), service(engine, Partials(append_only=True))), printed, process


def overflows(events: list[Event]) -> list[str]:
    return [e.message for e in events if isinstance(e, ErrorEvent) and e.error_code == "audio_overflow"]


def test_five_minutes_of_a_microphone_wait_and_nothing_is_lost() -> None:
    inbox = Inbox()
    seconds = np.zeros(16000, dtype=np.float32)
    for _ in range(int(LIVE_SEC)):
        inbox.put_live(AudioBlock(seconds))
    assert inbox.backlog == LIVE_SEC * 16000
    assert isinstance(inbox.get(), AudioBlock)


def test_when_the_bound_is_reached_the_oldest_whole_blocks_go_and_every_sample_is_counted() -> None:
    inbox = Inbox(live_sec=20 * FRAME_SEC)
    for number in range(47):
        inbox.put_live(AudioBlock(np.full(VAD_FRAME_SAMPLES, number, dtype=np.float32)))
        assert inbox.backlog <= 20 * VAD_FRAME_SAMPLES
    gap = inbox.get()
    assert isinstance(gap, Gap)
    kept = []
    while inbox.backlog:
        message = inbox.get()
        assert isinstance(message, AudioBlock) and len(message.samples) == VAD_FRAME_SAMPLES
        kept.append(int(message.samples[0]))
    assert kept == list(range(gap.dropped // VAD_FRAME_SAMPLES, 47))  # the newest, in order, and one gap before them
    assert gap.dropped + len(kept) * VAD_FRAME_SAMPLES == 47 * VAD_FRAME_SAMPLES


def test_a_gap_ends_the_utterance_before_it_and_says_exactly_how_much_is_missing() -> None:
    inbox = Inbox(live_sec=20 * FRAME_SEC)
    loop, printed, _ = loop_over(inbox, ScriptedEngine())
    spoken_into(inbox, "..aaaabb")
    for _ in range(8):
        loop.step()
    assert printed.events == [Partial("1", "甲", SURE)]
    spoken_into(inbox, "c" * 30 + "dddd" + "." * 4 + "." * 12)
    inbox.put(EndOfInput())
    loop.run()
    final, error, *behind = printed.events[1:]
    assert final == Final("1", "甲乙", SURE)
    [message] = overflows([error])
    kept = 30 + 4 + 4 + 12 - int(message.split()[1]) / 32
    assert (
        message.startswith("OverflowError: ") and " ms of microphone audio were dropped: the machine is too" in message
    )
    assert kept == int(kept) and 18 <= kept <= 20
    assert behind == [Partial("2", "丁", SURE), Final("2", "丁", SURE)]


def test_a_machine_that_stays_too_slow_has_a_gap_now_and_then_and_not_one_a_block() -> None:
    clock = Time()
    inbox = Inbox(live_sec=100 * FRAME_SEC, clock=clock)
    loop, printed, _ = loop_over(inbox, LateEngine(clock, 2 * FRAME_SEC))
    captured = 0.0
    while captured < 1000 * FRAME_SEC:  # a frame of speech takes twice as long as it lasts
        clock.now = max(clock.now, captured)
        while captured <= clock.now:
            spoken_into(inbox, "abcdefghij"[round(captured / FRAME_SEC) // 8 % 10])
            captured += FRAME_SEC
        loop.step()
    dropped = [int(message.split()[1]) / 32 for message in overflows(printed.events)]
    assert min(dropped) >= 10  # a tenth of what the inbox holds
    assert sum(dropped) >= 400  # of the 500 for which there was no time


def test_no_text_crosses_a_gap() -> None:
    inbox = Inbox(live_sec=20 * FRAME_SEC)
    engine = ScriptedEngine()
    loop, _, _ = loop_over(inbox, engine)
    spoken_into(inbox, "..aaaa")
    for _ in range(6):
        loop.step()
    spoken_into(inbox, "a" * 30)
    inbox.put(EndOfInput())
    loop.run()
    first, second = (heard.rstrip(".") for heard in engine.heard())
    assert first == ".aaaa"
    assert 18 <= len(second) <= 20


class Forgetful(FrameVad):
    """Counts how often it was told to forget the stream."""

    def __init__(self) -> None:
        self.forgot = 0

    def reset(self) -> None:
        self.forgot += 1


def test_behind_a_gap_the_service_listens_anew() -> None:
    """The detector remembers nothing of before, and frames are counted from the gap on."""
    vad = Forgetful()
    inbox = Inbox()
    printed = Printed()
    running = service(ScriptedEngine(), Partials(append_only=True), vad=vad)
    loop = Loop(process_of(inbox, printed), Live(), running)
    spoken_into(inbox, "..aaaabb....")
    inbox.put(Gap(16000))
    spoken_into(inbox, "..cccc....")
    inbox.put(EndOfInput())
    loop.run()
    assert vad.forgot == 1
    assert running._frames == len("..cccc....")
    assert [event.text for event in printed.events if isinstance(event, Final)] == ["甲乙", "丙"]


def test_a_device_that_is_lost_ends_the_utterance_and_is_told_by_its_own_name() -> None:
    inbox = Inbox()
    printed = Printed()
    running = service(ScriptedEngine(), turns=True)
    loop = Loop(process_of(inbox, printed), Live(), running)
    spoken_into(inbox, "..aaaabb")
    inbox.put(DeviceLost("OSError: unplugged"))
    for _ in range(9):
        loop.step()
    final, ended, error, status = printed.events[-4:]
    assert isinstance(final, Final) and final.extra is not None
    assert isinstance(ended, TurnEnded)
    assert isinstance(error, ErrorEvent) and isinstance(status, Status)
    assert final.extra.end_reason == ended.reason == "device_lost"
    assert (error.error_code, error.message, status.state) == ("audio_device_lost", "OSError: unplugged", "recovering")


def test_each_event_goes_with_the_time_when_its_audio_arrived() -> None:
    clock = Time()
    inbox = Inbox(clock=clock)
    loop, printed, _ = loop_over(inbox, ScriptedEngine())
    for clock.now, frames in ((1.0, "..aaaabb"), (2.0, "bb....")):
        spoken_into(inbox, frames)
    inbox.put(EndOfInput())
    loop.run()
    assert printed.events == [Partial("1", "甲", SURE), Partial("1", "甲乙", SURE), Final("1", "甲乙", SURE)]
    assert printed.arrived == [1.0, 2.0, 2.0]


def test_the_delay_that_status_tells_is_the_time_since_the_audio_arrived() -> None:
    inbox = Inbox()
    loop, _, process = loop_over(inbox, ScriptedEngine())
    spoken_into(inbox, "..aaaa....")
    inbox.put(EndOfInput())
    begin = time.monotonic()
    loop.run()
    told = dict(process.stats.details(State.LISTENING, 0))
    assert 0 <= told["latency_p50_ms"] <= told["latency_p95_ms"] <= (time.monotonic() - begin) * 1000 + 1000


def test_what_is_heard_is_recorded_and_a_bar_is_told_how_many_seconds_it_was() -> None:
    inbox = Inbox()
    seconds: list[float] = []
    bar: Any = types.SimpleNamespace(update=seconds.append)
    recorded: list[np.ndarray] = []
    recorder: Any = types.SimpleNamespace(write=recorded.append)
    loop = Loop(process_of(inbox, Printed()), Live(), service(ScriptedEngine()), recorder, bar)
    spoken_into(inbox, "..aaaa....")
    inbox.put(EndOfInput())
    loop.run()
    assert seconds == [FRAME_SEC] * 10
    assert np.array_equal(np.concatenate(recorded), audio("..aaaa...."))


def test_a_turn_that_is_given_up_ends_where_the_sound_did() -> None:
    inbox = Inbox()
    printed = Printed()
    process = process_of(inbox, printed)
    loop = Loop(process, Live(), service(ScriptedEngine(), Partials(append_only=True), turns=True))
    spoken_into(inbox, "..aaaabb")
    for _ in range(8):
        loop.step()
    process.stop()
    loop.give_up()
    ended = printed.events[-1]
    assert isinstance(ended, TurnEnded)
    assert (ended.reason, ended.final, ended.heard) == ("shutdown", True, 8 * VAD_FRAME_SAMPLES)


def test_a_file_waits_and_loses_nothing() -> None:
    inbox = Inbox(capacity_sec=FRAME_SEC, live_sec=FRAME_SEC)
    source = threading.Thread(target=lambda: [inbox.put_audio(block(frame)) for frame in "abcdefghij"])
    source.start()
    heard = [inbox.get() for _ in "abcdefghij"]
    source.join()
    assert all(isinstance(message, AudioBlock) for message in heard)


def test_after_a_stop_what_cannot_be_decoded_in_time_is_counted_behind_the_final() -> None:
    clock = Time()
    inbox = Inbox(clock=clock)
    loop, printed, process = loop_over(inbox, LateEngine(clock, 0.1))
    spoken_into(inbox, "..aaaa" + "b" * 100)
    process.stop()
    loop.run()
    *_, final, error = printed.events
    assert final == Final("1", "甲乙", SURE)
    [message] = overflows([error])
    decoded = 106 - int(message.split()[1]) / 32
    assert message.startswith("TimeoutError: ")
    assert decoded == pytest.approx(3 + DECODE_AFTER_STOP_SEC / 0.1, abs=3)
    assert clock.now < 2


def test_what_a_microphone_gives_behind_a_stop_is_not_heard_and_not_counted() -> None:
    inbox = Inbox()
    process_of(inbox).stop()
    inbox.put_live(block("a"))
    assert isinstance(inbox.get(), Stop)
    assert inbox.take_all().samples == 0


def test_commands_in_a_backlog_that_is_dropped_are_still_done_and_acknowledged() -> None:
    clock = Time()
    inbox = Inbox(clock=clock)
    loop, printed, process = loop_over(inbox, ScriptedEngine())
    spoken_into(inbox, "..aaaa")
    inbox.put(Command("flush", "1"))
    spoken_into(inbox, "bbbb")
    process.hurry()
    inbox.put(Command("stop", "2"))
    clock.now = 1.0
    loop.run()
    assert [getattr(event, "id", None) for event in printed.events] == [None, "1", None, "2"]
    assert [message.split()[1] for message in overflows(printed.events)] == [str(6 * 32), str(4 * 32)]


def test_a_model_that_does_not_answer_is_not_waited_for() -> None:
    inbox = Inbox()
    loop, printed, process = loop_over(inbox, ScriptedEngine())
    spoken_into(inbox, "..aaaabb")
    for _ in range(7):
        loop.step()
    process.stop()
    loop.give_up()
    partial, failed, final, dropped = printed.events
    assert isinstance(failed, ErrorEvent) and failed.error_code == "infer_final_failed"
    assert final == Final("1", "甲", SURE)
    assert failed.trace_id == partial.trace_id == "1"
    assert overflows([dropped])[0].startswith("TimeoutError: 32 ms of audio")


def test_an_utterance_that_was_reset_gets_no_final_when_the_service_gives_up() -> None:
    inbox = Inbox()
    loop, printed, _ = loop_over(inbox, ScriptedEngine())
    spoken_into(inbox, "..aaaa")
    inbox.put(Command("reset"))
    for _ in range(7):
        loop.step()
    loop.give_up()
    assert printed.events == [Partial("1", "甲", SURE)]


def test_what_was_dropped_before_a_pause_is_told_though_the_service_is_paused_by_then() -> None:
    inbox = Inbox(live_sec=20 * FRAME_SEC)
    loop, printed, _ = loop_over(inbox, ScriptedEngine())
    device: Any = types.SimpleNamespace(pause=lambda: None)
    loop._commands._source = device
    spoken_into(inbox, "a" * 10)
    inbox.put(Command("pause", "1"))
    spoken_into(inbox, "b" * 30)
    inbox.put(Command("stop", "2"))
    loop.run()
    error, *behind = printed.events
    assert [message.split()[1] for message in overflows([error])] == [str(10 * 32)]
    assert [event.id for event in behind if isinstance(event, Ack)] == ["1", "2"]


def test_what_was_dropped_right_before_the_end_of_commands_is_told() -> None:
    inbox = Inbox(live_sec=20 * FRAME_SEC)
    loop, printed, _ = loop_over(inbox, ScriptedEngine())
    inbox.put(Command("flush"))
    spoken_into(inbox, "a" * 10)
    inbox.put(EndOfCommands())
    spoken_into(inbox, "b" * 30)
    loop.run()
    assert [message.split()[1] for message in overflows(printed.events)] == [str(10 * 32)]


def test_the_end_of_commands_is_the_end_where_it_always_is_and_where_a_command_had_come() -> None:
    for messages, is_end in (([], False), ([Command("flush")], True)):
        inbox = Inbox()
        loop, *_ = loop_over(inbox, ScriptedEngine())
        for message in [*messages, EndOfCommands()]:
            inbox.put(message)
        assert all(loop.step() for _ in messages)
        assert loop.step() is not is_end
    inbox = Inbox()
    loop, *_ = loop_over(inbox, ScriptedEngine())
    inbox.put(EndOfCommands(always=True))
    assert not loop.step()


def test_commands_in_a_gap_do_not_make_it_many() -> None:
    inbox = Inbox(live_sec=20 * FRAME_SEC)
    loop, printed, _ = loop_over(inbox, ScriptedEngine())
    for _ in range(10):
        spoken_into(inbox, "aaaa")
        inbox.put(Command("status", "s"))
    inbox.put(EndOfInput())
    loop.run()
    assert len(overflows(printed.events)) == 1
