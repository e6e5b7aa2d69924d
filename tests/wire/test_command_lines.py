"""Lines on stdin: what they ask for, and that nothing in them stops the service."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.wire.command_lines import LONGEST_LINE, Audio, AudioEnd, BadLine, Command, Lines, parse_line


def parsed(takes_audio: bool = False, **content: Any) -> Any:
    return parse_line(json.dumps(content).encode(), takes_audio)


@pytest.mark.parametrize("kind", ["flush", "pause", "resume", "reset", "stop"])
def test_a_command_with_and_without_an_id(kind: str) -> None:
    assert parsed(type=f"core.control.{kind}") == Command(kind)
    assert parsed(type=f"core.control.{kind}", id="7") == Command(kind, "7")
    assert parsed(type=f"core.control.{kind}", id=7) == Command(kind, 7)


def test_what_a_command_bears_besides_goes_with_it() -> None:
    wanted = Command("set", "1", {"endpoint_silence_ms": 500})
    assert parsed(type="core.control.set", id="1", endpoint_silence_ms=500) == wanted


def test_status_needs_an_id() -> None:
    assert isinstance(parsed(type="core.control.status"), BadLine)
    assert parsed(type="core.control.status", id="s") == Command("status", "s")


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"flush", "not JSON"),
        (b"\xff\xfe{", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b"{}", "unknown type null"),
        (b'{"type":"core.control.explode"}', "unknown type"),
        (b'{"type":"core.control."}', "unknown type"),
        (b'{"type":["core.control.flush"]}', "unknown type"),
        (b'{"type":"voice.audio.append","audio":""}', "--input jsonl"),
        (b'{"type":"core.control.flush","id":true}', '"id" must be'),
        (b'{"type":"core.control.flush","id":{}}', '"id" must be'),
        (b"[" * 100_000, "not JSON"),
    ],
)
def test_a_line_that_is_no_command_says_why(line: bytes, reason: str) -> None:
    answer = parse_line(line, takes_audio=False)
    assert isinstance(answer, BadLine)
    assert reason in answer.reason


def test_audio_and_its_end() -> None:
    pcm = b"\x01\x00\xff\x7f"
    audio = parsed(takes_audio=True, type="voice.audio.append", audio=base64.b64encode(pcm).decode())
    assert isinstance(audio, Audio) and audio.pcm == pcm
    assert isinstance(parsed(takes_audio=True, type="voice.audio.end"), AudioEnd)


@pytest.mark.parametrize("audio", [None, 7, "no base64!", base64.b64encode(b"odd").decode()])
def test_audio_that_is_none_is_refused(audio: Any) -> None:
    assert isinstance(parsed(takes_audio=True, type="voice.audio.append", audio=audio), BadLine)


def test_a_byte_order_mark_and_windows_line_ends_are_no_matter() -> None:
    [line] = Lines().feed(b'\xef\xbb\xbf{"type":"core.control.flush"}\r\n')
    assert isinstance(line, bytes)
    assert parse_line(line, takes_audio=False) == Command("flush")


def test_a_line_over_the_limit_is_reported_once_and_the_next_is_heard() -> None:
    lines = Lines()
    heard = [answer for _ in range(40) for answer in lines.feed(b"x" * (LONGEST_LINE // 8))]
    heard += lines.feed(b"end of it\nnext\n")
    assert [type(answer) for answer in heard] == [BadLine, bytes]
    assert heard[1] == b"next"
    assert [type(answer) for answer in Lines().feed(b"y" * (LONGEST_LINE + 1) + b"\nnext\n")] == [BadLine, bytes]
    assert list(Lines().feed(b"z" * LONGEST_LINE + b"\n")) == [b"z" * LONGEST_LINE]


@given(st.lists(st.binary(max_size=40)), st.lists(st.integers(1, 50)))
def test_lines_are_the_same_however_the_bytes_are_cut(pieces: list[bytes], cuts: list[int]) -> None:
    data = b"\n".join(pieces)
    lines, position, heard = Lines(), 0, []
    for cut in [*cuts, len(data) + 1]:
        heard += lines.feed(data[position : position + cut])
        position += cut
    heard += lines.end()
    assert heard == [line for line in data.split(b"\n") if line.strip()]


@given(st.binary(max_size=200), st.booleans())
def test_any_bytes_are_a_message_and_never_an_exception(line: bytes, takes_audio: bool) -> None:
    assert isinstance(parse_line(line, takes_audio), (Command, BadLine, Audio, AudioEnd))


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
)
kinds = st.sampled_from(["core.control.set", "core.control.flush", "voice.audio.append", "voice.audio.end"])


@given(kinds, st.dictionaries(st.sampled_from(["id", "audio", "x"]), json_values), st.booleans())
def test_any_fields_are_a_message_and_never_an_exception(kind: str, fields: Any, takes_audio: bool) -> None:
    answer = parse_line(json.dumps({"type": kind, **fields}).encode(), takes_audio)
    assert isinstance(answer, (Command, BadLine, Audio, AudioEnd))


@pytest.mark.parametrize("content", [{}, {"audio": 7}, {"audio": "?"}, {"audio": "AAAA"}])
def test_audio_that_cannot_be_read_is_answered_under_its_id(content: dict[str, Any]) -> None:
    answer = parsed(True, type="voice.audio.append", id="7", **content)
    assert isinstance(answer, BadLine) and answer.id == "7"
    assert "voice.audio.append" in answer.reason and answer.reason.startswith("ValueError: ")
