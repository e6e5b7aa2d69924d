"""--record: playable whatever happens to the disk, never over what is heard, and never in the service's way."""

from __future__ import annotations

import errno
import logging
import os
import sys
import threading
import time
import wave
from io import FileIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import FatalError
from common.run import recorder as module
from common.run.recorder import HEADER_BYTES, LARGEST, Recorder, WavFile, check_record, header
from common.settings.services import StreamingConfig
from tests.audio import DEMO_SPEECH


def config(path: Path, **settings: Any) -> StreamingConfig:
    return StreamingConfig(record=str(path), **settings)


def sound(seconds: float, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(-1, 1, int(seconds * 16000)).astype(np.float32)


def played(path: Path) -> np.ndarray:
    """The samples of a WAV file as a player reads it."""
    with wave.open(str(path)) as file:
        assert file.getparams()[:3] == (1, 2, 16000)
        content = file.readframes(file.getnframes())
        assert len(content) == 2 * file.getnframes()
        return np.frombuffer(content, "<i2")


def as_pcm(samples: np.ndarray) -> np.ndarray:
    return (np.clip(samples, -1, 32767 / 32768) * 32768).astype("<i2")


def test_what_was_written_is_what_was_heard(tmp_path: Path) -> None:
    recorder = Recorder(config(tmp_path / "heard.wav"))
    pieces = [sound(length, index) for index, length in enumerate((0.1, 1.5, 0.032, 2.0, 0.4))]
    for piece in pieces:
        recorder.write(piece)
    recorder.close()
    assert played(tmp_path / "heard.wav").tolist() == as_pcm(np.concatenate(pieces)).tolist()


def test_a_recording_replaces_an_older_one_whole(tmp_path: Path) -> None:
    for seconds in (3.0, 0.5):
        recorder = Recorder(config(tmp_path / "heard.wav"))
        recorder.write(sound(seconds))
        recorder.close()
    assert len(played(tmp_path / "heard.wav")) == 8000


class SmallDisk(FileIO):
    """A file on a disk of so many bytes: what is beyond them cannot be written, what is there can be changed."""

    size = 0

    def write(self, content: Any) -> int:
        room = self.size - self.tell()
        if room <= 0 and len(content):
            raise OSError(errno.ENOSPC, "No space left on device")
        return super().write(bytes(content)[:room])


@pytest.mark.parametrize("size", [*range(HEADER_BYTES + 12), 32043, 32044, 32045, 32046, 40001])
def test_a_disk_that_is_full_at_any_byte_leaves_a_file_that_plays_all_it_has_room_for(
    tmp_path: Path, size: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(SmallDisk, "size", size)
    monkeypatch.setattr(module, "FileIO", SmallDisk)
    heard = sound(3)
    with caplog.at_level(logging.WARNING):
        recorder = Recorder(config(tmp_path / "heard.wav"))
        for second in np.split(heard, 3):
            recorder.write(second)
        recorder.close()
        recorder.write(heard)  # nobody minds
        recorder.close()
    [warning] = caplog.records
    assert "the recording ends here" in warning.message and "No space left" in warning.message
    if size >= HEADER_BYTES:
        assert played(tmp_path / "heard.wav").tolist() == as_pcm(heard)[: (size - HEADER_BYTES) // 2].tolist()


def test_a_disk_that_hangs_holds_up_neither_the_service_nor_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    goes_on = threading.Event()
    monkeypatch.setattr(WavFile, "append", lambda _self, _pcm: goes_on.wait(60))
    second = sound(1)
    begin = time.monotonic()
    with caplog.at_level(logging.WARNING):
        recorder = Recorder(config(tmp_path / "heard.wav"))
        for _ in range(2 * module.WAITS_SEC):  # the thread may take some before it hangs
            recorder.write(second)
        assert recorder._count == 0  # nothing waits in memory any more
        recorder.close()
    goes_on.set()
    assert time.monotonic() - begin < 10
    assert "has not written for 600 s" in caplog.text


def test_four_gibibytes_are_as_much_as_a_header_can_say() -> None:
    assert len(header(LARGEST)) == HEADER_BYTES
    assert LARGEST % 2 == 0 and LARGEST + HEADER_BYTES < 2**32
    assert header(LARGEST)[40:] == (LARGEST).to_bytes(4, "little")


def test_behind_the_largest_file_it_goes_on_in_the_next_one_that_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LARGEST", 40_000)
    (tmp_path / "heard-2.wav").write_bytes(b"somebody else's")
    heard = sound(3)  # 96,000 bytes
    recorder = Recorder(config(tmp_path / "heard.wav"))
    recorder.write(heard)
    recorder.close()
    parts = [played(tmp_path / name) for name in ("heard.wav", "heard-3.wav", "heard-4.wav")]
    assert [len(part) for part in parts] == [20_000, 20_000, 8_000]
    assert np.concatenate(parts).tolist() == as_pcm(heard).tolist()
    assert (tmp_path / "heard-2.wav").read_bytes() == b"somebody else's"


def refused(path: Path, **settings: Any) -> str:
    with pytest.raises(FatalError) as error:
        check_record(config(path, **settings))
    with pytest.raises(FatalError):
        Recorder(config(path, **settings))
    assert error.value.error_code == "config_invalid"
    return str(error.value)


@pytest.mark.parametrize("link", ["itself", "another way", "symbolic", "hard"])
def test_a_recording_over_its_own_input_is_refused_and_the_input_stays(tmp_path: Path, link: str) -> None:
    source = tmp_path / "speech.wav"
    source.write_bytes((DEMO_SPEECH / "single01.wav").read_bytes())
    before = source.read_bytes()
    paths = {"itself": source, "another way": tmp_path / ".." / tmp_path.name / "speech.wav"}
    path = paths.get(link, tmp_path / "link.wav")
    if link == "symbolic":
        path.symlink_to(source)
    if link == "hard":
        os.link(source, path)
    assert "what this service hears" in refused(path, input=str(source))
    assert source.read_bytes() == before


def test_a_recording_over_a_file_that_is_stdin_or_stdout_is_refused(tmp_path: Path) -> None:
    with (tmp_path / "events.jsonl").open("wb"):
        assert "hears or prints" in refused(tmp_path / "events.jsonl")


def test_a_recording_over_anything_but_a_wav_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("not to be lost", encoding="utf-8")
    assert "not a WAV file" in refused(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text(encoding="utf-8") == "not to be lost"


@pytest.mark.skipif(sys.platform == "win32", reason="named pipes")
def test_a_named_pipe_a_device_a_folder_and_a_missing_one_are_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(str(tmp_path / "pipe"))
    begin = time.monotonic()
    assert "no file" in refused(tmp_path / "pipe")
    assert "no file" in refused(Path("/dev/null"))
    assert "IsADirectoryError" in refused(tmp_path)
    assert "FileNotFoundError" in refused(tmp_path / "nowhere" / "heard.wav")
    assert "ValueError" in refused(Path("a\0b"))
    assert time.monotonic() - begin < 5


def test_a_check_changes_nothing(tmp_path: Path) -> None:
    check_record(config(tmp_path / "new.wav"))
    assert not (tmp_path / "new.wav").exists()
    old = DEMO_SPEECH / "single01.wav"
    (tmp_path / "old.wav").write_bytes(old.read_bytes())
    check_record(config(tmp_path / "old.wav"))
    assert (tmp_path / "old.wav").read_bytes() == old.read_bytes()
    check_record(StreamingConfig())
