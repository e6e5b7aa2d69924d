"""All of a file is heard, whatever it says about its length; what is missing is told."""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import struct
import subprocess
import threading
from pathlib import Path
from typing import Callable, Tuple

import numpy as np
import pytest
import soundfile

from common.errors import FatalError
from common.sources.decoding.byte_stream import ByteStream
from common.sources.decoding.recognise import is_mp3_later, recognise
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfInput, SourceFailed
from common.sources.resampling import Converter
from common.sources.sound_file import FileSource
from common.sources.stdin_sound import StdinSource
from tests.audio import babble
from tests.sources.encoded import encoded, without_info

needs_ffmpeg = pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
ONE, OTHER = babble(1.5, seed=1), babble(1.2, seed=2)


def by_ffmpeg(samples: np.ndarray, *arguments: str) -> bytes:
    """What ffmpeg writes into a pipe: it cannot go back and write how much there was."""
    command = ["ffmpeg", "-v", "error", "-i", "-", *arguments, "-"]
    return subprocess.run(command, input=encoded(samples, "WAV"), capture_output=True, check=True).stdout


def put_by(source: FileSource | StdinSource) -> tuple[np.ndarray, str]:
    """What a source puts into the inbox: all samples, and the error at the end."""
    inbox = Inbox(capacity_sec=10_000)
    source.run(inbox)
    *blocks, end = (message for _, message in inbox._messages)
    samples = [block.samples for block in blocks if isinstance(block, AudioBlock)]
    assert len(samples) == len(blocks)
    assert isinstance(end, (EndOfInput, SourceFailed))
    return np.concatenate([np.zeros(0, np.float32), *samples]), str(end.error) if isinstance(end, SourceFailed) else ""


def heard_in_a_file(content: bytes, folder: Path) -> tuple[np.ndarray, str]:
    path = folder / "sound"
    path.write_bytes(content)
    return put_by(FileSource(str(path), realtime=False, channel=0))


def heard_from_a_pipe(content: bytes, rate: int = 16000, channels: int = 1) -> tuple[np.ndarray, str]:
    out, into = os.pipe()

    def write() -> None:
        with contextlib.suppress(BrokenPipeError), os.fdopen(into, "wb") as pipe:
            pipe.write(content)

    writer = threading.Thread(target=write)
    writer.start()
    found = put_by(StdinSource(rate, channels, 0, descriptor=out))
    os.close(out)
    writer.join()
    return found


def at_16k(samples: np.ndarray, rate: int) -> np.ndarray:
    converter = Converter(rate)
    frames = samples.astype(np.float32).reshape(len(samples), -1)
    return np.concatenate([converter.convert(frames), converter.finish()])


def decoded(content: bytes) -> np.ndarray:
    """By libsndfile, from a file that says how long it is."""
    samples, rate = soundfile.read(io.BytesIO(content), dtype="float32")
    return at_16k(samples, rate)


Heard = Callable[[bytes, Path], Tuple[np.ndarray, str]]
WAYS: list[Heard] = [heard_in_a_file, lambda content, _: heard_from_a_pipe(content)]
each_way = pytest.mark.parametrize("hear", WAYS, ids=["file", "stdin"])


def same(found: np.ndarray, wanted: np.ndarray) -> bool:
    return len(found) == len(wanted) and bool(np.abs(found - wanted).max(initial=0) < 1e-6)


# --- a decoder's end ----------------------------------------------------------------------------------------------


@each_way
def test_all_of_an_mp3_that_does_not_say_its_length_is_heard(tmp_path: Path, hear: Heard) -> None:
    spoken = np.concatenate([ONE, np.zeros(48000, np.float32), OTHER])
    mp3 = encoded(spoken, "MP3", bitrate_mode="VARIABLE", compression_level=0.5)
    piped = without_info(mp3)
    assert soundfile.info(io.BytesIO(piped)).frames < len(spoken) / 2  # libsndfile takes the first frame for all
    found, error = hear(piped, tmp_path)
    assert len(spoken) <= len(found) <= len(spoken) + 3 * 1152
    assert np.abs(found[1105:][: len(spoken)] - decoded(mp3)).max() < 0.01
    assert error == ""


