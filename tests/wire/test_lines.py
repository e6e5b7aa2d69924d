"""Lines as the protocol has them, byte for byte."""

from __future__ import annotations

import json

import pytest

from common.errors import FatalError, describe
from common.wire.events import EagerEnd, ErrorEvent, Extra, Final, Partial, TimedWord
from common.wire.lines import to_line

ID = "a8c1" * 8


def test_a_partial_is_written_with_the_keys_of_the_protocol_in_its_order() -> None:
    assert to_line(Partial(ID, "你好", 0.904), 1697634534123) == (
        f'{{"type":"voice.asr_text.partial","ts":1697634534123,"trace_id":"{ID}",'
        '"source":"funasr.streaming.paraformer-zh","text":"你好","confidence":0.9}\n'
    )


def test_a_final_is_written_with_the_keys_of_the_protocol_in_its_order() -> None:
    assert to_line(Final(ID, "你好，世界", 0.95), 1697634535456) == (
        f'{{"type":"voice.asr_text.final","ts":1697634535456,"trace_id":"{ID}",'
        '"source":"funasr.streaming.paraformer-zh","text":"你好，世界","confidence":0.95}\n'
    )


def test_an_error_is_written_with_the_keys_of_the_protocol_in_its_order() -> None:
    assert to_line(ErrorEvent(ID, "infer_partial_failed", "RuntimeError: …"), 1697634590230) == (
        f'{{"type":"core.error_event","ts":1697634590230,"trace_id":"{ID}",'
        '"source":"voice.asr","error_code":"infer_partial_failed","message":"RuntimeError: …"}\n'
    )


def test_extended_adds_its_keys_behind_the_six_in_the_order_of_the_protocol() -> None:
    words = (TimedWord("你", 16160, 20000, 0.904),)
    plain = to_line(Final(ID, "你", 0.95), 1)[:-2]
    final = Final(ID, "你", 0.95, Extra(3, 16000, 32016, 24000, 0, words, "silence"))
    timed = '"words":[{"text":"你","start_ms":1010,"end_ms":1250,"confidence":0.9}],"latency_ms":40'
    assert to_line(final, 1, seq=7, latency_ms=40) == (
        plain + ',"seq":7,"utterance_id":3,"start_ms":1000,"end_ms":2001,"speech_end_ms":1500,'
        f'{timed},"end_reason":"silence"}}\n'
    )
    partial = to_line(Partial(ID, "你", 0.95, Extra(3, 16000, 32016, 24000, 1, words)), 1, seq=7, latency_ms=40)
    assert partial.endswith(f'"utterance_id":3,"start_ms":1000,"end_ms":2001,"stable":1,{timed}}}\n')


def test_every_confidence_has_two_digits() -> None:
    for event in (Partial(ID, "你", 0.904), Final(ID, "你", 0.904), EagerEnd(ID, "你", 0.904, 16000, 16512)):
        assert json.loads(to_line(event, 1))["confidence"] == 0.9


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "a\u2028b", 'a"b', "\x00", "\ud800"])
def test_a_line_is_one_line_whatever_the_text_holds(text: str) -> None:
    line = to_line(ErrorEvent(ID, "internal_error", text), 1).encode("utf-8", errors="replace").decode()
    assert line.count("\n") == 1 and line.endswith("\n")
    assert json.loads(line)["error_code"] == "internal_error"


def test_describe_gives_one_line_with_the_type_and_the_advice() -> None:
    assert describe(ValueError("two\nlines"), "do this") == "ValueError: two lines; do this"
    assert describe(MemoryError()) == "MemoryError: no further details"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("config_invalid", 2),
        ("dependency_missing", 3),
        ("model_load_failed", 3),
        ("audio_input_failed", 3),
        ("audio_device_failed", 1),
        ("internal_error", 1),
    ],
)
def test_the_exit_status_says_whether_another_start_may_help(code: str, status: int) -> None:
    assert FatalError(code, "").exit_status == status
    assert FatalError(code, "", 1).exit_status == 1
