"""Whole event lists for audio written as strings: what an utterance prints, and when.

In the strings a frame of 32 ms is a character: "." is silence, a to v speak the characters of ``SPOKEN`` (a is
甲, b is 乙 …), capitals are spelled letters, x is heard as 讹 (y) until its chunk is complete, w is <unk>.
"""

from __future__ import annotations

import numpy as np
import pytest

from common.errors import FatalError
from common.speech.partials import Partials
from common.speech.service import SETTLING
from common.speech.vad import speech_from
from common.units import VAD_FRAME_SAMPLES
from common.wire.events import ErrorEvent, Final, Partial
from tests.speech.scripted import FrameVad, LateVad, ScriptedEngine, audio, events_of, service

SURE = pytest.approx(0.9048, abs=1e-4)  # exp(-0.1), the posterior of every scripted token
SLICES = Partials(append_only=True)
EVERY_TWO_FRAMES = Partials(peek_interval=2 * VAD_FRAME_SAMPLES)


def test_silence_prints_nothing_and_costs_no_inference() -> None:
    engine = ScriptedEngine()
    assert events_of(service(engine), "." * 50) == []
    assert engine.heard_by_session == []


def test_speech_shorter_than_the_minimum_opens_no_utterance() -> None:
    engine = ScriptedEngine()
    assert events_of(service(engine, min_speech_ms=5 * 32), "..aaaa......") == []
    assert engine.heard_by_session == []


def test_an_utterance_prints_partials_and_one_final_with_a_shared_trace_id() -> None:
    assert events_of(service(ScriptedEngine(chunk=4)), "...aabbbccc....") == [
        Partial("1", "甲乙", SURE),
        Partial("1", "甲乙丙", SURE),
        Final("1", "甲乙丙", SURE),
    ]


def test_two_utterances_have_two_trace_ids_and_no_common_text() -> None:
    assert events_of(service(ScriptedEngine(), SLICES), "..aaaa....bbbb....") == [
        Partial("1", "甲", SURE),
        Final("1", "甲", SURE),
        Partial("2", "乙", SURE),
        Final("2", "乙", SURE),
    ]


def test_a_pause_shorter_than_the_endpoint_keeps_the_utterance_open() -> None:
    events = events_of(service(ScriptedEngine()), "..aaaa..bbbb....")
    assert [event for event in events if isinstance(event, Final)] == [Final("1", "甲乙", SURE)]


def test_a_partial_is_printed_only_when_the_text_changed() -> None:
    events = events_of(service(ScriptedEngine(chunk=2), EVERY_TWO_FRAMES), "..aaaaaaaaaaaa....")
    assert events == [Partial("1", "甲", SURE), Final("1", "甲", SURE)]


def test_pre_roll_is_heard_but_never_behind_the_end_of_the_utterance_before() -> None:
    engine = ScriptedEngine()
    events_of(service(engine, pre_roll_ms=5 * 32), ".......aaaa....bbbb....")
    assert [heard.rstrip(".") for heard in engine.heard()] == [".....aaaa", ".bbbb"]


def test_a_slice_holds_back_a_letter_that_may_become_an_abbreviation() -> None:
    assert events_of(service(ScriptedEngine(chunk=2), SLICES), "..UUSSBB....") == [
        Partial("1", "US", SURE),
        Partial("1", "USB", SURE),
        Final("1", "USB", SURE),
    ]


def test_a_slice_holds_back_a_letter_said_again_and_again_until_it_is_clear_whether_it_is_a_stutter() -> None:
    assert events_of(service(ScriptedEngine(chunk=2), SLICES), "..aaI.I.I.bb....") == [
        Partial("1", "甲", SURE),
        Partial("1", "甲i i i乙", SURE),
        Final("1", "甲i i i乙", SURE),
    ]


def test_a_lone_letter_that_was_held_back_is_in_the_final() -> None:
    assert events_of(service(ScriptedEngine(chunk=2), SLICES), "..aaKK....") == [
        Partial("1", "甲", SURE),
        Final("1", "甲k", SURE),
    ]


