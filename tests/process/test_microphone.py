"""The real microphone path: PortAudio hears demo speech that is played into a virtual microphone."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import wave
from pathlib import Path
from typing import Iterator

import pytest
import soundfile
import soxr

from tests.audio import read
from tests.process.spawned import Running, checked, command, running_process, slow_loading
from tests.process.test_speech import a_recording, transcripts
from tests.process.virtual_microphone import MISSING, VirtualMicrophone, virtual_microphone

needs_pulseaudio = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")


def playable(folder: Path, rate: int = 16000) -> Path:
    """A demo recording with a second of silence around it, at ``rate``."""
    samples = soxr.resample(read(a_recording()), 16000, rate)
    path = folder / "speech.wav"
    soundfile.write(str(path), samples, rate)
    return path


@contextlib.contextmanager
def listening_to(microphone: VirtualMicrophone, *arguments: str, stdin: int = subprocess.DEVNULL) -> Iterator[Running]:
    process = subprocess.Popen(
        command("asr_service_streaming", "--demo", "--input", "mic", *arguments),
        stdin=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=microphone.environment,
    )
    with running_process(process) as running:
        yield running


def prepare(microphone: VirtualMicrophone) -> None:
    """Start once, so that everything is in the cache: before that no microphone listens while a model loads."""
    with listening_to(microphone) as running:
        running.wait_for(b"listening", "log")
        running.signal(signal.SIGTERM)
        assert running.end().status == 0


def hears(running: Running) -> None:
    """The recording's text comes out as one final, and a signal ends the service."""
    running.wait_for(b"asr_text.final")
    running.process.terminate()
    ended = running.end()
    assert (ended.status, ended.errors) == (0, [])
    assert ended.finals == [transcripts()[a_recording().name]]


@needs_pulseaudio
@pytest.mark.parametrize(("rate", "channels"), [(16000, 1), (48000, 2)])
def test_speech_at_the_microphone_comes_out_as_text(tmp_path: Path, rate: int, channels: int) -> None:
    record = str(tmp_path / "heard.wav")
    with virtual_microphone(tmp_path, rate, channels) as microphone, listening_to(microphone, "--record", record) as it:
        it.wait_for(b"listening", "log")
        microphone.play(playable(tmp_path, rate))
        hears(it)
    with wave.open(str(tmp_path / "heard.wav")) as heard:
        assert (heard.getframerate(), heard.getnchannels()) == (16000, 1)
        assert heard.getnframes() > 16000


@needs_pulseaudio
def test_what_is_said_while_the_model_loads_is_not_lost(tmp_path: Path) -> None:
    loading, go_on = slow_loading(tmp_path)
    with virtual_microphone(tmp_path) as microphone:
        prepare(microphone)
        microphone.environment.update(loading)
        with listening_to(microphone) as running:
            running.wait_for(b"microphone:", "log")
            microphone.play(playable(tmp_path))
            assert b"listening" not in running.log, "the model was loaded before the speech had ended"
            go_on.touch()
            hears(running)


@needs_pulseaudio
def test_no_microphone_listens_while_an_engine_is_prepared(tmp_path: Path) -> None:
    with virtual_microphone(tmp_path) as microphone:
        microphone.environment["XDG_CACHE_HOME"] = str(tmp_path / "cache")
        with listening_to(microphone) as running:
            running.wait_for(b"preparing", "log")
            running.wait_for(b"ready after", "log")
            assert b"microphone:" not in running.log
            running.wait_for(b"microphone:", "log")
            running.wait_for(b"listening", "log")
            running.signal(signal.SIGTERM)
            assert running.end().status == 0


@needs_pulseaudio
def test_the_devices_are_listed_and_one_can_be_chosen_by_name(tmp_path: Path) -> None:
    with virtual_microphone(tmp_path) as microphone:
        listed = subprocess.run(
            command("asr_service", "--list-devices"), env=microphone.environment, capture_output=True, check=True
        )
        assert b"pulse" in listed.stdout
        with listening_to(microphone, "--input-device", "pulse") as running:
            running.wait_for(b"microphone: pulse", "log")


def test_a_device_that_is_not_there_is_one_clear_audio_device_failed(tmp_path: Path) -> None:
    nowhere = {**os.environ, "XDG_RUNTIME_DIR": str(tmp_path), "HOME": str(tmp_path), "PULSE_SERVER": "unix:/nowhere"}
    arguments = command("asr_service", "--demo", "--input", "mic", "--input-device", "no such microphone")
    done = subprocess.run(arguments, env=nowhere, capture_output=True, timeout=60, check=False)
    [error] = checked(done.stdout)
    assert (error["error_code"], done.returncode) == ("audio_device_failed", 1)
    assert "--list-devices" in error["message"]
    assert b"Traceback" not in done.stderr


def test_a_missing_portaudio_is_said_with_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "sounddevice.py").write_text("raise OSError('PortAudio library not found')")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        command("asr_service", "--demo", "--input", "mic"),
        env=environment,
        capture_output=True,
        timeout=60,
        check=False,
    )
    [error] = checked(done.stdout)
    assert (error["error_code"], done.returncode) == ("audio_device_failed", 3)
    assert "libportaudio2" in error["message"]
