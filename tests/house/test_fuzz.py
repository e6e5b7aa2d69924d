"""Random input where other people's bytes come in: nothing raises what it should not, nothing hangs, nothing is run."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Iterator
from unittest import mock

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from common.engines.geometry import Geometry
from common.engines.model_folder import read_folder
from common.errors import FatalError
from common.run.carry_out import CommandHandler
from common.run.process import Process
from common.run.state import RunState
from common.settings.files import read_hotwords
from common.settings.flags import DEMO_MODEL
from common.settings.hotword_list import GREATEST_WEIGHT, LEAST_WEIGHT, MAX_LENGTH
from common.sources import stdin_sound as stdin_module
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfCommands, EndOfInput, SourceFailed
from common.sources.resampling import Converter
from common.sources.sound_file import FileSource
from common.sources.stdin_lines import LineReader
from common.sources.stdin_sound import StdinSource
from common.wire.command_lines import BadLine, Command, Lines, parse_line
from common.wire.events import Ack, ErrorEvent, State, Status
from common.wire.lines import to_line
from tests.sources.encoded import encoded
from tests.speech.scripted import ScriptedEngine, service

MUTABLE = ("config.yaml", "tokens.json", "am.mvn", "configuration.json")
ROOM = 1e6  # seconds: nobody takes audio out of these inboxes


def cut(data: bytes, places: list[int]) -> Iterator[bytes]:
    """``data`` in pieces, cut at ``places``."""
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return (data[start:end] for start, end in zip(edges, edges[1:]) if end > start)


cuts = st.lists(st.integers(0, 1 << 20), max_size=12)
streams = st.lists(st.one_of(st.binary(max_size=40), st.sampled_from([b"\n", b"\n\n", b" \n", b"x" * 60])), max_size=20)


# --- lines on stdin -----------------------------------------------------------------------------------------------


@given(streams.map(b"".join), cuts)
def test_lines_are_the_same_however_their_bytes_are_cut_and_one_too_long_is_told_once(
    data: bytes, places: list[int]
) -> None:
    with mock.patch("common.wire.command_lines.LONGEST_LINE", 30):
        lines = Lines()
        found = [line for piece in cut(data, places) for line in lines.feed(piece)] + list(lines.end())
    whole = [line for line in data.split(b"\n") if line.strip() or len(line) > 30]
    assert [None if isinstance(line, BadLine) else line for line in found] == [
        None if len(line) > 30 else line for line in whole
    ]


def test_what_follows_a_line_of_more_than_a_mebibyte_is_read() -> None:
    lines = Lines()
    pieces = cut(b"a" * 3_000_000 + b"\nb\n", [70_000, 1_100_000, 2_000_000])
    found = [each for piece in pieces for each in lines.feed(piece)]
    assert [type(each) for each in found] == [BadLine, bytes]
    assert found[1] == b"b"


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
kinds = [*(f"core.control.{kind}" for kind in ("flush", "pause", "resume", "reset", "set", "status", "stop", "x"))]
objects = st.fixed_dictionaries(
    {"type": st.sampled_from([*kinds, "voice.audio.append", "voice.audio.end"]) | values},
    optional={"id": st.text(max_size=4) | values, "endpoint_silence_ms": values, "hotwords": values, "audio": values},
).map(lambda content: json.dumps(content).encode())
deep = st.tuples(st.sampled_from(["type", "id", "hotwords", "endpoint_silence_ms", "x"]), st.integers(0, 1500)).map(
    lambda pair: b'{"type":"core.control.set","%s":%s}' % (pair[0].encode(), b"[" * pair[1] + b"]" * pair[1])
)


@given(st.binary(max_size=60) | objects | deep, st.booleans())
def test_no_line_raises_neither_when_it_is_read_nor_when_it_is_done(line: bytes, takes_audio: bool) -> None:
    parsed = parse_line(line, takes_audio)
    if not isinstance(parsed, (Command, BadLine)):
        return
    device: Any = SimpleNamespace(pause=lambda: None, resume=lambda: None, is_lost=False)
    process = Process(None, state=RunState(State.LISTENING))  # type: ignore[arg-type]
    handler = CommandHandler(process, service(ScriptedEngine()), device)
    for event in handler.handle(parsed) if isinstance(parsed, Command) else handler.refuse(parsed):
        assert isinstance(event, (Ack, ErrorEvent, Status))
        assert json.loads(to_line(event, 0).encode("utf-8"))


@settings(deadline=None)
@given(st.lists(st.binary(max_size=50) | objects, max_size=8), st.booleans())
def test_the_reader_of_stdin_reads_to_the_end_whatever_comes(lines: list[bytes], takes_audio: bool) -> None:
    inbox = Inbox(capacity_sec=ROOM)
    out, into = os.pipe()
    os.write(into, b"\n".join(lines))
    os.close(into)
    try:
        LineReader(inbox, inbox.hurry, 16000, takes_audio, EndOfCommands(), descriptor=out)._run()
    finally:
        os.close(out)
    messages = [message for _, message in inbox._messages]
    assert takes_audio or isinstance(messages[-1], EndOfCommands)
    assert messages


# --- raw PCM ------------------------------------------------------------------------------------------------------


def heard(pieces: Iterator[bytes], rate: int, channels: int, channel: int) -> np.ndarray:
    """What a StdinSource makes of a pipe that gives ``pieces``."""
    inbox = Inbox(capacity_sec=ROOM)
    out, into = os.pipe()
    with mock.patch.object(stdin_module, "read_some", lambda _descriptor, _most: next(pieces, b"")):
        StdinSource(rate, channels, channel, descriptor=out).run(inbox)
    os.close(out)
    os.close(into)
    blocks = [message for _, message in inbox._messages if isinstance(message, AudioBlock)]
    return np.concatenate([np.zeros(0, np.float32), *(block.samples for block in blocks)])


@settings(max_examples=80, deadline=None)
@given(st.data(), st.integers(0, 6000), st.integers(1, 8), st.sampled_from([8000, 11025, 16000, 22050, 44100, 48000]))
def test_pcm_gives_the_same_samples_however_its_bytes_are_cut(
    data: st.DataObject, count: int, channels: int, rate: int
) -> None:
    channel = data.draw(st.integers(0, channels))
    content = np.random.default_rng(count).bytes(count)
    found = heard(cut(content, data.draw(cuts)), rate, channels, channel)
    whole = len(content) // (2 * channels) * channels
    frames = np.frombuffer(content, "<i2", count=whole).astype(np.float32).reshape(-1, channels) / 32768
    converter = Converter(rate, channel)
    wanted = np.concatenate([converter.convert(frames), converter.finish()])
    np.testing.assert_array_equal(found, wanted)


# --- sound files --------------------------------------------------------------------------------------------------

SHORT = np.random.default_rng(0).normal(0, 0.1, 6000).astype(np.float32)
FILES = [encoded(SHORT, form) for form in ("WAV", "AIFF", "AU", "FLAC", "OGG", "MP3", "RF64", "CAF")]
FILES += [encoded(np.stack([SHORT, SHORT], axis=1), "WAV", "PCM_24"), encoded(SHORT, "OGG", "OPUS")]


@settings(max_examples=150, deadline=None)
@given(st.data(), st.sampled_from(FILES))
def test_a_damaged_sound_file_is_heard_as_far_as_it_goes_or_refused(data: st.DataObject, content: bytes) -> None:
    damaged = bytearray(content * data.draw(st.integers(1, 2)))
    for _ in range(data.draw(st.integers(0, 4))):
        place = data.draw(st.integers(0, min(200, len(damaged) - 1)) | st.integers(0, len(damaged) - 1))
        damaged[place : place + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
    del damaged[data.draw(st.integers(0, len(damaged)) | st.just(len(damaged))) :]
    inbox = Inbox(capacity_sec=ROOM)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "sound"
        path.write_bytes(damaged)
        try:
            FileSource(str(path), realtime=False, channel=0).run(inbox)
        except FatalError as error:
            inbox.put(SourceFailed(error))
    *blocks, end = (message for _, message in inbox._messages)
    assert all(isinstance(each, AudioBlock) and np.isfinite(each.samples).all() for each in blocks)
    if not isinstance(end, EndOfInput):
        assert isinstance(end, SourceFailed) and end.error.error_code == "audio_input_failed"


# --- model folders ------------------------------------------------------------------------------------------------

NASTY = [
    b"!!python/object/apply:os.system ['touch EXECUTED']",
    b"x: !!python/object/new:os.system ['touch EXECUTED']\n",
    b"!!python/name:os.system ",
    *[b"!!int ''", b"!!timestamp x", b"!!bool x", b"!!binary x", b"&a [*a]", b"<<: 1", b"? [a]\n: 1\n"],
    *[b"[" * 2000, b'{"a":' * 2000, b"\x00", b"\xff\xfe", b"NaN", b".inf", b"- ", b": ", b"\n", b"1e999", b"9" * 5000],
    *[b"0", b"-1", b"2.5", b"true", b"1000000000000", b"0x" + b"f" * 5000, b"*a", b"&a "],
]


def mutated(content: bytes, data: st.DataObject) -> bytes:
    """``content`` cut off, or with a span replaced by something else."""
    start = data.draw(st.integers(0, len(content)))
    if data.draw(st.booleans()):
        return content[:start]
    end = min(len(content), start + data.draw(st.integers(0, 20)))
    return content[:start] + data.draw(st.sampled_from(NASTY) | st.binary(max_size=8)) + content[end:]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the demo model, but for its weights."""
    path = tmp_path_factory.mktemp("model")
    for name in (*MUTABLE, "seg_dict"):
        (path / name).write_bytes((DEMO_MODEL / name).read_bytes())
    (path / "model.pt").write_bytes(b"weights")
    return path


