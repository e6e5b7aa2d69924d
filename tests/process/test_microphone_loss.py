"""The microphone goes and comes back under the running service: unplugged, its sound server killed or frozen."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random
from typing import Callable, Iterator

import pytest
import soundfile

from tests.audio import read, speech_in
from tests.process.spawned import Running, checked, command
from tests.process.test_microphone import listening_to, needs_pulseaudio, playable
from tests.process.test_speech import a_recording, transcripts
from tests.process.virtual_microphone import VirtualMicrophone, virtual_microphone

pytestmark = needs_pulseaudio
LOST = b"audio_device_lost"
Act = Callable[[VirtualMicrophone], None]


def restart(microphone: VirtualMicrophone) -> None:
    microphone.start_server()
    microphone.plug_in()


PARENT = """
import subprocess, sys
service = subprocess.Popen(sys.argv[2:], stdin=subprocess.PIPE, stdout=open(sys.argv[1], "wb"))
print(service.pid, flush=True)
service.wait()
"""
WAYS: list[tuple[Act, Act]] = [
    (VirtualMicrophone.unplug, VirtualMicrophone.plug_in),
    (VirtualMicrophone.kill_server, restart),
]
each_way = pytest.mark.parametrize(("lose", "bring_back"), WAYS, ids=["unplugged", "server-killed"])


@contextlib.contextmanager
def commanded(microphone: VirtualMicrophone, *arguments: str) -> Iterator[Running]:
    """A service on the microphone that takes commands, listening."""
    with listening_to(microphone, *arguments, stdin=subprocess.PIPE) as running:
        running.wait_for(b"listening", "log")
        yield running


def speech_without_end(folder: Path) -> Path:
    """A recording whose speech stops in mid-utterance: no silence ends it."""
    path = folder / "open.wav"
    soundfile.write(str(path), speech_in(read(a_recording())), 16000)
    return path


def answered(running: Running, kind: str, identity: str, within: float) -> None:
    """The command is acknowledged in time; generous for a busy machine, far below what PortAudio may hang."""
    begin = time.monotonic()
    running.send(type=f"core.control.{kind}", id=identity)
    running.wait_for(f'"id":"{identity}"'.encode(), timeout=within)
    assert time.monotonic() - begin < within


@each_way
def test_a_lost_microphone_is_told_once_and_heard_again_when_it_is_back(
    tmp_path: Path, lose: Act, bring_back: Act
) -> None:
    with virtual_microphone(tmp_path) as microphone, commanded(microphone, "--log-level", "debug") as running:
        microphone.play(playable(tmp_path))
        running.wait_for(b"asr_text.final")
        lose(microphone)
        running.wait_for(LOST)
        answered(running, "status", "1", within=10)
        running.wait_for(b"next attempt in 4 s", "log")  # three have failed, and none of them is an event
        bring_back(microphone)
        running.wait_for(b"microphone is back", "log")
        microphone.play(playable(tmp_path))
        answered(running, "stop", "2", within=30)
        ended = running.end()
    assert ended.errors == ["audio_device_lost"]
    assert ended.finals == [transcripts()[a_recording().name]] * 2
    assert [event["state"] for event in ended.events if "state" in event] == ["recovering"]
    assert ended.status == 0
    assert "Traceback" not in ended.log


def wait_for_count(running: Running, text: bytes, count: int) -> None:
    deadline = time.monotonic() + 60
    while running.log.count(text) + running.stdout.count(text) < count:
        assert time.monotonic() < deadline and running.process.poll() is None, running.log.decode()[-2000:]
        time.sleep(0.02)


def test_a_microphone_that_goes_again_while_it_comes_back_is_heard_again(tmp_path: Path) -> None:
    """PortAudio's ALSA thread may then spin for ever, print 100 MB a second and let no call return."""
    random = Random(1)
    with virtual_microphone(tmp_path) as microphone, commanded(microphone) as running:
        for number in range(1, 7):
            microphone.unplug()
            wait_for_count(running, LOST, number)
            time.sleep(random.uniform(0, 0.5))
            microphone.plug_in()
            time.sleep(random.uniform(0, 0.6))
            microphone.unplug()
            time.sleep(random.uniform(0, 0.5))
            microphone.plug_in()
            wait_for_count(running, b"microphone is back", number)
        microphone.play(playable(tmp_path))
        running.wait_for(b"asr_text.final")
        answered(running, "stop", "1", within=15)
        ended = running.end()
    assert ended.finals == [transcripts()[a_recording().name]]
    assert len(ended.errors) >= 6 and set(ended.errors) == {"audio_device_lost"}
    assert len(ended.log) < 20_000


@pytest.mark.full
def test_fifty_losses_in_a_row_leave_nothing_behind(tmp_path: Path) -> None:
    left: list[tuple[int, int]] = []
    with virtual_microphone(tmp_path) as microphone, commanded(microphone) as running:
        for number in range(1, 51):
            microphone.unplug()
            wait_for_count(running, LOST, number)
            microphone.plug_in()
            wait_for_count(running, b"microphone is back", number)
            process = Path(f"/proc/{running.process.pid}")
            left.append((len(list((process / "fd").iterdir())), len(list((process / "task").iterdir()))))
        microphone.play(playable(tmp_path))
        running.wait_for(b"asr_text.final")
        answered(running, "stop", "1", within=15)
        ended = running.end()
    assert ended.finals == [transcripts()[a_recording().name]]
    assert ended.errors == ["audio_device_lost"] * 50
    assert max(left[-10:]) <= max(left[:10]), left


