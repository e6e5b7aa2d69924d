"""The program that hears a microphone, on a PortAudio that does as it is told: it gives sound, spins, hangs."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import IO, Any, Callable, Iterator

import numpy as np
import pytest

from common.sources.capture import BLOCK_SEC, FAILED, FOUND, HEADER, LOSS, OPENED, SOUND, Capture
from common.sources.capture_process import CaptureProcess, next_packet
from tests.audio import ROOT

BLOCKS = 60
BLOCK = int(BLOCK_SEC * 16000)
PATIENCE = 20.0  # seconds that a test waits for what takes none
DEVICE = {"index": 0, "name": "fake", "max_input_channels": 1, "default_samplerate": 16000.0, "hostapi": 0}
FAKE_SOUNDDEVICE = """
import os, threading, time
PortAudioError = OSError
def query_devices(*_): return {device!r}
def check_input_settings(**_): pass
class RawInputStream:
    def __init__(self, callback, finished_callback, **_): self.callback = callback
    def start(self):
        threading.Thread(target=self.{behaviour}, daemon=True).start()
    def gives(self):
        while True:
            self.callback(bytes({block}), 512, None, None)
            time.sleep(0.01)
    def spins(self):
        self.callback(bytes({block}), 512, None, None)
        while True:
            os.write(2, b"Expression 'ready' failed in 'alsa.c', line: 3958\\n" * 500)
    def abort(self):
        if "{behaviour}" == "spins":
            while True: time.sleep(1)
    def close(self): pass
"""


class FakeStream:
    """PortAudio's place: a thread that hands over block after block."""

    def __init__(self, callback: Callable[..., None], finished_callback: Callable[[], None], **_: Any) -> None:
        self._callback = callback
        self._finished = finished_callback
        self.thread = threading.Thread(target=self._push)

    def start(self) -> None:
        self.thread.start()

    def abort(self) -> None:
        self.thread.join()

    def close(self) -> None:
        """Nothing is left."""

    def _push(self) -> None:
        frames = np.zeros(BLOCK, dtype=np.float32)
        for number in range(BLOCKS):
            frames[:] = np.arange(number * BLOCK, (number + 1) * BLOCK)  # PortAudio uses its buffer again
            status = types.SimpleNamespace(input_overflow=number == BLOCKS // 2)
            self._callback(memoryview(frames).cast("B"), BLOCK, None, status)
            frames[:] = np.nan
        self._finished()


@pytest.fixture
def streams(monkeypatch: pytest.MonkeyPatch) -> list[FakeStream]:
    made: list[FakeStream] = []
    fake = types.ModuleType("sounddevice")

    def stream(**options: Any) -> FakeStream:
        made.append(FakeStream(**options))
        return made[-1]

    fake.query_devices = lambda *_: DEVICE  # type: ignore[attr-defined]
    fake.check_input_settings = lambda **_: None  # type: ignore[attr-defined]
    fake.RawInputStream = stream  # type: ignore[attr-defined]
    fake.PortAudioError = OSError  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return made


def packets_in(pipe: IO[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """What the program writes."""
    while header := pipe.read(HEADER.size):
        kind, size = HEADER.unpack(header)
        yield kind, pipe.read(size)


def test_a_reader_that_does_not_read_holds_up_no_callback_and_loses_no_sample(streams: list[FakeStream]) -> None:
    out, into = os.pipe()
    go_out, go = os.pipe()
    os.write(go, b"\n")
    program = threading.Thread(target=lambda: (Capture(go_out, into).run(None, 0), os.close(into)))
    program.start()
    with os.fdopen(out, "rb") as pipe:
        packets = packets_in(pipe)
        assert [next(packets)[0], next(packets)[0]] == [FOUND, OPENED]
        streams[0].thread.join(PATIENCE)
        assert not streams[0].thread.is_alive()  # every block was taken, and the pipe holds half of them
        rest = list(packets)
    program.join()  # its stdin stays open: where that ends it ends the process
    assert [kind for kind, _ in rest] == [SOUND] * (BLOCKS // 2) + [LOSS] + [SOUND] * (BLOCKS // 2)
    heard = np.frombuffer(b"".join(content for kind, content in rest if kind == SOUND), np.float32)
    assert np.array_equal(heard, np.arange(BLOCKS * BLOCK))


def started(folder: Path, monkeypatch: pytest.MonkeyPatch, behaviour: str) -> CaptureProcess:
    """The real program on a PortAudio that ``gives`` sound, or ``spins`` as the one in Debian 12 does."""
    code = FAKE_SOUNDDEVICE.format(device=DEVICE, block=4 * BLOCK, behaviour=behaviour)
    (folder / "sounddevice.py").write_text(code, encoding="utf-8")
    monkeypatch.setenv("PYTHONPATH", str(folder))
    return CaptureProcess(None, 0, set())


def kinds(capture: CaptureProcess, count: int) -> list[bytes]:
    return [next_packet(capture.packets, PATIENCE, "nothing came")[0] for _ in range(count)]


def test_a_device_is_opened_when_asked_and_its_end_ends_the_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    capture = started(tmp_path, monkeypatch, "gives")
    assert kinds(capture, 1) == [FOUND]
    time.sleep(0.1)
    assert capture.packets.empty()
    capture.open()
    assert kinds(capture, 3) == [OPENED, SOUND, SOUND]
    capture.close()
    assert capture._process.returncode == 0


def test_a_portaudio_that_spins_and_hangs_is_ended_and_what_it_printed_is_a_line_and_how_often(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    capture = started(tmp_path, monkeypatch, "spins")
    capture.open()
    assert kinds(capture, 3) == [FOUND, OPENED, SOUND]
    time.sleep(1)
    begin = time.monotonic()
    capture.close()
    assert time.monotonic() - begin < 5
    assert capture._process.poll() is not None
    deadline = time.monotonic() + PATIENCE
    while "times" not in caplog.text and time.monotonic() < deadline:
        time.sleep(0.02)
    lines = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(lines) == 2
    assert lines[0] == "PortAudio: Expression 'ready' failed in 'alsa.c', line: 3958"
    assert lines[1].startswith(lines[0] + ": ") and lines[1].endswith(" times")
    assert 100 < int(lines[1].split()[-2]) < 200_000  # it is read slowly, and so printed slowly


def test_a_portaudio_that_is_missing_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    capture = CaptureProcess(None, 0, set())
    kind, content = next_packet(capture.packets, PATIENCE, "nothing came")
    assert kind == FAILED and "libportaudio2" in json.loads(content)[1]
    with pytest.raises(ConnectionError):
        next_packet(capture.packets, PATIENCE, "nothing came")
    capture.close()


PARENT = """
import os, sys, time
from common.sources.capture_process import CaptureProcess
capture = CaptureProcess(None, 0, set())
capture.open()
while capture.packets.get()[0] != b"S": pass
print(capture._process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_the_program_ends_with_whoever_started_it_and_with_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(tmp_path, monkeypatch, "gives").close()
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdout=subprocess.PIPE,
        cwd=str(ROOT),
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"},
    )
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        os.kill(child, number)
    time.sleep(0.2)
    os.kill(child, 0)  # it is there
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + PATIENCE
    while Path(f"/proc/{child}").exists() and "Z" not in Path(f"/proc/{child}/stat").read_text().split(")")[-1]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
