"""Whole event lists of a service whose finals are polished; in the strings a frame of 32 ms is a character."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np
import pytest

from common.finals.polish import Finals
from common.run.carry_out import CommandHandler
from common.run.process import Process
from common.run.state import RunState
from common.settings.hotword_list import Hotword
from common.speech.partials import Partials
from common.units import VAD_FRAME_SAMPLES
from common.wire.command_lines import Command
from common.wire.events import Ack, EagerEnd, ErrorEvent, Event, Final, Partial, State
from tests.speech.scripted import ScriptedEngine, audio, events_of, service

SURE = pytest.approx(0.9048, abs=1e-4)
SLICES = Partials(append_only=True)
EVERY_TWO_FRAMES = Partials(peek_interval=2 * VAD_FRAME_SAMPLES)
SHOUT = Finals([lambda text: text + "！"])


class Rereads:
    """A second pass that says how many samples it heard."""

    def __init__(self) -> None:
        self.heard: list[np.ndarray] = []
        self.hotwords: list[tuple[str, ...]] = []

    def __call__(self, samples: np.ndarray, hotwords: Sequence[Hotword]) -> str:
        self.heard.append(samples)
        self.hotwords.append(tuple(hotword.text for hotword in hotwords))
        return f"再听{len(self.heard)}"


def test_partials_stay_as_they_are_and_finals_are_polished() -> None:
    assert events_of(service(ScriptedEngine(), SLICES, SHOUT), "..aaaa....bbbb....") == [
        Partial("1", "甲", SURE),
        Final("1", "甲！", SURE),
        Partial("2", "乙", SURE),
        Final("2", "乙！", SURE),
    ]


def test_a_final_that_cannot_be_polished_is_the_streaming_text_behind_an_error_of_its_utterance() -> None:
    def fails(text: str) -> str:
        raise RuntimeError("no")

    told = "RuntimeError: no; the final carries the streaming text"
    assert events_of(service(ScriptedEngine(), SLICES, Finals([fails])), "..aaaa....bbbb....") == [
        Partial("1", "甲", SURE),
        ErrorEvent("1", "postprocess_failed", told),
        Final("1", "甲", SURE),
        Partial("2", "乙", SURE),
        ErrorEvent("2", "postprocess_failed", told),
        Final("2", "乙", SURE),
    ]


def test_an_empty_final_is_not_polished() -> None:
    class TakesBack(ScriptedEngine):
        token_list = tuple("<unk>" if token == "误" else token for token in ScriptedEngine.token_list)

    assert events_of(service(TakesBack(chunk=6), EVERY_TWO_FRAMES, SHOUT), "..xxxxx....") == [
        Partial("1", "讹", SURE),
        Final("1", "", 0.0),
    ]


def test_a_flush_that_failed_is_told_first_and_the_last_good_text_is_polished() -> None:
    assert events_of(service(ScriptedEngine(chunk=2, fail_finish=True), SLICES, SHOUT), ".aabb....")[2:] == [
        ErrorEvent("1", "infer_final_failed", "RuntimeError: flush failed; the final is the last good text"),
        Final("1", "甲乙！", SURE),
    ]


def test_a_second_pass_hears_what_the_utterance_heard_and_no_more() -> None:
    second_pass = Rereads()
    engine = ScriptedEngine()
    events = events_of(service(engine, SLICES, Finals(second_pass=second_pass)), "..aaaa....bbbb....")
    assert [event.text for event in events if isinstance(event, Final)] == ["再听1", "再听2"]
    for samples, pieces in zip(second_pass.heard, engine.heard_by_session):
        padding = 12800 - 3 * VAD_FRAME_SAMPLES  # of quiet before the flush
        assert np.array_equal(samples, np.concatenate(pieces)[:-padding])
    assert len(second_pass.heard) == 2


def test_a_session_that_failed_does_not_take_the_audio_with_it() -> None:
    second_pass = Rereads()
    events_of(service(ScriptedEngine(chunk=2, fail_on="b"), SLICES, Finals(second_pass=second_pass)), ".aabb....")
    assert len(second_pass.heard[0]) == len(audio(".aabb..."))


def test_a_second_pass_gets_the_hotwords_that_were_set_when_the_utterance_began() -> None:
    second_pass = Rereads()
    running = service(ScriptedEngine(), SLICES, Finals(second_pass=second_pass))
    control = CommandHandler(Process(None, state=RunState(State.LISTENING)), running, None)  # type: ignore[arg-type]
    list(running.hear(audio("..aaaa")))
    list(control.handle(Command("set", None, {"hotwords": (Hotword("世界"),)})))
    list(running.hear(audio("....bbbb....")))
    assert second_pass.hotwords == [(), ("世界",)]


@pytest.mark.parametrize("kind", ["flush", "stop"])
def test_a_command_that_finalises_is_acknowledged_behind_the_polished_final(kind: str) -> None:
    running = service(ScriptedEngine(), SLICES, SHOUT)
    control = CommandHandler(Process(None, state=RunState(State.LISTENING)), running, None)  # type: ignore[arg-type]
    list(running.hear(audio("..aaaa")))
    assert list(control.handle(Command(kind, "7", {}))) == [
        Final("1", "甲！", SURE),
        Ack("1", "7", True, (("final", True),)),
    ]


@pytest.mark.parametrize("partials", [SLICES, EVERY_TWO_FRAMES])
def test_nothing_of_a_partial_is_promised_and_words_stay_those_of_the_streaming_decode(partials: Partials) -> None:
    def extras(finals: Finals | None) -> list[Any]:
        events: list[Event] = events_of(service(ScriptedEngine(chunk=2), partials, finals), ".aabbcc....")
        return [event.extra for event in events if isinstance(event, (Partial, Final))]

    plain, polished = extras(None), extras(SHOUT)
    assert [extra.words for extra in polished] == [extra.words for extra in plain]
    assert any(extra.stable for extra in plain)
    assert not any(extra.stable for extra in polished)


def test_what_polishes_a_foreseen_end_hears_the_utterance_and_its_promise_is_the_final() -> None:
    heard: list[int] = []

    def second_pass(samples: np.ndarray, hotwords: Sequence[Hotword]) -> str:
        heard.append(len(samples))
        return "听到"

    finals = Finals(second_pass=second_pass)
    running = service(ScriptedEngine(), SLICES, finals, turns=True, eager_silence_ms=64, endpoint_silence_ms=160)
    list(running.hear(audio("..aaaabb..")))
    assert running._turn is not None and running._turn._job is not None
    running._turn._job.wait(20)
    [promised] = [event for event in running.hear(audio(".")) if isinstance(event, EagerEnd)]
    [final] = [event for event in running.hear(audio("..")) if isinstance(event, Final)]
    assert promised.text == final.text == "听到"
    assert heard == [9 * VAD_FRAME_SAMPLES]  # with a frame of pre-roll, once
