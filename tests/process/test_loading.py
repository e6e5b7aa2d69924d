"""Ends that come while the model loads: nothing waits for it."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.process.spawned import MINUTES, checked, command, environment, slow_loading
from tests.process.test_microphone import listening_to, needs_pulseaudio, playable, prepare
from tests.process.virtual_microphone import virtual_microphone

PROMPTLY = 5  # seconds: 2, and more on a busy machine; far below what the loading takes


def loading(folder: Path, stdout: int) -> subprocess.Popen[bytes]:
    """A service in the middle of its loading, and there inside a library."""
    slowly, _ = slow_loading(folder, MINUTES)
    process = subprocess.Popen(
        command("asr_service", "--demo", "--input", "-", "--engine", "torch", "--device", "cpu"),
        stdin=subprocess.PIPE,
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment(**slowly),
    )
    assert process.stderr is not None
    while b"demo: a small model" not in process.stderr.readline():  # the last line before the packages are imported
        assert process.poll() is None
    return process


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_while_the_model_loads_ends_at_once(tmp_path: Path, number: signal.Signals) -> None:
    process = loading(tmp_path, subprocess.PIPE)
    process.send_signal(number)
    stdout, log = process.communicate(timeout=PROMPTLY)
    assert (process.returncode, stdout) == (0, b"")
    assert b"Traceback" not in log


def test_a_reader_that_leaves_while_the_model_loads_ends_it(tmp_path: Path) -> None:
    read_end, write_end = os.pipe()
    process = loading(tmp_path, write_end)
    os.close(write_end)
    os.close(read_end)
    _, log = process.communicate(timeout=PROMPTLY)
    assert process.returncode == 0
    assert b"Traceback" not in log


@needs_pulseaudio
def test_what_a_microphone_heard_before_the_model_was_there_is_counted(tmp_path: Path) -> None:
    with virtual_microphone(tmp_path) as microphone:
        prepare(microphone)
        slowly, _ = slow_loading(tmp_path)
        microphone.environment.update(slowly)
        with listening_to(microphone) as running:
            running.wait_for(b"microphone:", "log")
            microphone.play(playable(tmp_path))
            begin = time.monotonic()
            running.signal(signal.SIGTERM)
            running.process.wait(PROMPTLY)
            ended = running.end()
    [event] = checked(running.stdout)
    assert (event["error_code"], ended.status) == ("audio_overflow", 0)
    milliseconds = int(event["message"].split()[1])
    assert 500 < milliseconds < 1000 * (time.monotonic() - begin + 60)