@each_way
def test_the_open_utterance_is_finalised_before_the_loss_is_told(tmp_path: Path, lose: Act, bring_back: Act) -> None:
    with virtual_microphone(tmp_path) as microphone, commanded(microphone, "--endpoint-silence-ms", "0") as running:
        microphone.play(speech_without_end(tmp_path))
        running.wait_for(b"partial")
        lose(microphone)
        running.wait_for(LOST)
        running.signal(signal.SIGTERM)
        ended = running.end()
    assert [event["type"].split(".")[-1] for event in ended.events][-2:] == ["final", "error_event"]
    assert len(ended.finals) == 1
    assert ended.status == 0


def test_commands_are_done_while_the_sound_server_hangs(tmp_path: Path) -> None:
    """A frozen server keeps every call of PortAudio for half a minute; only the callback that stops tells of it."""
    with virtual_microphone(tmp_path) as microphone, commanded(microphone) as running:
        microphone.freeze_server()
        running.wait_for(LOST, timeout=30)
        for identity, kind in enumerate(("status", "flush", "pause", "resume", "reset", "status"), 1):
            answered(running, kind, str(identity), within=15)
        begin = time.monotonic()
        running.signal(signal.SIGTERM)
        ended = running.end()
        assert time.monotonic() - begin < 5  # 2 s, and more on a busy machine
        microphone.thaw_server()
    assert ended.errors == ["audio_device_lost"]
    acks = {event["id"]: event for event in ended.events if "id" in event}
    assert [acks["1"]["state"], acks["6"]["state"]] == ["recovering", "paused"]
    assert (acks["4"]["ok"], acks["4"]["error_code"]) == (False, "audio_device_failed")
    assert ended.status == 0


def test_another_default_microphone_is_heard(tmp_path: Path) -> None:
    with virtual_microphone(tmp_path) as microphone, commanded(microphone, "--log-level", "info") as running:
        microphone.plug_in("headset")
        microphone.play(playable(tmp_path), "headset")
        running.wait_for(b"asr_text.final")
        answered(running, "stop", "1", within=15)
        ended = running.end()
    assert ended.finals == [transcripts()[a_recording().name]]
    # A sound server may move the stream without a loss; what came back had been lost, and was told once.
    assert ended.errors == ["audio_device_lost"] * ended.log.count("the microphone is back")
    assert len(ended.errors) <= 1


def test_a_service_that_writes_into_a_file_outlives_its_parent(tmp_path: Path) -> None:
    out = tmp_path / "events.jsonl"
    with virtual_microphone(tmp_path) as microphone:
        arguments = command("asr_service_streaming", "--demo", "--input", "mic")
        parent = subprocess.Popen(
            [sys.executable, "-c", PARENT, str(out), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=microphone.environment,
        )
        assert parent.stdout is not None and parent.stderr is not None
        service = int(parent.stdout.readline())
        try:
            while b"listening" not in parent.stderr.readline():
                assert parent.poll() is None
            parent.kill()
            parent.wait()
            microphone.play(playable(tmp_path))
            deadline = time.monotonic() + 60
            while b"asr_text.final" not in out.read_bytes():
                assert time.monotonic() < deadline
                time.sleep(0.05)
        finally:
            os.kill(service, signal.SIGTERM)
        assert b"Traceback" not in parent.stderr.read()  # its end is the service's
        parent.stdout.close()
        parent.stderr.close()
    assert checked(out.read_bytes())[-1]["text"] == transcripts()[a_recording().name]


def test_a_pause_is_acknowledged_when_the_device_is_closed(tmp_path: Path) -> None:
    with virtual_microphone(tmp_path) as microphone, commanded(microphone) as running:
        assert microphone.listeners() == 1
        answered(running, "pause", "1", within=10)
        assert microphone.listeners() == 0
        answered(running, "resume", "2", within=10)
        assert microphone.listeners() == 1
        microphone.play(playable(tmp_path))
        running.wait_for(b"asr_text.final")
        answered(running, "stop", "3", within=15)
        ended = running.end()
    assert (ended.finals, ended.errors) == ([transcripts()[a_recording().name]], [])


def test_a_pause_in_the_outage_ends_it_and_a_resume_hears_the_new_device(tmp_path: Path) -> None:
    with virtual_microphone(tmp_path) as microphone, commanded(microphone) as running:
        microphone.unplug()
        running.wait_for(LOST)
        answered(running, "pause", "1", within=10)
        microphone.plug_in()
        answered(running, "resume", "2", within=15)
        microphone.play(playable(tmp_path))
        running.wait_for(b"asr_text.final")
        answered(running, "stop", "3", within=15)
        ended = running.end()
    assert ended.finals == [transcripts()[a_recording().name]]
    assert ended.errors == ["audio_device_lost"]


def test_no_audio_of_before_and_behind_an_outage_is_joined(tmp_path: Path) -> None:
    with virtual_microphone(tmp_path) as microphone, commanded(microphone, "--endpoint-silence-ms", "0") as running:
        microphone.play(speech_without_end(tmp_path))
        running.wait_for(b"partial")
        microphone.unplug()
        running.wait_for(LOST)
        microphone.plug_in()
        running.wait_for(b"microphone is back", "log")
        microphone.play(playable(tmp_path))
        answered(running, "stop", "1", within=30)
        ended = running.end()
    assert len(ended.finals) == 2
    assert ended.finals[1] == transcripts()[a_recording().name]
