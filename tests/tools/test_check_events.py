"""What tools/check/check_events.py proves: each guarantee with lines that keep it and lines that break it."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest

from common.wire.events import Ack, ErrorEvent, Event, Final, Partial
from common.wire.lines import to_line
from tests.audio import ROOT
from tools.check.check_events import check

A, B, C, D = ("a" * 32, "b" * 32, "c" * 32, "d" * 32)
FAILED = "RuntimeError: no; this piece of audio was skipped"
FLUSH = b'{"type":"core.control.flush","id":"7"}\n'
RESET = b'{"type":"core.control.reset"}\n'
STATUS = b'{"type":"core.control.status","id":7}\n'


def lines(*events: Event) -> list[bytes]:
    return [to_line(event, 1000 + place).encode() for place, event in enumerate(events)]


def broken(stdout: list[bytes], **options: Any) -> list[tuple[int, str]]:
    return [(violation.line, violation.guarantee) for violation in check(stdout, **options)]


def changed(**fields: Any) -> bytes:
    """A partial's line with other fields; None takes one away."""
    event = {**json.loads(to_line(Partial(A, "你", 0.9), 1000)), **fields}
    kept = {key: value for key, value in event.items() if value is not None}
    return (json.dumps(kept, ensure_ascii=False) + "\n").encode()


UTTERANCE = (Partial(A, "你", 0.9), Partial(A, "你好", 0.95), Final(A, "你好", 0.95))
NEXT = (Partial(B, "世", 0.5), Final(B, "世界", 0.0))
ERROR = ErrorEvent(C, "control_invalid", "ValueError: not JSON")


def test_what_keeps_every_guarantee_has_no_violation() -> None:
    stdout = lines(*UTTERANCE, ERROR, *NEXT, Final(D, "只有最终", 1.0))
    assert check(stdout, append_only=True) == []
    assert check([]) == []


@pytest.mark.parametrize(
    "line",
    [
        b"\n",
        b"  \n",
        b"listening\n",
        b"[]\n",
        b"{} {}\n",
        b"\xff\n",
        b"\xef\xbb\xbf{}\n",
        b'{"a":1,"a":1}\n',
        b'{"a":NaN}\n',
        b"[" * 100000 + b"\n",
        changed().replace("你".encode(), b"\\u4f60"),
    ],
    ids=lambda line: str(line[:20]),
)
def test_a_line_is_one_json_object_in_utf_8_with_its_text_as_it_is(line: bytes) -> None:
    assert broken([*lines(*UTTERANCE), line]) == [(4, "one JSON object a line")]


def test_an_escaped_control_character_and_a_backslash_are_allowed() -> None:
    assert check(lines(Final(A, "a\x01\\u4f60", 0.9))) == []


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_every_line_ends_with_a_newline_and_nothing_before_it(end: bytes) -> None:
    stdout = lines(*UTTERANCE)
    assert broken([*stdout[:2], stdout[2].rstrip() + end]) == [(3, r"a line ends with \n")]


@pytest.mark.parametrize(
    "fields",
    [
        {"ts": 1.5},
        {"ts": True},
        {"ts": None},
        {"source": "voice.asr"},
        {"trace_id": "A" * 32},
        {"trace_id": "a" * 31},
        {"trace_id": "a" * 32 + "\n"},
        {"text": ""},
        {"confidence": 1.01},
        {"confidence": -0.01},
        {"confidence": "0.9"},
        {"colour": "red"},
        {"type": "voice.asr_text.middle"},
        {"type": 7},
        {"utterance_id": 1},
    ],
    ids=str,
)
def test_an_event_has_the_keys_and_the_values_of_the_schema_and_no_others(fields: dict[str, Any]) -> None:
    found = broken([changed(**fields)], cut_off=True)
    assert found == [(1, "docs/events.schema.json")]


def test_an_error_code_is_one_of_the_protocols() -> None:
    assert broken(lines(ErrorEvent(A, "out_of_luck", FAILED))) == [(1, "docs/events.schema.json")]


