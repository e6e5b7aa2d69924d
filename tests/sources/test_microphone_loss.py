"""The microphone on a PortAudio that can be told what to do: devices vanish, callbacks stop, calls hang."""

from __future__ import annotations

import logging
import queue
import sys
import threading
import types
from typing import Any, Callable

import numpy as np
import pytest

from common.errors import FatalError
from common.run.loop import Loop
from common.run.process import Process
from common.run.state import RunState
from common.sources import microphone as module
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, DeviceLost, EndOfInput, Gap, Message
from common.sources.microphone import Microphone
from common.speech.partials import Partials
from common.units import VAD_FRAME_SAMPLES
from common.wire.events import ErrorEvent, Event, Final, Partial, State, Status
from tests.speech.scripted import ScriptedEngine, audio, service

PATIENCE = 20.0  # seconds that a test waits for what takes none


class Stream:
    def __init__(self, portaudio: PortAudio, callback: Callable[..., None], finished_callback: Callable[[], None]):
        self.portaudio, self.callback, self.finish = portaudio, callback, finished_callback

    def start(self) -> None:
        self.portaudio.open.append(self)
        self.portaudio.started.release()

    def abort(self) -> None:
        assert self.portaudio.answers.wait(PATIENCE)

    def close(self) -> None:
        if self in self.portaudio.open:
            self.portaudio.open.remove(self)
        self.finish()

    def speak(self, frames: str) -> None:
        for frame in frames:
            self.callback(audio(frame)[:, None], VAD_FRAME_SAMPLES, None, None)


class PortAudio(types.ModuleType):
    """sounddevice's place: one device or none, as it was when PortAudio was initialised last."""

    PortAudioError = OSError

    def __init__(self) -> None:
        super().__init__("sounddevice")
        self.plugged = ["built-in"]  # what the system has
        self.known = ["built-in"]  # what PortAudio has seen
        self.open: list[Stream] = []
        self.started = threading.Semaphore(0)
        self.attempts = threading.Semaphore(0)
        self.answers = threading.Event()  # cleared: a call to close a stream hangs
        self.answers.set()

    def _terminate(self) -> None:
        assert not self.open, "terminated with a stream open"
        self.known = []

    def _initialize(self) -> None:
        self.known = list(self.plugged)

    def query_devices(self, wanted: Any = None, kind: str = "") -> dict[str, Any]:
        self.attempts.release()
        names = [name for name in self.known if wanted is None or str(wanted) in f"{name}, fake" or wanted == 0]
        if not names:
            raise ValueError("no such device")
        number = self.known.index(names[0])
        settings = {"max_input_channels": 1, "default_samplerate": 16000.0, "hostapi": 0}
        return {"index": number, "name": names[0], **settings}

    def query_hostapis(self, _: int) -> dict[str, str]:
        return {"name": "fake"}

    def check_input_settings(self, **_: Any) -> None:
        pass

    def InputStream(self, device: int, **options: Any) -> Stream:
        if self.known[device] not in self.plugged:
            raise OSError("the device has gone")
        self.opened_name = self.known[device]
        return Stream(self, options["callback"], options["finished_callback"])

    def stream(self) -> Stream:
        """The stream that is started next."""
        assert self.started.acquire(timeout=PATIENCE)
        return self.open[-1]


@pytest.fixture
def portaudio(monkeypatch: pytest.MonkeyPatch) -> PortAudio:
    fake = PortAudio()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    monkeypatch.setattr(module, "GRACE_SEC", 0.001)
    monkeypatch.setattr(module, "FIRST_PAUSE_SEC", 0.001)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SEC", 0.004)
    return fake


def messages(inbox: Inbox, count: int) -> list[Message]:
    return [inbox.get() for _ in range(count)]


def kinds(inbox: Inbox, count: int) -> list[type]:
    return [type(message) for message in messages(inbox, count)]


def unplug(portaudio: PortAudio, stream: Stream) -> None:
    portaudio.plugged = []
    stream.finish()