@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data(), st.sampled_from(MUTABLE))
def test_a_damaged_model_folder_is_read_or_refused_and_nothing_in_it_is_run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, data: st.DataObject, name: str
) -> None:
    monkeypatch.chdir(folder)
    (folder / name).write_bytes(mutated((DEMO_MODEL / name).read_bytes(), data))
    try:
        files = read_folder(folder)
        with contextlib.suppress(ValueError):  # a variant that only FunASR computes
            Geometry.of(files.config, len(files.tokens))
    except FatalError as error:
        assert error.error_code == "model_load_failed"
    finally:
        (folder / name).write_bytes((DEMO_MODEL / name).read_bytes())
    assert not (folder / "EXECUTED").exists()


@pytest.mark.parametrize("value", ["many", ".inf", ".nan", "[1]", "!!int ''", "[" * 2000, "!!python/name:os.system ''"])
def test_a_configuration_with_a_value_of_the_wrong_kind_is_refused(folder: Path, value: str) -> None:
    whole = (DEMO_MODEL / "config.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(whole.replace("n_mels: 80", f"n_mels: {value}"), encoding="utf-8")
    with pytest.raises(FatalError) as caught:
        read_folder(folder)
    (folder / "config.yaml").write_text(whole, encoding="utf-8")
    assert caught.value.error_code == "model_load_failed"


# --- hotwords -----------------------------------------------------------------------------------------------------

usual = st.sampled_from(["词 20", "# x", "词\t3.5", "１", "词 ٣", "a" * 50])
entries = st.lists(st.text(max_size=12) | usual, max_size=8)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.binary(max_size=60) | entries.map("\n".join).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_a_file_of_hotwords_is_read_or_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "words").write_bytes(content)
    try:
        found = read_hotwords("--hotwords", f"@{tmp_path / 'words'}")
    except FatalError as error:
        assert error.error_code == "config_invalid"
        return
    for hotword in found:
        assert LEAST_WEIGHT <= hotword.weight <= GREATEST_WEIGHT
        assert 0 < len(hotword.text) <= MAX_LENGTH and hotword.text.isprintable()
