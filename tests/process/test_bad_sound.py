"""Sound that is not as it should be: what can be heard is heard, everything else is one clear line."""

from __future__ import annotations

import contextlib
import os
import shutil
import struct
import subprocess
import threading
import time
import wave
from pathlib import Path
from typing import Callable

import numpy as np
import pytest
import soundfile
import soxr

from common.errors import FatalError
from tests.audio import read
from tests.process.spawned import Ended, checked, command, environment, listening, run
from tests.process.test_errors import fails
from tests.process.test_speech import a_recording, pcm, transcripts
from tests.sources.encoded import encoded, without_info

IS_ROOT = os.geteuid() == 0
MAY_NOT_READ_EVERYTHING = ["setpriv", "--bounding-set=-dac_override,-dac_read_search"] if IS_ROOT else []
STATUS = FatalError("audio_input_failed", "").exit_status
TRUE_TEXT = transcripts()[a_recording().name]


def with_nan(speech: np.ndarray) -> np.ndarray:
    return np.where(np.arange(len(speech)) % 997 == 0, np.float32(np.nan), speech)


def with_infinities(speech: np.ndarray) -> np.ndarray:
    signs = np.where(np.arange(len(speech)) % 2 == 0, np.inf, -np.inf).astype(np.float32)
    return np.where(np.arange(len(speech)) % 997 == 0, signs, speech)


def clipped(speech: np.ndarray) -> np.ndarray:
    return np.clip(speech * 4 / np.abs(speech).max(), -1, 1)


def with_offset(speech: np.ndarray) -> np.ndarray:
    return speech * 0.5 + np.float32(0.3)


def with_a_wild_beginning(speech: np.ndarray) -> np.ndarray:
    """From such sound on the speech detector heard nothing any more."""
    wild = 1e18 * np.random.default_rng(0).normal(size=5120)
    return np.concatenate([wild, np.zeros(16000), speech])


@pytest.mark.parametrize("spoil", [with_nan, with_infinities, with_a_wild_beginning, clipped, with_offset])
def test_spoilt_samples_are_still_heard(tmp_path: Path, spoil: Callable[[np.ndarray], np.ndarray]) -> None:
    path = str(tmp_path / "spoilt.wav")
    soundfile.write(path, spoil(read(a_recording())).astype(np.float32), 16000, subtype="FLOAT")
    ended = run("asr_service", "--demo", "--input", path)
    assert (ended.status, ended.finals, ended.errors) == (0, [TRUE_TEXT], [])


def test_a_telephone_recording_is_heard(tmp_path: Path) -> None:
    path = str(tmp_path / "telephone.wav")
    soundfile.write(path, soxr.resample(read(a_recording()), 16000, 8000), 8000, subtype="ULAW")
    ended = run("asr_service", "--demo", "--input", path)
    assert (ended.status, ended.errors, len(ended.finals)) == (0, [], 1)
    assert len(set(ended.finals[0]) & set(TRUE_TEXT)) >= len(set(TRUE_TEXT)) // 2  # half of the spectrum is missing


def test_seven_channels_are_heard_as_their_mean(tmp_path: Path) -> None:
    path = str(tmp_path / "seven.flac")
    soundfile.write(path, np.repeat(read(a_recording())[:, None], 7, axis=1), 16000)
    assert run("asr_service", "--demo", "--input", path).finals == [TRUE_TEXT]


def out_of_phase() -> np.ndarray:
    """The recording, with a second channel that is wired the wrong way round."""
    speech = read(a_recording())
    return np.stack([speech, -speech], axis=1)


def test_channels_that_cancel_each_other_are_heard_in_a_file_and_in_a_pipe(tmp_path: Path) -> None:
    path = str(tmp_path / "cancel.wav")
    soundfile.write(path, out_of_phase(), 16000)
    ended = run("asr_service", "--demo", "--input", path)
    assert (ended.status, ended.finals, ended.errors) == (0, [TRUE_TEXT], [])
    assert ended.log.count("the channels cancel each other") == 1
    raw = (out_of_phase() * 32767).astype("<i2").tobytes()
    assert run("asr_service", "--demo", "--input", "-", "--channels", "2", stdin=raw).finals == [TRUE_TEXT]


