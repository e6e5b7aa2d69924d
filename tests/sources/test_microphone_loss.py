"""The microphone on devices that can be told what to do: they vanish, fall silent, hang."""

from __future__ import annotations

import json
import logging
import queue
import threading
import time
import types
from dataclasses import asdict
from typing import Any, Iterator

import numpy as np
import pytest

from common.errors import FatalError
from common.run.loop import Loop
from common.run.process import Process
from common.run.state import RunState
from common.sources import capture_process
from common.sources import microphone as module
from common.sources.capture import FAILED, FOUND, LOSS, OPENED, SOUND, Device
from common.sources.capture_process import Packet, next_packet
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, DeviceLost, EndOfInput, Gap, Message
from common.sources.microphone import Microphone
from common.speech.partials import Partials
from common.units import VAD_FRAME_SAMPLES
from common.wire.command_lines import Command
from common.wire.events import ErrorEvent, Event, Final, Partial, State, Status
from tests.speech.scripted import ScriptedEngine, audio, service

PATIENCE = 20.0  # seconds that a test waits for what takes none


class Capture:
    """A process's place, which hears one device. What it found is what was plugged in when it was started."""

    def __init__(self, devices: Devices, wanted: str | None) -> None:
        self.packets: queue.SimpleQueue[Packet] = queue.SimpleQueue()
        self.devices = devices
        names = [name for name in devices.plugged if wanted in (None, "0") or str(wanted) in f"{name}, fake"]
        self.name = names[0] if names else ""
        devices.attempts.release()
        if not names:
            self.fail("no such device")
        else:
            known = f"{self.name}, fake" if wanted is not None else None
            self.say(FOUND, json.dumps(asdict(Device(0, self.name, known, devices.rate, 1))).encode())

    def say(self, kind: bytes, content: bytes = b"") -> None:
        self.packets.put((kind, content))

    def fail(self, why: str) -> None:
        self.say(FAILED, json.dumps(["audio_device_failed", f"PortAudioError: {why}", 1]).encode())

    def open(self) -> None:
        if not self.devices.answers:
            return
        if self.name not in self.devices.plugged:
            return self.fail("the device has gone")
        self.devices.open.append(self)
        self.say(OPENED)
        self.devices.opened.release()

    def close(self) -> None:
        if self in self.devices.open:
            self.devices.open.remove(self)
        self.packets.put(None)

    def speak(self, frames: str) -> None:
        for frame in frames:
            self.say(SOUND, audio(frame).tobytes())

    def end(self) -> None:
        self.packets.put(None)


class Devices:
    """What the system has; called like CaptureProcess."""

    def __init__(self) -> None:
        self.plugged = ["built-in"]
        self.rate = 16000
        self.open: list[Capture] = []
        self.opened = threading.Semaphore(0)
        self.attempts = threading.Semaphore(0)
        self.microphones: list[Microphone] = []
        self.answers = True  # False: a call to open a stream hangs

    def __call__(self, wanted: str | None, channel: int, told: set[bytes]) -> Capture:
        return Capture(self, wanted)

    def stream(self) -> Capture:
        """The one that is opened next."""
        assert self.opened.acquire(timeout=PATIENCE)
        return self.open[-1]

    def microphone(self, inbox: Inbox, device: str | None = None, paused: bool = False) -> Microphone:
        self.microphones.append(Microphone(device, 0, inbox, paused, start=self))
        return self.microphones[-1]


