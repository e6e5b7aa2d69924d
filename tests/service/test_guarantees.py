"""The protocol's guarantees over random speech, random cuts and a scripted engine."""

from __future__ import annotations

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from common.events import ErrorEvent, Event, Final, Partial
from common.utterance import Partials
from common.vad import FRAME_SAMPLES
from tests.service.scripted import ScriptedEngine, events_of, service

pieces = st.one_of(
    st.integers(1, 9).map(lambda count: "." * count),
    st.tuples(st.sampled_from("abcdefuUSBxw"), st.integers(1, 6)).map(lambda pair: pair[0] * pair[1]),
)
streams = st.lists(pieces, max_size=40).map("".join)
engines = st.builds(ScriptedEngine, chunk=st.integers(1, 7), fail_on=st.sampled_from(["", "", "c", "cd"]))
ways = st.one_of(
    st.just(Partials(append_only=True)),
    st.integers(1, 9).map(lambda frames: Partials(peek_interval=frames * FRAME_SAMPLES)),
)
short_utterances = {"max_utterance_sec": 2}


def by_utterance(events: list[Event]) -> list[list[Event]]:
    return [list(group) for _, group in itertools.groupby(events, key=lambda event: event.trace_id)]


@settings(max_examples=150)
@given(streams, engines, ways)
def test_every_utterance_that_printed_a_partial_gets_one_final_behind_its_partials(
    frames: str, engine: ScriptedEngine, partials: Partials
) -> None:
    events = events_of(service(engine, partials, **short_utterances), frames)
    utterances = by_utterance(events)
    assert len({event.trace_id for event in events}) == len(utterances)  # they never interleave
    for utterance in utterances:
        finals = [event for event in utterance if isinstance(event, Final)]
        had_partial = any(isinstance(event, Partial) for event in utterance)
        assert len(finals) <= 1
        assert finals or not had_partial
        assert not finals or utterance[-1] is finals[0]


@settings(max_examples=150)
@given(streams, engines, ways)
def test_text_is_never_empty_and_never_repeated(frames: str, engine: ScriptedEngine, partials: Partials) -> None:
    for utterance in by_utterance(events_of(service(engine, partials, **short_utterances), frames)):
        texts = [event.text for event in utterance if isinstance(event, Partial)]
        assert all(texts)
        assert all(earlier != later for earlier, later in zip(texts, texts[1:]))
        finals = [event for event in utterance if isinstance(event, Final)]
        assert all(final.text or (texts and final.confidence == 0) for final in finals)


@settings(max_examples=150)
@given(streams, engines)
def test_slices_never_take_a_character_back(frames: str, engine: ScriptedEngine) -> None:
    events = events_of(service(engine, Partials(append_only=True), **short_utterances), frames)
    for utterance in by_utterance(events):
        texts = [event.text for event in utterance if not isinstance(event, ErrorEvent)]
        assert all(later.startswith(earlier) for earlier, later in zip(texts, texts[1:]))


@settings(max_examples=100)
@given(streams, st.integers(1, 7), ways, st.integers(1, 3000))
def test_however_the_audio_is_cut_into_blocks_the_events_are_the_same(
    frames: str, chunk: int, partials: Partials, cut: int
) -> None:
    whole = events_of(service(ScriptedEngine(chunk), partials, **short_utterances), frames)
    assert events_of(service(ScriptedEngine(chunk), partials, **short_utterances), frames, cut=cut) == whole


@settings(max_examples=150)
@given(streams, ways)
def test_no_frame_is_heard_twice_and_none_of_an_utterance_is_missing(frames: str, partials: Partials) -> None:
    engine = ScriptedEngine()
    running = service(engine, partials, min_speech_ms=32, pre_roll_ms=64, **short_utterances)
    events_of(running, frames)
    heard = "".join(engine.heard()).replace(".", "")
    assert heard == frames.replace(".", "")
