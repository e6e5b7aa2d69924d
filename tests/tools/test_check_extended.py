"""What check_events.py proves of --extended: each guarantee with lines that keep it and lines that break it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tools.check.check_events import check

A, B = "a" * 32, "b" * 32
EXTENDED = ("seq", "utterance_id", "start_ms", "end_ms", "speech_end_ms", "words", "latency_ms", "end_reason")


def word(text: str, start_ms: int, end_ms: int) -> dict[str, Any]:
    return {"text": text, "start_ms": start_ms, "end_ms": end_ms, "confidence": 0.9}


def event(seq: int, kind: str, text: str, trace_id: str = A, utterance_id: int = 1, **fields: Any) -> dict[str, Any]:
    """A partial or a final with the keys of --extended; an utterance lasts a second."""
    known = {
        "type": f"voice.asr_text.{kind}",
        "ts": 1000 + seq,
        "trace_id": trace_id,
        "source": "funasr.streaming.paraformer-zh",
        "text": text,
        "confidence": 0.9,
        "seq": seq,
        "utterance_id": utterance_id,
        "start_ms": utterance_id * 1000,
        "end_ms": utterance_id * 1000 + 900,
        "words": [],
        "latency_ms": 40,
    }
    if kind == "partial":
        words = known.popitem(), known.popitem()
        known.update(stable=0, **dict(reversed(words)))
    else:
        words = known.popitem(), known.popitem()
        known.update(speech_end_ms=utterance_id * 1000 + 800, **dict(reversed(words)), end_reason="silence")
    return {**known, **fields}


STATUS = {
    "type": "core.status_event",
    "ts": 1000,
    "trace_id": "c" * 32,
    "source": "voice.asr",
    "state": "ready",
    "model": "demo",
    "seq": 1,
}


def broken(*events: dict[str, Any], cut_off: bool = True) -> list[tuple[int, str]]:
    lines = [(json.dumps(event, ensure_ascii=False) + "\n").encode() for event in events]
    return [(violation.line, violation.guarantee) for violation in check(lines, cut_off=cut_off)]


def test_what_keeps_every_guarantee_has_no_violation() -> None:
    you, good = word("你", 1000, 1200), word("好", 1200, 1500)
    assert (
        broken(
            STATUS,
            event(2, "partial", "你", words=[you]),
            event(3, "partial", "你好", stable=1, words=[you, good]),
            event(4, "final", "你好", words=[you, good]),
            event(5, "final", "再见", B, utterance_id=3),
            cut_off=False,
        )
        == []
    )


def test_the_keys_of_extended_come_together() -> None:
    final = event(1, "final", "你")
    for key in EXTENDED:
        less = {name: value for name, value in final.items() if name != key}
        assert (1, "docs/events.schema.json") in broken(less)


@pytest.mark.parametrize("fields", [{"end_reason": "boredom"}, {"stable": 1}, {"words": [{}]}], ids=str)
def test_the_keys_of_extended_keep_to_the_schema(fields: dict[str, Any]) -> None:
    assert set(broken(event(1, "final", "你", **fields))) == {(1, "docs/events.schema.json")}


def test_a_state_is_one_of_the_protocol_s() -> None:
    assert broken({**STATUS, "state": "bored"}) == [(1, "docs/events.schema.json")]


@pytest.mark.parametrize("numbers", [(2, 3), (1, 3), (1, 1), (1, None)], ids=str)
def test_seq_counts_from_1_without_gaps_on_every_line(numbers: tuple[int, ...]) -> None:
    finals = [event(place, "final", "你", str(place) * 32, place) for place in (1, 2)]
    for final, number in zip(finals, numbers):
        final["seq"] = number
        for key in EXTENDED if number is None else ():
            del final[key]
    assert [guarantee for _, guarantee in broken(*finals)] == ["seq counts 1, 2, 3"]


def test_utterance_id_is_one_an_utterance_and_grows() -> None:
    changing = [event(1, "partial", "你"), event(2, "final", "你", utterance_id=2, start_ms=1000)]
    assert broken(*changing) == [(2, "one utterance_id an utterance")]
    falling = [event(1, "final", "你", utterance_id=2, start_ms=1000), event(2, "final", "你", B, start_ms=3000)]
    assert (2, "utterance_id grows") in broken(*falling)


def test_speech_begins_before_it_ends() -> None:
    assert broken(event(1, "partial", "你", start_ms=901, end_ms=900)) == [(1, "start_ms <= end_ms")]
    assert broken(event(1, "partial", "你", start_ms=900, end_ms=900)) == []


@pytest.mark.parametrize(("speech_end_ms", "holds"), [(999, False), (1000, True), (1900, True), (1901, False)])
def test_speech_ends_within_its_audio(speech_end_ms: int, holds: bool) -> None:
    wrong = [] if holds else [(1, "start_ms <= speech_end_ms <= end_ms")]
    assert broken(event(1, "final", "你", speech_end_ms=speech_end_ms)) == wrong


def test_the_end_of_the_speech_stands_right_behind_the_end_of_the_audio() -> None:
    final = event(1, "final", "你")
    final["end_reason"] = final.pop("end_reason")
    final["speech_end_ms"] = final.pop("speech_end_ms")
    assert broken(final) == [(1, "docs/events.schema.json")]


def test_an_utterance_begins_no_earlier_than_the_one_before_ended() -> None:
    first = event(1, "final", "你", end_ms=2001)
    assert broken(first, event(2, "final", "好", B, 2)) == [(2, "no sample in two utterances")]
    assert broken(first, event(2, "final", "好", B, 2, start_ms=2001)) == []


def test_stable_is_no_longer_than_the_text() -> None:
    assert broken(event(1, "partial", "你好", stable=3)) == [(1, "stable <= length of text")]


def test_stable_text_never_changes_again() -> None:
    promised = [event(1, "partial", "你好", stable=1), event(2, "partial", "你们", stable=0)]
    assert broken(*promised) == []
    never = "stable text never changes"
    assert broken(*promised, event(3, "partial", "我们")) == [(3, never)]
    assert broken(*promised, event(3, "final", "我们")) == [(3, never)]
    assert broken(*promised, event(3, "final", "你们"), event(4, "final", "我们", B, 2)) == []


@pytest.mark.parametrize(
    "times", [[(999, 1100)], [(1800, 1901)], [(1200, 1100)], [(1100, 1300), (1200, 1400)]], ids=str
)
def test_words_stand_one_behind_the_other_within_their_utterance(times: list[tuple[int, int]]) -> None:
    words = [word("字", start, end) for start, end in times]
    assert broken(event(1, "final", "字", words=words)) == [(1, "words in order within start_ms and end_ms")]


def test_a_word_has_a_length() -> None:
    words = [word("你", 1100, 1100), word("好", 1100, 1101)]
    assert broken(event(1, "final", "你好", words=words)) == [(1, "a word has a length")]
