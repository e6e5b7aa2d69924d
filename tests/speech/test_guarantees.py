"""The protocol's guarantees over random speech, random cuts and a scripted engine."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from common.speech.partials import Partials
from common.speech.service import SETTLING
from common.units import VAD_FRAME_SAMPLES
from common.wire.events import Event, Final
from common.wire.lines import to_line
from tests.speech.scripted import LateVad, ScriptedEngine, events_of, service
from tools.check.check_events import check

pieces = st.one_of(
    st.integers(1, 9).map(lambda count: "." * count),
    st.sampled_from(["I.I.Ia", "I.I.I", "U.U", "I.I.SSS"]),
    st.tuples(st.sampled_from("abcdefuUSBxw"), st.integers(1, 6)).map(
        lambda pair: pair[0] * pair[1] + "a"
    ),  # never ten failures in a row
)
streams = st.lists(pieces, max_size=40).map("".join)
engines = st.builds(ScriptedEngine, chunk=st.integers(1, 7), fail_on=st.sampled_from(["", "", "c", "cd"]))
ways = st.one_of(
    st.just(Partials(append_only=True)),
    st.integers(1, 9).map(lambda frames: Partials(peek_interval=frames * VAD_FRAME_SAMPLES)),
)
short_utterances = {"max_utterance_sec": 2}


def lines(events: list[Event], extended: bool = False) -> list[bytes]:
    """What the writer makes of them, one a millisecond; the scripted trace ids filled up to 32 digits."""
    whole = [replace(event, trace_id=event.trace_id.zfill(32)) for event in events]
    return [to_line(event, ts, ts if extended else None).encode() for ts, event in enumerate(whole, 1)]


@settings(max_examples=150)
@given(streams, engines, ways)
def test_the_lines_keep_every_guarantee_of_the_protocol(
    frames: str, engine: ScriptedEngine, partials: Partials
) -> None:
    events = events_of(service(engine, partials, **short_utterances), frames)
    assert check(lines(events), append_only=partials.append_only) == []


@settings(max_examples=150)
@given(streams, engines, ways, st.integers(0, 3), st.integers(0, 12), st.integers(1, 4))
def test_what_extended_adds_keeps_them_too(
    frames: str, engine: ScriptedEngine, partials: Partials, lateness: int, deaf: int, min_speech: int
) -> None:
    running = service(
        engine,
        partials,
        vad=LateVad(deaf),
        settling=SETTLING,
        lateness=lateness,
        min_speech_ms=32 * min_speech,
        **short_utterances,
    )
    assert check(lines(events_of(running, frames), extended=True), append_only=partials.append_only) == []


@settings(max_examples=150)
@given(streams, engines, ways)
def test_the_final_is_the_last_event_of_its_utterance_behind_its_errors_too(
    frames: str, engine: ScriptedEngine, partials: Partials
) -> None:
    events = events_of(service(engine, partials, **short_utterances), frames)
    last = {event.trace_id: event for event in events}
    assert all(last[event.trace_id] is event for event in events if isinstance(event, Final))


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