@pytest.fixture
def devices(monkeypatch: pytest.MonkeyPatch) -> Iterator[Devices]:
    monkeypatch.setattr(capture_process, "GRACE_SEC", 0.001)
    monkeypatch.setattr(module, "FIRST_PAUSE_SEC", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SEC", 0.004)
    made = Devices()
    yield made
    for microphone in made.microphones:
        microphone.pause()


def messages(inbox: Inbox, count: int) -> list[Message]:
    return [inbox.get() for _ in range(count)]


def kinds(inbox: Inbox, count: int) -> list[type]:
    return [type(message) for message in messages(inbox, count)]


def unplug(devices: Devices, stream: Capture) -> None:
    devices.plugged = []
    stream.end()


def test_a_loss_is_told_once_and_a_gap_stands_before_what_is_heard_next(
    devices: Devices, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    inbox = Inbox()
    microphone = devices.microphone(inbox)
    stream = devices.stream()
    stream.speak("ab")
    unplug(devices, stream)
    assert kinds(inbox, 3) == [AudioBlock, AudioBlock, DeviceLost]
    assert microphone.is_lost
    for _ in range(10):
        assert devices.attempts.acquire(timeout=PATIENCE)  # each fails, and none is told
    devices.plugged = ["built-in"]
    devices.stream().speak("c")
    gap, block = messages(inbox, 2)
    assert gap == Gap() and isinstance(block, AudioBlock)
    assert not microphone.is_lost
    assert "microphone is back" in caplog.text


def test_a_callback_that_stops_is_a_loss(devices: Devices, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALLBACK_SEC", 0.05)
    inbox = Inbox()
    devices.microphone(inbox)
    devices.stream().speak("a")
    _, lost = messages(inbox, 2)
    assert isinstance(lost, DeviceLost) and "nothing for 0.05 s" in lost.reason


def test_a_thread_that_was_held_up_takes_what_came_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_process, "GRACE_SEC", PATIENCE)
    packets: queue.SimpleQueue[Packet] = queue.SimpleQueue()
    threading.Timer(0.1, packets.put, ((SOUND, b"sound"),)).start()
    assert next_packet(packets, 0.001, "nothing") == (SOUND, b"sound")


def test_a_device_that_opens_and_gives_nothing_is_still_the_same_outage(
    devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_CALLBACK_SEC", 0.02)
    inbox = Inbox()
    devices.microphone(inbox)
    for _ in range(4):
        stream = devices.stream()
    assert kinds(inbox, 1) == [DeviceLost]
    stream.speak("a")
    assert isinstance(inbox.get(), AudioBlock)  # nothing was heard before: there is no gap


def test_another_device_that_is_the_default_by_now_is_taken(devices: Devices) -> None:
    inbox = Inbox()
    devices.microphone(inbox)
    stream = devices.stream()
    devices.plugged = ["headset"]
    stream.end()
    devices.stream().speak("a")
    assert kinds(inbox, 2) == [DeviceLost, AudioBlock]
    assert devices.open[-1].name == "headset"


def test_a_device_chosen_by_its_number_is_found_again_by_its_name(devices: Devices) -> None:
    inbox = Inbox()
    devices.microphone(inbox, "0")
    stream = devices.stream()
    devices.plugged = ["headset", "built-in"]  # now number 1
    stream.end()
    devices.stream()
    assert devices.open[-1].name == "built-in"


def test_pause_and_resume_leave_a_gap_and_see_a_new_default(devices: Devices) -> None:
    inbox = Inbox()
    microphone = devices.microphone(inbox)
    devices.stream().speak("a")
    assert kinds(inbox, 1) == [AudioBlock]
    microphone.pause()
    assert devices.open == []
    devices.plugged = ["headset"]
    microphone.resume()
    devices.stream().speak("b")
    assert kinds(inbox, 2) == [Gap, AudioBlock]
    microphone.pause()


def test_a_pause_in_an_outage_does_not_wait_and_ends_the_attempts(devices: Devices) -> None:
    inbox = Inbox()
    microphone = devices.microphone(inbox)
    unplug(devices, devices.stream())
    assert kinds(inbox, 1) == [DeviceLost]
    microphone.pause()
    assert not microphone.is_lost
    with pytest.raises(FatalError, match="no such device"):
        microphone.resume()
    devices.plugged = ["built-in"]
    microphone.resume()
    devices.stream().speak("a")
    assert kinds(inbox, 1) == [AudioBlock]


def test_a_sound_system_that_hangs_holds_up_neither_pause_nor_resume(
    devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALLBACK_SEC", 0.02)
    monkeypatch.setattr(module, "OPEN_SEC", 0.05)
    inbox = Inbox()
    microphone = devices.microphone(inbox)
    devices.answers = False
    devices.stream().speak("a")
    assert kinds(inbox, 2) == [AudioBlock, DeviceLost]
    microphone.pause()
    with pytest.raises(FatalError, match="does not answer"):
        microphone.resume()
    devices.answers = True
    monkeypatch.setattr(module, "OPEN_SEC", PATIENCE)
    microphone.resume()
    devices.stream().speak("b")
    assert kinds(inbox, 2) == [Gap, AudioBlock]


def test_the_pause_between_two_attempts_doubles_up_to_ten_seconds(
    devices: Devices, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SEC", 0.5)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SEC", 10.0)
    inbox = Inbox()
    microphone = devices.microphone(inbox, paused=True)
    waited: list[float] = []

    class Impatient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0.0)
            return len(waited) > 8

    listening = module.Listening()
    listening.stopping = Impatient()
    keeper = threading.Thread(target=microphone._keep, args=(listening, None))
    keeper.start()
    stream = devices.stream()
    stream.speak("a")
    assert kinds(inbox, 1) == [AudioBlock]
    unplug(devices, stream)
    keeper.join(PATIENCE)
    assert waited == [0.5, 1, 2, 4, 8, 10, 10, 10, 10]


def test_sound_that_portaudio_lost_leaves_a_gap_and_is_warned_of_once(
    devices: Devices, caplog: pytest.LogCaptureFixture
) -> None:
    inbox = Inbox()
    devices.microphone(inbox)
    stream = devices.stream()
    stream.say(LOSS)  # before the first block there is nothing that could be joined
    stream.speak("a")
    for _ in range(2):
        stream.say(LOSS)
        stream.speak("b")
    assert kinds(inbox, 5) == [AudioBlock, Gap, AudioBlock, Gap, AudioBlock]
    assert [record.levelname for record in caplog.records].count("WARNING") == 1


@pytest.mark.parametrize("event", ["command", "loss inside PortAudio", "device lost"])
def test_what_the_resampler_holds_is_put_before_what_cuts(devices: Devices, event: str) -> None:
    devices.rate = 48000
    inbox = Inbox()
    microphone = devices.microphone(inbox)
    stream = devices.stream()
    stream.speak("abcabc")
    while microphone._converter._taken < 6 * VAD_FRAME_SAMPLES:
        time.sleep(0.001)
    if event == "command":
        microphone.cut()
        inbox.put(Command("flush"))
    elif event == "device lost":
        unplug(devices, stream)
    else:
        stream.say(LOSS)
    heard = 0
    while isinstance(message := inbox.get(), AudioBlock):
        heard += len(message.samples)
    assert heard == 6 * VAD_FRAME_SAMPLES // 3
    assert isinstance(message, (Command, DeviceLost, Gap))


def test_fifty_losses_in_a_row_are_each_told_and_the_last_device_is_heard(devices: Devices) -> None:
    inbox = Inbox()
    devices.microphone(inbox)
    threads = threading.active_count()
    for _ in range(50):
        stream = devices.stream()
        stream.speak("a")
        stream.end()
    devices.stream().speak("b")
    assert kinds(inbox, 151) == [AudioBlock, *[DeviceLost, Gap, AudioBlock] * 50]
    assert threading.active_count() == threads


def test_five_seconds_of_exact_zeros_are_warned_of_once(devices: Devices, caplog: pytest.LogCaptureFixture) -> None:
    microphone = devices.microphone(Inbox(), paused=True)
    for _ in range(20):
        microphone.watch_for_silence(np.zeros((16000, 1), dtype=np.float32))
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert "muted" in caplog.text
    microphone.watch_for_silence(np.full((1, 1), 1e-5, dtype=np.float32))
    for _ in range(6):
        microphone.watch_for_silence(np.zeros((16000, 1), dtype=np.float32))
    assert [record.levelname for record in caplog.records].count("WARNING") == 2


def test_the_service_finalises_tells_and_goes_on_with_a_fresh_utterance(devices: Devices) -> None:
    inbox = Inbox()
    microphone: Any = devices.microphone(inbox)
    events: list[Event] = []
    output: Any = types.SimpleNamespace(write=lambda event, _arrived: events.append(event))
    engine = ScriptedEngine()
    loop = Loop(Process(output, inbox, RunState(State.LISTENING)), microphone, service(engine, Partials(True)))
    stream = devices.stream()
    stream.speak("..aaaabb")
    unplug(devices, stream)
    for _ in range(9):
        loop.step()
    devices.plugged = ["built-in"]
    devices.stream().speak("bbbb....")
    for _ in range(9):
        loop.step()
    inbox.put(EndOfInput())
    loop.run()
    sure = pytest.approx(0.9048, abs=1e-4)
    assert [event.state for event in events if isinstance(event, Status)] == ["recovering", "listening"]
    assert [event for event in events if isinstance(event, (Partial, Final))] == [
        Partial("1", "甲", sure),
        Final("1", "甲乙", sure),
        Partial(events[-1].trace_id, "乙", sure),
        Final(events[-1].trace_id, "乙", sure),
    ]
    lost = events[2]
    assert isinstance(lost, ErrorEvent) and lost.error_code == "audio_device_lost"
    assert "goes on by itself" in lost.message
    assert [heard.rstrip(".") for heard in engine.heard()] == [".aaaabb", "bbbb"]


def test_a_device_that_goes_while_paused_is_no_error() -> None:
    inbox = Inbox()
    events: list[Event] = []
    output: Any = types.SimpleNamespace(write=lambda event, _arrived: events.append(event))
    source: Any = types.SimpleNamespace(is_live=True, comes_once=False)
    loop = Loop(Process(output, inbox, RunState(State.PAUSED)), source, service(ScriptedEngine()))
    for message in (DeviceLost("OSError: gone"), AudioBlock(np.zeros(512, np.float32)), EndOfInput()):
        inbox.put(message) if not isinstance(message, AudioBlock) else inbox.put_live(message)
    loop.run()
    assert events == []