def test_keys_come_in_the_order_of_the_protocol() -> None:
    event = json.loads(changed())
    line = json.dumps(dict(sorted(event.items()))).encode() + b"\n"
    [violation] = check([line.replace(b"\\u4f60", "你".encode())], cut_off=True)
    assert "the keys come as" in violation.what


def test_ts_never_falls() -> None:
    stdout = [changed(ts=5), changed(ts=5, text="你好"), changed(ts=4, text="你好吗")]
    assert broken(stdout, cut_off=True) == [(3, "ts never falls")]


def test_a_trace_id_never_comes_back_behind_another_utterance() -> None:
    assert broken(lines(*UTTERANCE, *NEXT, Final(A, "又", 0.9))) == [
        (6, "one utterance at a time"),
        (6, "one final, the last word"),
    ]


def test_utterances_do_not_interleave() -> None:
    stdout = lines(UTTERANCE[0], NEXT[0], UTTERANCE[2], NEXT[1])
    assert broken(stdout) == [(3, "one utterance at a time"), (4, "one utterance at a time")]


def test_errors_stand_in_their_utterance_or_have_a_trace_id_of_their_own() -> None:
    inside = ErrorEvent(A, "infer_partial_failed", FAILED)
    assert check(lines(inside, UTTERANCE[0], inside, ERROR, *UTTERANCE[1:], *NEXT)) == []
    assert broken(lines(*UTTERANCE, NEXT[0], inside, NEXT[1]))[0] == (5, "one utterance at a time")


def test_an_utterance_that_printed_a_partial_gets_a_final() -> None:
    assert broken(lines(*UTTERANCE[:2], *NEXT)) == [(2, "one final, the last word")]
    assert broken(lines(*NEXT, *UTTERANCE[:2])) == [(4, "one final, the last word")]


def test_an_utterance_gets_one_final_and_nothing_behind_it() -> None:
    assert broken(lines(*UTTERANCE, UTTERANCE[2])) == [(4, "one final, the last word")]
    assert broken(lines(*UTTERANCE, Partial(A, "你好吗", 0.9))) == [(4, "one final, the last word")]


def test_a_run_that_was_cut_off_may_end_without_a_final_and_in_the_middle_of_a_line() -> None:
    stdout = lines(*NEXT, *UTTERANCE)
    assert check([*stdout[:3], stdout[3][:20]], cut_off=True) == []
    assert broken(lines(*UTTERANCE[:2], *NEXT), cut_off=True) == [(2, "one final, the last word")]


def test_a_reset_that_was_sent_drops_one_utterance() -> None:
    stdout = lines(*UTTERANCE[:2], *NEXT)
    assert check(stdout, commands=[RESET]) == []
    assert broken(stdout, commands=[]) == [(2, "one final, the last word")]
    assert broken(lines(UTTERANCE[0], NEXT[0]), commands=[RESET]) == [(2, "one final, the last word")]


def test_a_partial_is_printed_only_when_the_text_changed() -> None:
    stdout = lines(UTTERANCE[0], *UTTERANCE)
    assert broken(stdout) == [(2, "a partial only when the text changed")]
    assert check(lines(Partial(A, "你", 0.9), Partial(A, "里", 0.9), *UTTERANCE)) == []


@pytest.mark.parametrize("before", [[], [UTTERANCE[0]]])
@pytest.mark.parametrize("confidence", [0.0, 0.9])
def test_a_final_is_empty_only_when_it_takes_everything_back(before: list[Event], confidence: float) -> None:
    found = broken(lines(*before, Final(A, "", confidence)))
    is_right = bool(before) and confidence == 0
    assert found == ([] if is_right else [(len(before) + 1, "an empty text takes everything back")])


def test_confidence_has_at_most_two_decimals() -> None:
    assert broken([changed(confidence=0.905)], cut_off=True) == [(1, "confidence has two decimals")]
    assert check(lines(*(Final(f"{value:032x}", "你", value / 100) for value in range(101)))) == []


def test_what_asr_service_printed_is_never_taken_back() -> None:
    stdout = lines(Partial(A, "你", 0.9), Partial(A, "里", 0.9), Partial(A, "里好", 0.9), Final(A, "你好", 0.9))
    assert check(stdout) == []
    grows = "asr_service.py never takes back"
    assert broken(stdout, append_only=True) == [(2, grows), (4, grows)]


