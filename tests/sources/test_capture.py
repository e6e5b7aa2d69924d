"""Capture against an engine that takes its time: the callback never waits for it, and no sample is lost."""

from __future__ import annotations

import sys
import threading
import time
import types
from typing import Any, Callable

import numpy as np
import pytest

from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock
from common.sources.microphone import BLOCK_SEC, Microphone
from common.speech.partials import Partials
from tests.speech.scripted import ScriptedEngine, ScriptedSession, service

BLOCKS = 60
BLOCK = int(BLOCK_SEC * 16000)


class FakeStream:
    """PortAudio's place: a thread that hands over one block after the other and notes what each costs the callback."""

    def __init__(self, callback: Callable[..., None], finished_callback: Callable[[], None], **_: Any) -> None:
        self._callback = callback
        self._finished = finished_callback
        self._thread = threading.Thread(target=self._push)
        self.worked: list[float] = []  # seconds of the processor's time, which other programs do not lengthen
        self.took: list[float] = []  # seconds by the clock, which they do
        self.all_taken = threading.Event()

    def start(self) -> None:
        self._thread.start()

    def abort(self) -> None:
        self._thread.join()

    def close(self) -> None:
        self._finished()

    def _push(self) -> None:
        frames = np.zeros((BLOCK, 1), dtype=np.float32)
        for number in range(BLOCKS):
            frames[:, 0] = 0.3 + np.arange(number * BLOCK, (number + 1) * BLOCK) / 1e6  # PortAudio reuses its buffer
            before = time.thread_time(), time.monotonic()
            self._callback(frames, BLOCK, None, None)
            self.worked.append(time.thread_time() - before[0])
            self.took.append(time.monotonic() - before[1])
            frames[:] = np.nan
        self.all_taken.set()


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[FakeStream]:
    made: list[FakeStream] = []
    fake = types.ModuleType("sounddevice")
    device = {"index": 0, "name": "fake", "max_input_channels": 1, "default_samplerate": 16000.0}

    def stream(**options: Any) -> FakeStream:
        made.append(FakeStream(**options))
        return made[-1]

    fake.query_devices = lambda *_: device  # type: ignore[attr-defined]
    fake.check_input_settings = lambda **_: None  # type: ignore[attr-defined]
    fake.InputStream = stream  # type: ignore[attr-defined]
    fake.PortAudioError = OSError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return made


class PatientEngine(ScriptedEngine):
    """Its first piece of audio takes until the microphone has handed over all that it will: far more than 32 ms."""

    def __init__(self, streams: list[FakeStream]) -> None:
        super().__init__(chunk=1000)
        self._streams = streams
        self.waited: list[bool] = []  # whether everything came meanwhile

    def session(self) -> ScriptedSession:
        session = super().session()
        accept = session.accept

        def wait_and_accept(samples: np.ndarray) -> Any:
            self.waited.append(self._streams[0].all_taken.wait(20))
            return accept(samples)

        session.accept = wait_and_accept  # type: ignore[method-assign]
        return session


def test_an_engine_that_takes_its_time_never_holds_up_the_callback_and_no_sample_is_lost(
    streams: list[FakeStream],
) -> None:
    inbox = Inbox()
    microphone = Microphone(None, 0, inbox, paused=False)
    engine = PatientEngine(streams)
    running = service(engine, Partials(append_only=True), pre_roll_ms=320)
    heard: list[np.ndarray] = []
    while sum(map(len, heard)) < BLOCKS * BLOCK:
        message = inbox.get()
        assert isinstance(message, AudioBlock)
        heard.append(message.samples)
        list(running.hear(message.samples, inbox.backlog))
    microphone.pause()
    assert np.array_equal(np.concatenate(heard), (0.3 + np.arange(BLOCKS * BLOCK) / 1e6).astype(np.float32))
    assert engine.waited and all(engine.waited)
    assert max(streams[0].worked) < BLOCK_SEC and min(streams[0].took) < BLOCK_SEC
    assert inbox.backlog == 0


def test_five_seconds_of_exact_zeros_are_warned_of_once(
    streams: list[FakeStream], caplog: pytest.LogCaptureFixture
) -> None:
    microphone = Microphone(None, 0, Inbox(), paused=True)
    for _ in range(20):
        microphone.watch_for_silence(np.zeros((16000, 1), dtype=np.float32))
    assert [record.levelname for record in caplog.records].count("WARNING") == 1
    assert "muted" in caplog.text
    microphone.watch_for_silence(np.full((1, 1), 1e-5, dtype=np.float32))
    for _ in range(6):
        microphone.watch_for_silence(np.zeros((16000, 1), dtype=np.float32))
    assert [record.levelname for record in caplog.records].count("WARNING") == 2