def wav(size_in_header: int, data: bytes) -> bytes:
    head = struct.pack("<4sI4s4sIHHIIHH", b"RIFF", size_in_header, b"WAVE", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    return head + struct.pack("<4sI", b"data", size_in_header) + data


@pytest.mark.parametrize(
    "content",
    [wav(0, b""), wav(0xFFFFFFFF, b"\x01\x00" * 500), wav(2 * 48000, bytes(2 * 48000))],
    ids=["no-samples", "4-GB-header", "zeros"],
)
def test_a_file_without_speech_ends_quietly(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "quiet.wav").write_bytes(content)
    ended = run("asr_service", "--demo", "--input", str(tmp_path / "quiet.wav"))
    assert (ended.status, ended.events) == (0, [])
    assert "Traceback" not in ended.log


def test_a_file_whose_recorder_has_not_written_its_length_yet_is_refused_with_a_way_out(tmp_path: Path) -> None:
    path = tmp_path / "open.wav"
    path.write_bytes(wav(0, pcm(a_recording(), 16000, 1)))
    fails(run("asr_service", "--demo", "--input", str(path)), "audio_input_failed", 3, "still being written", "ffmpeg")


def test_a_file_that_grows_is_heard_to_the_end_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / "growing.wav"
    file = wave.open(str(path), "wb")  # noqa: SIM115 - it stays open while the service reads
    file.setparams((1, 2, 16000, 0, "NONE", "not compressed"))
    file.writeframes(pcm(a_recording(), 16000, 1) + bytes(32000))
    enough = threading.Event()

    def grow() -> None:
        noise = np.random.default_rng(0)
        while not enough.wait(0.01):
            file.writeframes(noise.integers(-20, 20, 1600).astype("<i2").tobytes())
        file.close()

    writer = threading.Thread(target=grow)
    writer.start()
    try:
        ended = run("asr_service", "--demo", "--input", str(path))
    finally:
        enough.set()
        writer.join()
    assert (ended.status, ended.finals, ended.errors) == (0, [TRUE_TEXT], [])


def test_raw_pcm_in_pieces_of_odd_length_loses_no_byte() -> None:
    sound = pcm(a_recording(), 16000, 2) + bytes(64000) + b"\x7f"
    with listening("asr_service", "--channels", "2") as running:
        assert running.process.stdin is not None
        for start in range(0, len(sound), 1601):
            running.process.stdin.write(sound[start : start + 1601])
            running.process.stdin.flush()
        running.close_stdin()
        ended = running.end(60)
    assert (ended.status, ended.finals, ended.errors) == (0, [TRUE_TEXT], [])


@pytest.mark.parametrize("source", ["jsonl", "-"])
@pytest.mark.parametrize("fails_to_read", [False, True], ids=["null-device", "unreadable"])
def test_a_stdin_from_which_nothing_can_come_is_said(tmp_path: Path, source: str, fails_to_read: bool) -> None:
    unreadable = (str(tmp_path / "out"), os.O_WRONLY | os.O_CREAT)
    descriptor = os.open(*unreadable) if fails_to_read else os.open(os.devnull, os.O_RDONLY)
    arguments = command("asr_service", "--demo", "--input", source)
    done = subprocess.run(arguments, stdin=descriptor, capture_output=True, env=environment(), check=False)
    os.close(descriptor)
    [error] = checked(done.stdout)
    assert (error["error_code"], done.returncode) == ("audio_input_failed", STATUS)
    assert "stdin" in error["message"]
    assert b"Traceback" not in done.stderr


def test_zeros_as_fast_as_they_come_print_nothing_and_what_was_read_before_a_signal_is_accounted_for(
    tmp_path: Path,
) -> None:
    path = tmp_path / "zeros"
    path.touch()
    os.truncate(str(path), 1 << 33)  # three days of sound, and nothing on the disk
    with path.open("rb", buffering=0) as zeros:
        arguments = command("asr_service", "--demo", "--input", "-", "--status", "--log-level", "info")
        process = subprocess.Popen(arguments, stdin=zeros, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        deadline = time.monotonic() + 60
        while zeros.tell() < 180 * 32000:  # the two share their place in the file; this is minutes of sound
            assert time.monotonic() < deadline and process.poll() is None
            time.sleep(0.01)
        before_ms = zeros.tell() / 32
        process.terminate()
        stdout, log = process.communicate(timeout=20)
        after_ms = zeros.tell() / 32
    events = checked(stdout)
    told = [event for event in events if event["type"] == "core.error_event"]
    dropped_ms = sum(int(event["message"].split()[1]) for event in told)
    assert {event["error_code"] for event in told} <= {"audio_overflow"}
    accounted_ms = events[-1]["totals"]["audio_ms"] + dropped_ms
    assert before_ms - 1 - len(told) <= accounted_ms <= after_ms + len(told)
    assert not [event for event in events if event["type"].startswith("voice.asr_text")]
    assert process.returncode == 0
    assert b"Traceback" not in log


def heard_in_a_named_pipe(path: Path, content: bytes) -> Ended:
    os.mkfifo(str(path))

    def feed() -> None:
        with contextlib.suppress(BrokenPipeError):
            path.write_bytes(content)

    writer = threading.Thread(target=feed)
    writer.start()
    ended = run("asr_service", "--demo", "--input", str(path))
    writer.join()
    return ended


@pytest.mark.parametrize("form", ["WAV", "FLAC", "OGG"])
def test_sound_in_a_named_pipe_is_heard_as_it_comes(tmp_path: Path, form: str) -> None:
    ended = heard_in_a_named_pipe(tmp_path / "pipe", encoded(read(a_recording()), form))
    assert (ended.status, ended.finals, ended.errors) == (0, [TRUE_TEXT], [])


def test_a_named_pipe_that_cannot_be_read_as_it_comes_says_what_to_do(tmp_path: Path) -> None:
    ended = heard_in_a_named_pipe(tmp_path / "pipe", encoded(read(a_recording()), "CAF"))
    fails(ended, "audio_input_failed", STATUS, "CAF", "--input -")


@pytest.mark.parametrize("form", ["WAV", "FLAC", "MP3", "OGG", "AIFF"])
def test_a_file_on_stdin_is_recognised_and_its_header_counts(form: str) -> None:
    speech = soxr.resample(read(a_recording()), 16000, 44100)
    content = encoded(np.stack([speech, speech], axis=1), form, rate=44100)
    ended = run("asr_service", "--demo", "--input", "-", stdin=content)
    assert (ended.status, ended.finals, ended.errors) == (0, [TRUE_TEXT], [])
    assert "stdin is" in ended.log


def test_a_file_on_stdin_that_cannot_be_read_there_is_told_with_the_line_that_converts_it() -> None:
    mp4 = b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(100_000)
    ended = run("asr_service", "--demo", "--input", "-", stdin=mp4)
    fails(ended, "audio_input_failed", STATUS, "MP4", "ffmpeg -i FILE -f s16le -ac 1 -ar 16000 -")


def test_all_of_an_mp3_without_a_length_is_heard(tmp_path: Path) -> None:
    speech = read(a_recording())
    noise = np.random.default_rng(0).normal(0, 0.3, 8000).astype(np.float32)
    spoken = np.concatenate([noise, np.zeros(64000, np.float32), speech])
    mp3 = encoded(spoken, "MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    path = tmp_path / "piped.mp3"
    path.write_bytes(without_info(mp3))
    ended = run("asr_service", "--demo", "--input", str(path))
    assert (ended.status, ended.finals[-1], ended.errors) == (0, TRUE_TEXT, [])


@pytest.mark.parametrize("form", ["MP3", "OGG", "FLAC"])
def test_all_files_in_one_are_heard(tmp_path: Path, form: str) -> None:
    path = tmp_path / "joined"
    path.write_bytes(encoded(read(a_recording()), form) * 2)
    ended = run("asr_service", "--demo", "--input", str(path))
    assert (ended.status, ended.finals, ended.errors) == (0, [TRUE_TEXT] * 2, [])


def test_what_is_missing_in_a_file_is_told_after_all_that_was_heard(tmp_path: Path) -> None:
    content = encoded(np.concatenate([read(a_recording()), np.zeros(32000, np.float32)]), "WAV")
    path = tmp_path / "cut.wav"
    path.write_bytes(content[:-32000])
    ended = run("asr_service", "--demo", "--input", str(path))
    assert (ended.status, ended.finals, ended.errors) == (STATUS, [TRUE_TEXT], ["audio_input_failed"])
    assert "1.00 of " in ended.events[-1]["message"] and "cut.wav" in ended.events[-1]["message"]


def test_a_file_whose_name_is_not_utf_8_is_heard(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/\xbc\xd2\xf4.wav"
    shutil.copy(str(a_recording()), name)
    arguments = [os.fsencode(part) for part in command("asr_service", "--demo", "--input")]
    done = subprocess.run([*arguments, name], capture_output=True, env=environment(), check=False)
    assert done.returncode == 0 and [event["text"] for event in checked(done.stdout)][-1:] == [TRUE_TEXT]
    absent = subprocess.run([*arguments, name + b"x"], capture_output=True, env=environment(), check=False)
    [error] = checked(absent.stdout)
    assert error["error_code"] == "audio_input_failed" and b"Traceback" not in absent.stderr


@pytest.mark.skipif(IS_ROOT and not shutil.which("setpriv"), reason="root may read everything, without setpriv")
def test_a_file_that_may_not_be_read_says_so(tmp_path: Path) -> None:
    path = tmp_path / "secret.wav"
    path.write_bytes(a_recording().read_bytes())
    path.chmod(0)
    arguments = [*MAY_NOT_READ_EVERYTHING, *command("asr_service", "--demo", "--input", str(path))]
    done = subprocess.run(arguments, capture_output=True, env=environment(), check=False)
    [error] = checked(done.stdout)
    assert (error["error_code"], done.returncode) == ("audio_input_failed", 3)
    assert "Permission denied" in error["message"] and "secret.wav" in error["message"]
    assert b"Traceback" not in done.stderr