@each_way
def test_an_mp3_is_decoded_without_a_seam_between_blocks(tmp_path: Path, hear: Heard) -> None:
    mp3 = encoded(np.concatenate([ONE, OTHER]), "MP3")
    found, error = hear(mp3, tmp_path)
    assert same(found, decoded(mp3)) and error == ""


@each_way
@pytest.mark.parametrize("has_info", [True, False])
def test_every_file_in_a_joined_mp3_is_heard(tmp_path: Path, hear: Heard, has_info: bool) -> None:
    files = [encoded(ONE, "MP3"), encoded(OTHER, "MP3", rate=22050), encoded(np.stack([ONE, ONE], axis=1), "MP3")]
    tags = [b"ID3\x04\0\0\0\0\x01\x48" + bytes(200), b"", b"TAG" + bytes(125)]
    joined = b"".join(tag + (file if has_info else without_info(file)) for tag, file in zip(tags, files))
    found, error = hear(joined, tmp_path)
    wanted = np.concatenate([decoded(file) for file in files])
    assert error == ""
    if has_info:
        assert same(found, wanted)
    else:
        assert 0 <= len(found) - len(wanted) <= 3 * 3 * 1152


@each_way
@pytest.mark.parametrize("subtype", ["VORBIS", "OPUS"])
def test_every_link_of_a_chained_ogg_is_heard(tmp_path: Path, hear: Heard, subtype: str) -> None:
    rates = (16000, 48000) if subtype == "OPUS" else (16000, 44100)
    links = [encoded(samples, "OGG", subtype, rate) for samples, rate in zip((ONE, OTHER), rates)]
    found, error = hear(b"".join(links), tmp_path)
    assert same(found, np.concatenate([decoded(link) for link in links])) and error == ""


@each_way
def test_every_file_in_joined_flac_wav_aiff_and_au_is_heard(tmp_path: Path, hear: Heard) -> None:
    forms = ["FLAC", "FLAC", "WAV", "AIFF", "WAV", "AU", "AU", "WAV", "MP3", "WAV", "WAV", "FLAC", "AIFF", "AIFF"]
    files = [encoded(ONE[: 8000 + 100 * number], form) for number, form in enumerate(forms)]
    for first in range(len(files) - 1):
        pair = files[first : first + 2]
        found, error = hear(b"".join(pair), tmp_path)
        assert same(found, np.concatenate([decoded(file) for file in pair])), (forms[first : first + 2], error)
        assert error == ""


@each_way
@pytest.mark.parametrize("form", ["FLAC", "OGG", "MP3", "WAV", "AIFF", "AU"])
def test_sound_of_any_rate_and_any_number_of_channels_is_that_of_libsndfile(
    tmp_path: Path, hear: Heard, form: str
) -> None:
    stereo = np.stack([OTHER, 0.5 * OTHER], axis=1)
    for samples, rate in ((ONE, 8000), (stereo, 44100), (stereo, 48000)):
        content = encoded(samples, form, rate=rate)
        found, error = hear(content, tmp_path)
        assert same(found, decoded(content)) and error == ""


SUBTYPES = {
    "WAV": ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"],
    "WAVEX": ["PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE"],
    "RF64": ["PCM_16", "PCM_24", "FLOAT"],
    "AIFF": ["PCM_S8", "PCM_U8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"],
    "AU": ["PCM_S8", "PCM_16", "PCM_24", "PCM_32", "FLOAT", "DOUBLE", "ALAW", "ULAW"],
}