def test_a_peek_shows_the_tail_and_later_context_corrects_it() -> None:
    assert events_of(service(ScriptedEngine(chunk=8), EVERY_TWO_FRAMES), ".aabbxxcc....") == [
        Partial("1", "甲", SURE),
        Partial("1", "甲乙", SURE),
        Partial("1", "甲乙讹", SURE),
        Partial("1", "甲乙误丙", SURE),
        Final("1", "甲乙误丙", SURE),
    ]


def test_a_backlog_leaves_the_peeks_out_and_the_final_is_the_same() -> None:
    frames, backlog = ".aabbxxcc....", 9 * VAD_FRAME_SAMPLES
    assert events_of(service(ScriptedEngine(chunk=8), EVERY_TWO_FRAMES), frames, backlog=backlog) == [
        Partial("1", "甲乙误丙", SURE),
        Final("1", "甲乙误丙", SURE),
    ]


def test_the_end_of_input_finalises_with_the_last_samples_that_fill_no_frame() -> None:
    engine = ScriptedEngine()
    running = service(engine)
    events = list(running.hear(np.concatenate([audio("..aaab"), audio("c")[:300]])))
    events += running.end()
    assert events == [Partial("1", "甲", SURE), Final("1", "甲乙丙", SURE)]
    heard = np.concatenate(engine.heard_by_session[0])
    start = len(audio(".aaab"))
    assert np.array_equal(heard[start : start + 300], audio("c")[:300])


def test_the_end_of_input_in_silence_prints_nothing() -> None:
    assert events_of(service(ScriptedEngine()), "..aaaa....")[-1] == Final("1", "甲", SURE)
    assert list(service(ScriptedEngine()).end()) == []


def test_quiet_behind_the_speech_is_filled_up_to_800_ms_before_the_flush() -> None:
    engine = ScriptedEngine()
    events_of(service(engine), "..aaaa")
    heard = np.concatenate(engine.heard_by_session[0])
    assert len(heard) == len(audio(".aaaa")) + 12800
    assert 0 < np.abs(heard[-12800:]).max() < 0.001


def test_an_utterance_without_text_prints_nothing() -> None:
    assert events_of(service(ScriptedEngine(), EVERY_TWO_FRAMES), "..wwww....") == []


def test_text_that_later_context_takes_back_ends_in_an_empty_final_with_confidence_zero() -> None:
    class TakesBack(ScriptedEngine):
        token_list = tuple("<unk>" if token == "误" else token for token in ScriptedEngine.token_list)

    assert events_of(service(TakesBack(chunk=6), EVERY_TWO_FRAMES), "..xxxxx....") == [
        Partial("1", "讹", SURE),
        Final("1", "", 0.0),
    ]


def test_a_chunk_that_cannot_be_decoded_is_reported_and_the_utterance_goes_on() -> None:
    assert events_of(service(ScriptedEngine(chunk=2, fail_on="b"), SLICES), ".aaccbbdd....") == [
        Partial("1", "甲", SURE),
        Partial("1", "甲丙", SURE),
        ErrorEvent("1", "infer_partial_failed", "RuntimeError: cannot decode cb; this piece of audio was skipped"),
        ErrorEvent("1", "infer_partial_failed", "RuntimeError: cannot decode bd; this piece of audio was skipped"),
        Partial("1", "甲丙丁", SURE),
        Final("1", "甲丙丁", SURE),
    ]


def test_a_flush_that_fails_is_reported_and_the_final_carries_the_last_good_text() -> None:
    assert events_of(service(ScriptedEngine(chunk=2, fail_finish=True), SLICES), ".aabb....") == [
        Partial("1", "甲", SURE),
        Partial("1", "甲乙", SURE),
        ErrorEvent("1", "infer_final_failed", "RuntimeError: flush failed; the final is the last good text"),
        Final("1", "甲乙", SURE),
    ]


