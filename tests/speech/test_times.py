"""What --extended says of time, of audio written as strings; a frame of 32 ms is a character.

The scripted engine's tokens fire where they end, but for the last one: it fires because the utterance ends.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.settings.services import StreamingConfig
from common.speech.frames import endpoint_settings
from common.speech.partials import Partials
from common.speech.service import SETTLING
from common.units import SAMPLE_RATE, VAD_FRAME_SAMPLES
from common.wire.events import Event, Extra, Final, Partial
from tests.speech.scripted import LateVad, ScriptedEngine, audio, events_of, service

SPEECH = "aaaaaaaabbbbbbbbcccccccc"
LEAD = 2880  # 180 ms: measured, docs/recognition.md


def at(frames: int) -> int:
    return frames * VAD_FRAME_SAMPLES


def finals(events: list[Event]) -> list[Extra]:
    return [event.extra for event in events if isinstance(event, Final) and event.extra is not None]


def only_final(frames: str, **settings: Any) -> Extra:
    [extra] = finals(events_of(service(ScriptedEngine(), **settings), frames))
    return extra


def test_an_utterance_begins_with_its_speech_and_not_with_its_pre_roll() -> None:
    engine = ScriptedEngine()
    [extra] = finals(events_of(service(engine, pre_roll_ms=5 * 32), "........" + SPEECH + "...."))
    assert engine.heard()[0].startswith(".....a")
    assert extra.start == at(8)


def test_speech_that_goes_on_after_a_cut_begins_at_the_cut() -> None:
    running = service(ScriptedEngine(), min_speech_ms=3 * 32)
    list(running.hear(audio("..aaaaaa")))
    list(running.end("flush"))
    [extra] = finals([*running.hear(audio("bbbbbb....")), *running.end()])
    assert extra.start == at(8)


@pytest.mark.parametrize("pre_roll", [1, 6, 12])
def test_a_beginning_that_was_moved_back_is_where_the_speech_begins(pre_roll: int) -> None:
    frames = "....." + SPEECH + "...."
    extra = only_final(frames, vad=LateVad(13), settling=SETTLING, pre_roll_ms=pre_roll * 32)
    assert extra.start == at(5)


def test_an_utterance_whose_beginning_was_moved_back_keeps_to_its_limit() -> None:
    engine = ScriptedEngine()
    running = service(engine, vad=LateVad(30), settling=SETTLING, max_utterance_sec=2)
    first, second, *_ = finals(events_of(running, "aaaabbbbccccdddd" * 12 + "...."))
    assert (first.start, first.end) == (0, at(2 * SAMPLE_RATE // VAD_FRAME_SAMPLES))
    assert second.start == first.end


def test_a_beginning_is_moved_back_no_further_than_the_limit() -> None:
    running = service(ScriptedEngine(), vad=LateVad(70), settling=100, max_utterance_sec=2)
    first, *_ = finals(events_of(running, "aaaabbbbccccdddd" * 12 + "...."))
    assert first.end - first.start <= 2 * SAMPLE_RATE


@pytest.mark.parametrize("seconds", [2.0, 2.016, 3.3, 20.0])
def test_the_longest_utterance_is_not_made_longer_by_rounding(seconds: float) -> None:
    longest = at(endpoint_settings(StreamingConfig(max_utterance_sec=seconds), lateness=0).max_utterance)
    assert seconds * SAMPLE_RATE - VAD_FRAME_SAMPLES < longest <= seconds * SAMPLE_RATE


def test_a_word_begins_before_its_fire_and_lasts_until_the_next_one_begins() -> None:
    extra = only_final(".." + SPEECH + "....")
    second, third = at(18) - LEAD, at(26) - LEAD
    assert [(word.text, word.start, word.end) for word in extra.words] == [
        ("甲", at(10) - LEAD, second),
        ("乙", second, third),
        ("丙", third, at(26)),
    ]


def test_words_of_a_later_utterance_have_the_times_of_the_stream() -> None:
    frames = ".." + SPEECH + "...."
    first, second = finals(events_of(service(ScriptedEngine()), frames * 2))
    moved = [(word.start - at(len(frames)), word.end - at(len(frames))) for word in second.words]
    assert moved == [(word.start, word.end) for word in first.words]


@pytest.mark.parametrize("reason", ["eof", "flush", "shutdown", "device_lost"])
@pytest.mark.parametrize("silent", [0, 1, 2])
@pytest.mark.parametrize("rest", [0, 300])
def test_the_last_word_and_the_speech_end_where_the_speech_did_whatever_ended_the_utterance(
    reason: str, silent: int, rest: int
) -> None:
    by_silence = only_final(".." + SPEECH + "....")
    running = service(ScriptedEngine())
    events = list(running.hear(np.concatenate([audio(".." + SPEECH + "." * silent), audio(".")[:rest]])))
    [extra] = finals([*events, *running.end(reason)])
    assert extra.end_reason == reason and extra.end == at(26 + silent) + rest
    if silent or not rest:  # what fills no frame goes on as it was before
        assert extra.words == by_silence.words
        assert extra.speech_end == by_silence.speech_end == at(26)


def test_samples_that_fill_no_frame_are_speech_if_speech_came_before_them() -> None:
    running = service(ScriptedEngine())
    events = list(running.hear(np.concatenate([audio(".." + SPEECH), audio("c")[:300]])))
    [extra] = finals([*events, *running.end()])
    assert extra.speech_end == extra.words[-1].end == extra.end == at(26) + 300


@pytest.mark.parametrize("lateness", [0, 1, 2])
def test_what_the_detector_lags_is_not_part_of_the_speech(lateness: int) -> None:
    extra = only_final(".." + SPEECH + ".......", lateness=lateness, endpoint_silence_ms=5 * 32)
    assert extra.speech_end == at(26 - lateness)
    assert extra.words[-1].end == extra.speech_end


def test_speech_that_is_shorter_than_the_lag_lasts_a_frame() -> None:
    extra = only_final("..a........", lateness=2, min_speech_ms=32, endpoint_silence_ms=5 * 32)
    assert (extra.start, extra.speech_end) == (at(2), at(3))


def test_the_tail_is_looked_at_no_more_often_in_silence() -> None:
    looks: list[int] = []

    class Counting(ScriptedEngine):
        def session(self) -> Any:
            session = super().session()
            peek = session.peek
            session.peek = lambda: looks.append(1) or peek()  # type: ignore[func-returns-value]
            return session

    running = service(Counting(chunk=50), Partials(peek_interval=at(10)), endpoint_silence_ms=20 * 32)
    list(running.hear(audio(".aaaaaaaaabbbbbbb............")))
    assert len(looks) == 3  # after 10 frames, where silence begins after 18, and after 20


def test_the_tail_is_looked_at_when_silence_begins() -> None:
    running = service(ScriptedEngine(chunk=30), Partials(peek_interval=at(10)))
    assert [event.text for event in running.hear(audio(".aaaaaaaaabbbbbbb")) if isinstance(event, Partial)] == ["甲"]
    assert [event.text for event in running.hear(audio(".")) if isinstance(event, Partial)] == ["甲乙"]