@each_way
@pytest.mark.parametrize("form", list(SUBTYPES))
def test_samples_of_every_kind_are_those_of_libsndfile(tmp_path: Path, hear: Heard, form: str) -> None:
    for subtype in SUBTYPES[form]:
        for endian in ("FILE", "BIG") if form == "WAV" else ("FILE", "LITTLE") if form == "AIFF" else ("FILE",):
            if soundfile.check_format(form, subtype, endian):
                content = encoded(ONE[:4001], form, subtype, endian=endian)
                found, error = hear(content, tmp_path)
                assert same(found, decoded(content)) and error == "", (form, subtype, endian)


@needs_ffmpeg
@each_way
def test_what_ffmpeg_writes_into_a_pipe_is_heard(tmp_path: Path, hear: Heard) -> None:
    for form in ("wav", "aiff", "au", "flac"):
        found, error = hear(by_ffmpeg(ONE, "-f", form), tmp_path)
        assert same(found, decoded(encoded(ONE, "WAV"))) and error == "", form
    for arguments in (
        ["-f", "mp3"],
        ["-f", "mp3", "-q:a", "9"],
        ["-f", "mp2"],
        ["-f", "ogg", "-c:a", "libvorbis"],
        ["-f", "opus"],
    ):
        found, error = hear(by_ffmpeg(ONE, *arguments), tmp_path)
        assert len(ONE) <= len(found) <= len(ONE) + 3 * 1152 and error == "", arguments


