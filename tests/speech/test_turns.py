"""Turns: when one is said to begin, to have probably ended, to go on after all, and to end."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from common.finals.polish import Finals
from common.speech.partials import Partials
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
from tests.speech.scripted import ScriptedEngine, audio, events_of, service

SLICES = Partials(append_only=True)
SURE = pytest.approx(0.9048, abs=1e-4)
FRAME = 512
# Two silent frames foresee the end, four end the utterance; two of speech open one.
SETTINGS: dict[str, Any] = {"turns": True, "eager_silence_ms": 64, "endpoint_silence_ms": 128}


def told(frames: str, engine: ScriptedEngine | None = None, finals: Finals | None = None, **more: Any) -> list[Event]:
    return events_of(service(engine or ScriptedEngine(), SLICES, finals, **{**SETTINGS, **more}), frames, cut=FRAME)


def kinds(events: list[Event]) -> list[str]:
    return [type(event).__name__ for event in events]


def test_a_turn_begins_is_foreseen_and_ends_with_the_final_that_was_foreseen() -> None:
    assert told("..aaaabb....") == [
        TurnStarted("1", 2 * FRAME, 4 * FRAME),
        Partial("1", "甲", SURE),
        Partial("1", "甲乙", SURE),
        EagerEnd("1", "甲乙", SURE, 8 * FRAME, 10 * FRAME),
        Final("1", "甲乙", SURE),
        TurnEnded("1", EndReason.SILENCE, True, False, 8 * FRAME, 12 * FRAME),
    ]


def test_without_turns_nothing_of_them_is_printed() -> None:
    assert kinds(told("..aaaabb....", turns=False)) == ["Partial", "Partial", "Final"]


def test_speech_after_a_short_silence_takes_the_end_back_before_anything_else_is_shown() -> None:
    events = told("..aaaabb..ccccdddd....")
    assert kinds(events) == [
        *("TurnStarted", "Partial", "Partial", "EagerEnd", "TurnResumed", "Partial", "Partial"),
        *("EagerEnd", "Final", "TurnEnded"),
    ]
    assert events[4] == TurnResumed("1", "speech", 11 * FRAME)
    assert [event.text for event in events if isinstance(event, (EagerEnd, Final))] == ["甲乙", "甲乙丙丁", "甲乙丙丁"]


def test_no_partial_stands_between_an_eager_end_and_what_follows_it() -> None:
    """A chunk is complete in the silence: its text is shown where no end was foreseen, and else once speech goes on."""
    engine = ScriptedEngine(chunk=10)
    assert kinds(told("..aaaabb....", engine, turns=False)) == ["Partial", "Final"]
    assert kinds(told("..aaaabb....", engine)) == ["TurnStarted", "EagerEnd", "Final", "TurnEnded"]
    events = told("..aaaabb...cccccccccc....", engine)
    assert kinds(events)[:4] == ["TurnStarted", "EagerEnd", "TurnResumed", "Partial"]


def test_a_cough_is_foreseen_with_an_empty_text_and_ends_without_a_final() -> None:
    class Deaf(ScriptedEngine):
        token_list = [""] * 200

    assert told("..aaaa....", Deaf()) == [
        TurnStarted("1", 2 * FRAME, 4 * FRAME),
        EagerEnd("1", "", 0.0, 6 * FRAME, 8 * FRAME),
        TurnEnded("1", EndReason.SILENCE, False, False, 6 * FRAME, 10 * FRAME),
    ]


class Fickle(ScriptedEngine):
    """What it foresees it hears otherwise in the end."""

    def session(self) -> Any:
        session = super().session()
        session.peek = lambda quiet=None: session.finish().first(1)
        return session


def test_a_final_that_is_not_what_was_foreseen_is_told_first() -> None:
    events = told("..aaaabb....", Fickle(chunk=16))
    assert kinds(events) == ["TurnStarted", "EagerEnd", "TurnResumed", "Final", "TurnEnded"]
    assert events[2] == TurnResumed("1", "text", 12 * FRAME)


def test_a_flush_that_fails_is_told_and_so_is_the_other_text() -> None:
    class Failing(ScriptedEngine):
        def session(self) -> Any:
            session = super().session()
            finish = session.finish
            session.peek = lambda quiet=None: finish()
            session.finish = lambda: 1 / 0
            return session

    events = told("..aaaabb....", Failing(chunk=5))
    assert kinds(events) == ["TurnStarted", "Partial", "EagerEnd", "ErrorEvent", "TurnResumed", "Final", "TurnEnded"]
    assert [event.text for event in events if isinstance(event, (EagerEnd, Final))] == ["甲乙", "甲"]


def test_an_end_that_cannot_be_foreseen_is_left_out_and_the_utterance_goes_on() -> None:
    class Blind(ScriptedEngine):
        def session(self) -> Any:
            session = super().session()
            session.peek = lambda quiet=None: 1 / 0
            return session

    assert kinds(told("..aaaabb....", Blind())) == ["TurnStarted", "Partial", "Partial", "Final", "TurnEnded"]


def test_under_a_backlog_no_end_is_foreseen() -> None:
    running = service(ScriptedEngine(), SLICES, **SETTINGS)
    assert kinds(events_of(running, "..aaaabb....", cut=FRAME, backlog=16000)) == [
        *("TurnStarted", "Partial", "Partial", "Final", "TurnEnded")
    ]


@pytest.mark.parametrize("reason", [EndReason.FLUSH, EndReason.EOF, EndReason.SHUTDOWN, EndReason.DEVICE_LOST])
def test_however_an_utterance_ends_its_last_line_says_why(reason: EndReason) -> None:
    running = service(ScriptedEngine(), SLICES, **SETTINGS)
    list(running.hear(audio("..aaaabb")))
    *_, final, ended = running.end(reason)
    assert final == Final("1", "甲乙", SURE)
    assert ended == TurnEnded("1", reason, True, False, 8 * FRAME, 8 * FRAME)


def test_a_reset_ends_the_turn_without_a_final() -> None:
    running = service(ScriptedEngine(), SLICES, **SETTINGS)
    list(running.hear(audio("..aaaabb..")))
    assert list(running.reset()) == [
        TurnResumed("1", "text", 10 * FRAME),
        TurnEnded("1", EndReason.RESET, False, False, 8 * FRAME, 10 * FRAME),
    ]
    assert list(running.reset()) == []


def test_a_turn_that_is_cut_at_its_longest_duration_continues_with_the_next() -> None:
    events = told("..aaaa" + "b" * 80 + "....", max_utterance_sec=2)
    ends = [event for event in events if isinstance(event, TurnEnded)]
    assert [(end.reason, end.continues) for end in ends] == [
        (EndReason.MAX_DURATION, True),
        (EndReason.SILENCE, False),
    ]


def test_the_end_is_foreseen_later_when_it_was_set_so() -> None:
    running = service(ScriptedEngine(), SLICES, **SETTINGS)
    running.set(eager_silence_ms=96)
    events = [event for start in range(12) for event in running.hear(audio("..aaaabb....")[start * 512 :][:512])]
    assert [event.heard for event in events if isinstance(event, EagerEnd)] == [11 * FRAME]


class Gate:
    """A step of finals that waits."""

    def __init__(self) -> None:
        self.open = threading.Event()
        self.texts: list[str] = []

    def __call__(self, text: str) -> str:
        self.texts.append(text)
        assert self.open.wait(20)
        return text + "！"


def test_a_polished_end_is_foreseen_once_it_is_polished_and_the_work_is_not_done_twice() -> None:
    gate = Gate()
    running = service(ScriptedEngine(), SLICES, Finals([gate]), **{**SETTINGS, "endpoint_silence_ms": 10 * 32})
    frames = [audio(frame) for frame in "..aaaabb.........."]
    events: list[Event] = []
    for number, frame in enumerate(frames):
        if number == 12:
            gate.open.set()
            while not running._turn._job.done:  # type: ignore[union-attr]
                pass
        events += running.hear(frame)
    assert kinds(events) == ["TurnStarted", "Partial", "Partial", "EagerEnd", "Final", "TurnEnded"]
    assert [event.text for event in events if isinstance(event, (EagerEnd, Final))] == ["甲乙！", "甲乙！"]
    assert gate.texts == ["甲乙"]


def test_a_polished_text_that_comes_after_the_endpoint_is_not_foreseen() -> None:
    gate = Gate()
    running = service(ScriptedEngine(), SLICES, Finals([gate]), **SETTINGS)
    threading.Timer(0.2, gate.open.set).start()
    events = events_of(running, "..aaaabb....", cut=FRAME)
    assert kinds(events) == ["TurnStarted", "Partial", "Partial", "Final", "TurnEnded"]
    assert gate.texts == ["甲乙"]


def test_what_was_polished_of_an_end_that_did_not_hold_is_not_used() -> None:
    gate = Gate()
    gate.open.set()
    events = told("..aaaabb..cccc....", finals=Finals([gate]))
    assert [event.text for event in events if isinstance(event, Final)] == ["甲乙丙！"]
    assert gate.texts[-1] == "甲乙丙"


def test_a_step_that_fails_promises_nothing_and_the_final_says_so() -> None:
    def broken(_text: str) -> str:
        raise ValueError("no grammar")

    events = told("..aaaabb....", finals=Finals([broken]))
    assert "EagerEnd" not in kinds(events)
    [error] = [event for event in events if isinstance(event, ErrorEvent)]
    assert error.error_code == "postprocess_failed"
    assert isinstance(events[-2], Final) and events[-2].text == "甲乙"
