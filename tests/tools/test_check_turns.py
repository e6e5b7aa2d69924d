"""What check_events.py proves of --turns: each guarantee with lines that keep it and lines that break it."""

from __future__ import annotations

from typing import Any

import pytest

from common.wire.events import (
    EagerEnd,
    EndReason,
    ErrorEvent,
    Event,
    Final,
    Partial,
    TurnEnded,
    TurnResumed,
    TurnStarted,
)
from common.wire.lines import to_line
from tools.check.check_events import check

A, B = "a" * 32, "b" * 32
ORDER, WORD = "lines of a turn in order", "the final is the eager end"
STARTED = TurnStarted(A, 16000, 20000)
PARTIAL = Partial(A, "你", 0.9)
EAGER = EagerEnd(A, "你好", 0.9, 30000, 36000)
LATER = EagerEnd(A, "你好", 0.9, 40000, 46000)
RESUMED = TurnResumed(A, "speech", 38000)
FAILED = ErrorEvent(A, "infer_partial_failed", "ValueError: no; this piece was skipped")
FINAL = Final(A, "你好", 0.9)


def ended(trace_id: str = A, reason: EndReason = EndReason.SILENCE, **fields: Any) -> TurnEnded:
    known = {"final": True, "continues": False, "speech_end": 30000, "heard": 48000}
    return TurnEnded(trace_id, reason, **{**known, **fields})


def broken(*events: Event, cut_off: bool = False) -> list[tuple[int, str]]:
    lines = [to_line(event, 1000 + number).encode() for number, event in enumerate(events)]
    return [(violation.line, violation.guarantee) for violation in check(lines, cut_off=cut_off)]


@pytest.mark.parametrize(
    "events",
    [
        (STARTED, PARTIAL, EAGER, FINAL, ended()),
        (STARTED, PARTIAL, FINAL, ended()),
        (STARTED, ended(final=False)),
        (STARTED, EagerEnd(A, "", 0.0, 30000, 36000), ended(final=False)),
        (STARTED, PARTIAL, EAGER, RESUMED, Partial(A, "你好吗", 0.9), LATER, FAILED, FINAL, ended()),
        (STARTED, EAGER, TurnResumed(A, "text", 40000), Final(A, "你们好", 0.9), ended()),
        (STARTED, PARTIAL, ended(reason=EndReason.RESET, final=False)),
    ],
    ids=lambda events: "-".join(type(event).__name__ for event in events),
)
def test_what_keeps_the_grammar_has_no_violation(events: tuple[Event, ...]) -> None:
    found = broken(*events)
    assert found == ([] if events[-1].reason is not EndReason.RESET else [(2, "one final, the last word")])


@pytest.mark.parametrize(
    "events",
    [
        (PARTIAL, FINAL, ended()),
        (STARTED, PARTIAL, FINAL),
        (STARTED, PARTIAL, EAGER, Partial(A, "你好吗", 0.9), FINAL, ended()),
        (STARTED, RESUMED, PARTIAL, FINAL, ended()),
        (STARTED, EAGER, EAGER, FINAL, ended()),
        (STARTED, PARTIAL, ended(), FINAL),
        (STARTED, STARTED, PARTIAL, FINAL, ended()),
        (STARTED, PARTIAL, FINAL, ended(), ended()),
        (STARTED, PARTIAL, FINAL, ended(), FAILED),
    ],
    ids=lambda events: "-".join(type(event).__name__ for event in events),
)
def test_what_breaks_the_grammar_is_named(events: tuple[Event, ...]) -> None:
    assert ORDER in [guarantee for _, guarantee in broken(*events)]


def test_a_run_that_was_killed_may_lack_the_end_of_its_last_turn_alone() -> None:
    for events in ((STARTED,), (STARTED, PARTIAL), (STARTED, PARTIAL, EAGER), (STARTED, EAGER, RESUMED)):
        assert broken(*events, cut_off=True) == []
    assert (1, ORDER) in broken(STARTED, TurnStarted(B, 50000, 60000), cut_off=True)


def test_a_final_that_says_something_else_than_the_eager_end_breaks_its_word() -> None:
    assert broken(STARTED, EAGER, Final(A, "你们好", 0.9), ended()) == [(3, WORD)]
    assert broken(STARTED, EAGER, ended(final=False)) == [(3, WORD)]
    assert broken(STARTED, EagerEnd(A, "", 0.0, 30000, 36000), PARTIAL, FINAL, ended())


def test_ended_tells_the_truth_of_the_final_and_of_what_follows() -> None:
    assert broken(STARTED, PARTIAL, FINAL, ended(final=False)) == [(4, "ended tells of the final")]
    cut = "continues where it was cut"
    assert broken(STARTED, PARTIAL, FINAL, ended(continues=True)) == [(4, cut)]
    assert broken(STARTED, PARTIAL, FINAL, ended(reason=EndReason.MAX_DURATION)) == [(4, cut)]
    assert broken(STARTED, PARTIAL, FINAL, ended(reason=EndReason.MAX_DURATION, continues=True)) == []


def test_audio_time_grows_and_bounds_what_it_tells() -> None:
    assert broken(TurnStarted(A, 32000, 16000), ended(final=False)) == [(1, "start_ms <= audio_ms")]
    assert broken(STARTED, ended(final=False, speech_end=50000)) == [(2, "speech_end_ms <= audio_ms")]
    assert broken(STARTED, ended(final=False, heard=16000, speech_end=16000)) == [(2, "audio_ms never falls")]