@pytest.mark.parametrize("form", ["WAV", "AIFF", "FLAC", "MP3"])
def test_a_file_that_was_cut_off_is_heard_to_its_end_and_what_is_missing_is_told(tmp_path: Path, form: str) -> None:
    content = encoded(np.concatenate([ONE, OTHER]), form)
    cut = content[: len(content) * 2 // 3]
    for hear in WAYS:
        found, error = hear(cut, tmp_path)
        whole = decoded(content)
        assert 0.5 * len(whole) < len(found) < 0.8 * len(whole)
        assert np.abs(found[:16000] - whole[:16000]).max() < 1e-6
        assert "Incomplete" in error and f"of {len(whole) / 16000:.2f} s are missing" in error


def test_an_ogg_that_was_cut_off_in_a_page_says_so(tmp_path: Path) -> None:
    content = encoded(np.concatenate([ONE, OTHER] * 3), "OGG")
    found, error = heard_in_a_file(content[: len(content) * 2 // 3], tmp_path)
    assert len(found) > 16000
    assert "cut off" in error


def test_a_damaged_flac_is_heard_up_to_the_damage_and_what_is_missing_is_told(tmp_path: Path) -> None:
    content = bytearray(encoded(np.concatenate([ONE, OTHER] * 4), "FLAC"))
    middle = len(content) // 2
    content[middle : middle + 9000] = bytes(9000)
    found, error = heard_in_a_file(bytes(content), tmp_path)
    whole = 4 * (len(ONE) + len(OTHER))
    assert 0.4 * whole < len(found) < 0.6 * whole
    assert f"{(whole - len(found)) / 16000:.2f} of {whole / 16000:.2f} s are missing" in error


@pytest.mark.parametrize("form", ["MP3", "OGG"])
def test_a_stretch_of_zeros_in_a_file_is_passed_over_and_told(tmp_path: Path, form: str) -> None:
    file = encoded(np.concatenate([ONE, OTHER] * 4), form)
    content = file[: len(file) // 2] + bytes(100_000) + file[len(file) // 2 :]
    found, error = heard_in_a_file(content, tmp_path)
    assert len(found) > 0.9 * 4 * (len(ONE) + len(OTHER))
    assert "bytes of it could not be decoded" in error


def test_bytes_after_the_sound_that_cannot_be_read_are_told_if_they_are_many(tmp_path: Path) -> None:
    for form in ("FLAC", "MP3"):
        _, few = heard_in_a_file(encoded(ONE, form) + bytes(20_000), tmp_path)
        _, many = heard_in_a_file(encoded(ONE, form) + bytes(200_000), tmp_path)
        assert few == ""
        assert "200000 bytes" in many or "could not be decoded" in many


# --- headers that promise more or less ----------------------------------------------------------------------------


def wav(size: int, data: bytes, after: bytes = b"", before: bytes = b"") -> bytes:
    """16 kHz mono, with ``size`` as the data chunk's."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    return b"RIFF\xff\xff\xff\xffWAVE" + before + form + struct.pack("<4sI", b"data", size) + data + after


PCM = (ONE * 32767).astype("<i2").tobytes()
TRUE = np.frombuffer(PCM, "<i2").astype(np.float32) / 32768


@each_way
@pytest.mark.parametrize("size", [0xFFFFFFFF, 0x7FFFFFFF, 0x7FFFF024, 0x80000000, len(PCM) - 3000, 2, len(PCM)])
def test_all_that_is_there_is_heard_whatever_size_a_wav_says(tmp_path: Path, hear: Heard, size: int) -> None:
    found, error = hear(wav(size, PCM), tmp_path)
    assert np.array_equal(found, TRUE) and error == ""


def test_a_wav_of_size_0_is_heard_from_a_pipe_and_refused_as_a_file(tmp_path: Path) -> None:
    found, error = heard_from_a_pipe(wav(0, PCM))
    assert np.array_equal(found, TRUE) and error == ""
    with pytest.raises(FatalError, match="still being written"):
        heard_in_a_file(wav(0, PCM), tmp_path)
    assert len(heard_in_a_file(wav(0, b""), tmp_path)[0]) == 0


@each_way
def test_chunks_before_and_after_the_sound_are_not_heard(tmp_path: Path, hear: Heard) -> None:
    odd = [b"LIST\x05\0\0\0INFOx\0", b"LIST\x05\0\0\0INFOx"]  # with the byte that makes it even, and without
    for before in (b"", b"JUNK\x1c\0\0\0" + bytes(28), *odd):
        for after in (b"", b"id3 \x40\0\0\0" + bytes(64), odd[0]):
            for data in (PCM, PCM[:-1]):
                found, error = hear(wav(len(data), data, b"\0" * (len(data) % 2) + after, before), tmp_path)
                assert np.array_equal(found, TRUE[: len(data) // 2]) and error == "", (before, after)


def test_a_file_that_shrinks_while_it_is_read_is_told(tmp_path: Path) -> None:
    for form in ("WAV", "MP3", "OGG", "FLAC"):
        path = tmp_path / form
        path.write_bytes(encoded(np.concatenate([ONE, OTHER] * 20), form))
        source = FileSource(str(path), realtime=False, channel=0)
        os.truncate(str(path), path.stat().st_size // 2)
        found, error = put_by(source)
        assert len(found) > 0.4 * 20 * (len(ONE) + len(OTHER)), form
        assert "missing" in error, form


def test_a_file_that_grows_is_heard_to_the_end_that_it_had(tmp_path: Path) -> None:
    path = tmp_path / "growing.wav"
    path.write_bytes(wav(1000, PCM))  # the header is older than the last of the sound
    source = FileSource(str(path), realtime=False, channel=0)
    with path.open("ab") as file:
        file.write(PCM)
    found, error = put_by(source)
    assert np.array_equal(found, TRUE) and error == ""


# --- stdin, and names ---------------------------------------------------------------------------------------------


def test_raw_pcm_that_begins_like_a_file_is_raw_pcm() -> None:
    rng = np.random.default_rng(5)
    beginnings = [b"RIFF", b"RIFF\x24\0\0\0WAVX", b"OggS\1", b"fLaC", b"ID3\x09", b".snd", b"\xff\xfb\x90\x64", b"FORM"]
    for begin in beginnings:
        pcm = begin.ljust(16, b"\x11") + (rng.normal(0, 3000, 8000)).astype("<i2").tobytes()
        found, error = heard_from_a_pipe(pcm)
        assert np.array_equal(found, np.frombuffer(pcm, "<i2").astype(np.float32) / 32768) and error == ""


def test_no_speech_as_raw_pcm_is_taken_for_a_file() -> None:
    samples = (babble(8, seed=3) * 32767).astype("<i2")
    for start in range(0, len(samples) - 4000, 997):
        stream = ByteStream(io.BytesIO(samples[start : start + 4000].tobytes()).read)
        assert recognise(stream) is None and not is_mp3_later(stream)


def test_no_tone_as_raw_pcm_is_taken_for_a_file() -> None:
    for period in range(8, 200):
        for amplitude in (300, 8000, 32767):
            tone = np.floor(amplitude * np.sin(2 * np.pi * np.arange(4000) / period)).astype("<i2")
            stream = ByteStream(io.BytesIO(tone.tobytes()).read)
            assert recognise(stream) is None and not is_mp3_later(stream), (period, amplitude)


def test_a_broadcast_that_begins_in_the_middle_of_a_frame_is_heard() -> None:
    content = encoded(np.concatenate([ONE, OTHER]), "MP3")
    found, error = heard_from_a_pipe(content[1000:])
    whole = decoded(content)
    assert error == "" and 0.9 * len(whole) < len(found) < 1.1 * len(whole)


def test_short_raw_pcm_is_heard() -> None:
    for count in (0, 1, 2, 63, 64, 65):
        found, error = heard_from_a_pipe(PCM[:count])
        assert np.array_equal(found, TRUE[: count // 2]) and error == ""


def test_what_cannot_be_read_from_a_pipe_is_told_with_the_line_that_converts_it(tmp_path: Path) -> None:
    mp4 = b"\0\0\0\x20ftypM4A \0\0\0\0" + bytes(3000)
    webm = bytes.fromhex("1a45dfa39f4286810142f7810142f2810442f381084282847765626d42878104") + bytes(3000)
    adpcm = encoded(ONE, "WAV", "IMA_ADPCM")
    for content in (mp4, webm, adpcm, encoded(ONE, "CAF"), encoded(ONE, "W64"), encoded(ONE, "VOC")):
        found, error = heard_from_a_pipe(content)
        assert len(found) == 0
        assert "Unreadable: stdin: " in error and "ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | … --input -" in error


@pytest.mark.parametrize(("form", "subtype"), [("WAV", "IMA_ADPCM"), ("CAF", "PCM_16"), ("W64", None), ("VOC", None)])
def test_other_formats_are_read_from_files_by_libsndfile(tmp_path: Path, form: str, subtype: str | None) -> None:
    content = encoded(ONE, form, subtype)
    found, error = heard_in_a_file(content, tmp_path)
    assert same(found, decoded(content)) and error == ""


def test_a_wav_on_stdin_is_heard_as_it_comes() -> None:
    out, into = os.pipe()
    inbox = Inbox(capacity_sec=100)
    source = StdinSource(8000, 2, 0, descriptor=out)  # the header counts
    runner = threading.Thread(target=source.run, args=(inbox,))
    runner.start()
    os.write(into, wav(0xFFFFFFFF, PCM[:3200]))
    first = inbox.get()
    assert isinstance(first, AudioBlock) and np.array_equal(first.samples, TRUE[:1600])
    os.write(into, PCM[3200:4800])
    second = inbox.get()
    assert isinstance(second, AudioBlock) and np.array_equal(second.samples, TRUE[1600:2400])
    os.close(into)
    runner.join()
    os.close(out)


def test_a_name_that_is_not_utf_8_is_read(tmp_path: Path) -> None:
    for form in ("WAV", "CAF", "MP3"):
        name = os.fsdecode(os.fsencode(tmp_path) + b"/\xbc\xd2\xf4." + form.encode())
        with open(name, "wb") as file:
            file.write(encoded(ONE, form))
        found, error = put_by(FileSource(name, realtime=False, channel=0))
        assert len(found) >= len(ONE) and error == ""
