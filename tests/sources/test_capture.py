"""Capture at real cadence against a slow engine: the callback is never held up, and no sample is lost."""

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
    """PortAudio's place: a thread that hands over a block every 32 ms and notes how long the callback kept it."""

    def __init__(self, callback: Callable[..., None], finished_callback: Callable[[], None], **_: Any) -> None:
        self._callback = callback
        self._finished = finished_callback
        self._thread = threading.Thread(target=self._push)
        self.held_up: list[float] = []

    def start(self) -> None:
        self._thread.start()

    def abort(self) -> None:
        self._thread.join()

    def close(self) -> None:
        self._finished()

    def _push(self) -> None:
        begin = time.monotonic()
        frames = np.zeros((BLOCK, 1), dtype=np.float32)
        for number in range(BLOCKS):
            time.sleep(max(0.0, begin + number * BLOCK_SEC - time.monotonic()))
            frames[:, 0] = 0.3 + np.arange(number * BLOCK, (number + 1) * BLOCK) / 1e6  # PortAudio reuses its buffer
            before = time.monotonic()
            self._callback(frames, BLOCK, None, None)
            self.held_up.append(time.monotonic() - before)
            frames[:] = np.nan


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


class SlowSession(ScriptedSession):
    def accept(self, samples: np.ndarray) -> Any:
        time.sleep(0.05)  # a frame of 32 ms takes 50: never in time
        return super().accept(samples)


class SlowEngine(ScriptedEngine):
    def session(self) -> ScriptedSession:
        self.heard_by_session.append([])
        return SlowSession(self, self.heard_by_session[-1])


def test_a_slow_engine_never_holds_up_the_callback_and_no_sample_is_lost(streams: list[FakeStream]) -> None:
    inbox = Inbox()
    microphone = Microphone(None, 0, inbox, paused=False)
    running = service(SlowEngine(chunk=1000), Partials(append_only=True), pre_roll_ms=320)
    heard: list[np.ndarray] = []
    while sum(map(len, heard)) < BLOCKS * BLOCK:
        message = inbox.get()
        assert isinstance(message, AudioBlock)
        heard.append(message.samples)
        list(running.hear(message.samples, inbox.backlog))
    microphone.pause()
    assert np.array_equal(np.concatenate(heard), (0.3 + np.arange(BLOCKS * BLOCK) / 1e6).astype(np.float32))
    assert max(streams[0].held_up) < BLOCK_SEC
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