def test_nothing_follows_a_fatal_error() -> None:
    fatal = ErrorEvent(C, "internal_error", FAILED)
    assert check(lines(*UTTERANCE, fatal)) == []
    assert broken(lines(fatal, *NEXT)) == [(2, "a fatal error is the end"), (3, "a fatal error is the end")]


def test_an_ack_of_a_final_carries_the_final_s_trace_id_behind_it() -> None:
    ack = Ack(A, "7", True, (("final", True),))
    assert check(lines(*UTTERANCE, ack), commands=[FLUSH]) == []
    assert broken(lines(ack, *UTTERANCE)) == [(1, "an ack comes behind its effect")]
    assert broken(lines(*UTTERANCE, *NEXT, ack)) == [(6, "an ack comes behind its effect")]


def test_commands_are_acknowledged_once_each_in_their_order() -> None:
    flush = Ack(C, "7", True, (("final", False),))
    refused = Ack(D, 7, False, (("error_code", "control_invalid"), ("message", FAILED)))
    order = "one ack a command, in order"
    assert check(lines(flush, refused), commands=[b"garbage\n", FLUSH, RESET, STATUS, FLUSH]) == []
    assert broken(lines(refused, flush), commands=[FLUSH, STATUS]) == [(1, order)]
    assert broken(lines(flush, flush), commands=[FLUSH]) == [(2, order)]
    assert broken(lines(Ack(C, "7", True)), commands=[FLUSH]) == [(1, order)]
    assert broken(lines(Ack(C, 7, True)), commands=[STATUS]) == [(1, order)]
    assert broken(lines(flush), commands=[FLUSH.replace(b"flush", b"reset")]) == [(1, order)]


def test_what_is_no_command_is_refused_if_it_bears_an_id() -> None:
    refused = Ack(D, 7, False, (("error_code", "control_invalid"), ("message", FAILED)))
    unknown = STATUS.replace(b"status", b"fly")
    assert check(lines(refused), commands=[unknown]) == []
    assert broken(lines(Ack(D, 7, True)), commands=[unknown]) == [(1, "one ack a command, in order")]


def run_tool(*arguments: str, stdin: bytes = b"") -> tuple[int, list[str]]:
    tool = [sys.executable, str(ROOT / "tools" / "check" / "check_events.py"), *arguments]
    done = subprocess.run(tool, input=stdin, capture_output=True, timeout=60, check=False)
    return done.returncode, done.stdout.decode("utf-8").splitlines()


def test_the_tool_prints_a_line_a_violation_and_exits_with_1(tmp_path: Any) -> None:
    path = tmp_path / "events.jsonl"
    path.write_bytes(b"".join(lines(*UTTERANCE)))
    assert run_tool(str(path), "--append-only") == (0, ["lines: 3; every guarantee holds"])
    status, printed = run_tool("-", stdin=b"".join(lines(*UTTERANCE, UTTERANCE[2])))
    assert (status, printed[-1]) == (1, "lines: 4; violations: 1")
    assert printed[0].startswith("-:4: one final, the last word: ")


def test_the_tool_takes_the_commands_too(tmp_path: Any) -> None:
    path = tmp_path / "commands.jsonl"
    path.write_bytes(RESET)
    assert run_tool("-", "--commands", str(path), stdin=lines(UTTERANCE[0])[0])[0] == 0


@pytest.mark.parametrize("arguments", [[], ["no-such-file"], ["-", "--commands", "-"], ["-", "--colour"]], ids=str)
def test_a_bad_call_exits_with_2(arguments: list[str]) -> None:
    assert run_tool(*arguments) == (2, [])


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-8"])
def test_a_file_that_powershell_wrote_is_read_and_told(encoding: str) -> None:
    text = b"".join(lines(*UTTERANCE)).decode().replace("\n", "\r\n")
    status, printed = run_tool("-", stdin=text.encode(encoding))
    assert (status, len(printed)) == (0, 2)
    assert "CRLF, as PowerShell's > writes it" in printed[0]