def test_a_loss_is_told_once_and_a_gap_stands_before_what_is_heard_next(
    portaudio: PortAudio, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    inbox = Inbox()
    microphone = Microphone(None, 0, inbox, paused=False)
    stream = portaudio.stream()
    stream.speak("ab")
    unplug(portaudio, stream)
    assert kinds(inbox, 3) == [AudioBlock, AudioBlock, DeviceLost]
    assert microphone.is_lost
    for _ in range(10):
        assert portaudio.attempts.acquire(timeout=PATIENCE)  # each fails, and none is told
    portaudio.plugged = ["built-in"]
    portaudio.stream().speak("c")
    gap, block = messages(inbox, 2)
    assert gap == Gap() and isinstance(block, AudioBlock)
    assert not microphone.is_lost
    assert "microphone is back" in caplog.text


def test_a_callback_that_stops_is_a_loss(portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CALLBACK_SEC", 0.05)
    inbox = Inbox()
    Microphone(None, 0, inbox, paused=False)
    portaudio.stream().speak("a")
    _, lost = messages(inbox, 2)
    assert isinstance(lost, DeviceLost) and "nothing for 0.05 s" in lost.reason


def test_a_thread_that_was_held_up_takes_what_came_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GRACE_SEC", PATIENCE)
    heard: queue.SimpleQueue[np.ndarray | None] = queue.SimpleQueue()
    threading.Timer(0.1, heard.put, (audio("a"),)).start()
    frames = module._next(heard, 0.001)
    assert frames is not None and len(frames) == VAD_FRAME_SAMPLES


def test_a_device_that_opens_and_gives_nothing_is_still_the_same_outage(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_CALLBACK_SEC", 0.02)
    inbox = Inbox()
    Microphone(None, 0, inbox, paused=False)
    for _ in range(4):
        stream = portaudio.stream()
    assert kinds(inbox, 1) == [DeviceLost]
    stream.speak("a")
    assert isinstance(inbox.get(), AudioBlock)  # nothing was heard before: there is no gap


def test_another_device_that_is_the_default_by_now_is_taken(portaudio: PortAudio) -> None:
    inbox = Inbox()
    Microphone(None, 0, inbox, paused=False)
    stream = portaudio.stream()
    portaudio.plugged = ["headset"]
    stream.finish()
    portaudio.stream().speak("a")
    assert kinds(inbox, 2) == [DeviceLost, AudioBlock]
    assert portaudio.opened_name == "headset"


def test_a_device_chosen_by_its_number_is_found_again_by_its_name(portaudio: PortAudio) -> None:
    inbox = Inbox()
    Microphone("0", 0, inbox, paused=False)
    stream = portaudio.stream()
    portaudio.plugged = ["headset", "built-in"]  # now number 1
    stream.finish()
    portaudio.stream()
    assert portaudio.opened_name == "built-in"


def test_pause_and_resume_leave_a_gap_and_see_a_new_default(portaudio: PortAudio) -> None:
    inbox = Inbox()
    microphone = Microphone(None, 0, inbox, paused=False)
    portaudio.stream().speak("a")
    assert kinds(inbox, 1) == [AudioBlock]
    microphone.pause()
    assert portaudio.open == []
    portaudio.plugged = ["headset"]
    microphone.resume()
    portaudio.stream().speak("b")
    assert kinds(inbox, 2) == [Gap, AudioBlock]
    microphone.pause()


def test_a_pause_in_an_outage_does_not_wait_and_ends_the_attempts(portaudio: PortAudio) -> None:
    inbox = Inbox()
    microphone = Microphone(None, 0, inbox, paused=False)
    unplug(portaudio, portaudio.stream())
    assert kinds(inbox, 1) == [DeviceLost]
    microphone.pause()
    with pytest.raises(FatalError, match="no such device"):  # it has its turn only when the attempts have ended
        microphone.resume()
    portaudio.plugged = ["built-in"]
    microphone.resume()
    portaudio.stream().speak("a")
    assert kinds(inbox, 1) == [AudioBlock]


def test_a_sound_system_that_hangs_holds_up_neither_pause_nor_resume(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "CALLBACK_SEC", 0.02)
    monkeypatch.setattr(module, "OPEN_SEC", 0.05)
    inbox = Inbox()
    microphone = Microphone(None, 0, inbox, paused=False)
    portaudio.answers.clear()
    portaudio.stream().speak("a")
    assert kinds(inbox, 2) == [AudioBlock, DeviceLost]
    microphone.pause()
    with pytest.raises(FatalError, match="does not answer"):
        microphone.resume()
    portaudio.answers.set()
    monkeypatch.setattr(module, "OPEN_SEC", PATIENCE)
    microphone.resume()
    portaudio.stream().speak("b")
    assert kinds(inbox, 2) == [Gap, AudioBlock]


def test_the_pause_between_two_attempts_doubles_up_to_ten_seconds(
    portaudio: PortAudio, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "FIRST_PAUSE_SEC", 0.5)
    monkeypatch.setattr(module, "LONGEST_PAUSE_SEC", 10.0)
    inbox = Inbox()
    microphone = Microphone(None, 0, inbox, paused=True)
    waited: list[float] = []

    class Impatient(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            waited.append(timeout or 0.0)
            return len(waited) > 8

    listening = module.Listening()
    listening.stopping = Impatient()
    keeper = threading.Thread(target=microphone._keep, args=(listening,))
    keeper.start()
    stream = portaudio.stream()
    stream.speak("a")
    assert kinds(inbox, 1) == [AudioBlock]
    unplug(portaudio, stream)
    keeper.join(PATIENCE)
    assert waited == [0.5, 1, 2, 4, 8, 10, 10, 10, 10]


def test_the_service_finalises_tells_and_goes_on_with_a_fresh_utterance(portaudio: PortAudio) -> None:
    inbox = Inbox()
    microphone: Any = Microphone(None, 0, inbox, paused=False)
    events: list[Event] = []
    output: Any = types.SimpleNamespace(write=lambda event, _arrived: events.append(event))
    engine = ScriptedEngine()
    loop = Loop(Process(output, inbox, RunState(State.LISTENING)), microphone, service(engine, Partials(True)))
    stream = portaudio.stream()
    stream.speak("..aaaabb")
    unplug(portaudio, stream)
    for _ in range(9):
        loop.step()
    portaudio.plugged = ["built-in"]
    portaudio.stream().speak("bbbb....")
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