def test_ten_failures_in_a_row_are_fatal_and_the_utterance_still_gets_its_final() -> None:
    running = service(ScriptedEngine(chunk=1, fail_on="b"), SLICES)
    printed = []
    with pytest.raises(FatalError) as fatal:
        for event in running.hear(audio("..aa" + "b" * 30)):
            printed.append(event)
    assert fatal.value.error_code == "internal_error"
    assert [event.error_code for event in printed if isinstance(event, ErrorEvent)] == ["infer_partial_failed"] * 10
    assert list(running.end()) == [Final("1", "甲", SURE)]


def test_a_forced_cut_hands_every_frame_to_exactly_one_utterance() -> None:
    engine = ScriptedEngine()
    frames = "".join(chr(97 + i // 5 % 20) for i in range(200))
    events_of(service(engine, max_utterance_sec=2, pre_roll_ms=320), frames + "....")
    assert "".join(heard.replace(".", "") for heard in engine.heard()) == frames
    assert len(engine.heard()) > 2


def test_digital_silence_never_reaches_the_model() -> None:
    engine = ScriptedEngine()
    running = service(engine)
    list(running.hear(np.concatenate([audio("..aaaa"), np.zeros(8 * VAD_FRAME_SAMPLES, dtype=np.float32)])))
    heard = np.concatenate(engine.heard_by_session[0])
    assert len(heard) > 4 * VAD_FRAME_SAMPLES
    assert np.all(heard != 0)


def test_speech_at_the_very_beginning_of_a_stream_is_heard_from_its_beginning_on() -> None:
    """A detector without a past may hear it late: here it misses the first ten frames."""
    engine = ScriptedEngine()
    events_of(service(engine, vad=LateVad(10), settling=SETTLING), "..aaaabbbbccccdddd....")
    assert engine.heard()[0].startswith("aaaabbbbcccc")
    events_of(service(engine, vad=LateVad(10)), "..aaaabbbbccccdddd....")
    assert engine.heard()[1].startswith("bccccdddd")


class SaidVad(FrameVad):
    """Says what it was told, a probability a frame."""

    def __init__(self, *said: float) -> None:
        self._said = iter(said)

    def probability(self, frame: np.ndarray) -> float:
        return next(self._said)


def test_what_is_not_quite_speech_goes_on_with_an_utterance_and_opens_none() -> None:
    """The threshold is 0.5; while an utterance is open, 0.35 and more are speech."""
    silent = (0.0,) * 3
    vad = SaidVad(*[0.4] * 5, *silent, *[0.5] * 2, *[0.36] * 5, *silent, *[0.5] * 2, *[0.34] * 3, *[0.49] * 3)
    engine = ScriptedEngine()
    running = service(engine, vad=vad, vad_threshold=0.5, pre_roll_ms=0)
    list(running.hear(audio("aaaaa...bbccccc...dd...eee")))
    assert [heard.rstrip(".") for heard in engine.heard()] == ["bbccccc", "dd"]
    assert not running._endpointer.is_open


def test_silence_ends_an_utterance_with_a_low_threshold_too() -> None:
    """With 0.1 frames from 0.05 are still speech: 0.15 less would be below any probability."""
    vad = SaidVad(*[0.12] * 3, *[0.06] * 3, *[0.04] * 3)
    running = service(ScriptedEngine(), vad=vad, vad_threshold=0.1, pre_roll_ms=0)
    list(running.hear(audio("aaabbb...")))
    assert not running._endpointer.is_open


@pytest.mark.parametrize(("threshold", "lowest"), [(0.9, 0.75), (0.5, 0.35), (0.3, 0.15), (0.2, 0.1), (0.02, 0.01)])
def test_once_open_speech_goes_on_from_015_less_but_never_from_less_than_half(threshold: float, lowest: float) -> None:
    assert speech_from(threshold, is_open=False) == threshold
    assert speech_from(threshold, is_open=True) == pytest.approx(lowest)
