"""The endpointer on strings of frames: "S" is speech, "." is silence.

What it did is written the same way: "<" opens an utterance, ">" ends it (the frame is its last), "^" is a forced
end, "-" goes on, "." is silence outside.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.speech.endpoint import End, Endpointer, EndpointSettings, Silence, Start

SETTINGS = EndpointSettings(endpoint_silence=4, min_speech=3, pre_roll=2, max_utterance=40)


def run(frames: str, **changes: int) -> tuple[str, list[tuple[int, int]]]:
    """The transitions as a string, and every utterance that ended as (first frame, frame behind the last)."""
    endpointer = Endpointer(EndpointSettings(**{**SETTINGS.__dict__, **changes}))
    marks, utterances, start = "", [], 0
    for index, frame in enumerate(frames):
        transition = endpointer.step(frame == "S")
        if isinstance(transition, Start):
            start = transition.first_frame
            marks += "<"
        elif isinstance(transition, End):
            utterances.append((start, index + 1))
            marks += ">" if transition.reason == "silence" else "^"
        else:
            marks += "." if isinstance(transition, Silence) else "-"
    return marks, utterances


@pytest.mark.parametrize(
    ("frames", "expected"),
    [
        ("", ""),
        ("..........", ".........."),
        ("..SS......", ".........."),  # one frame short of the minimum
        ("..SSS.....", "....<--->."),  # the minimum, then the fourth silent frame ends it
        ("..SS.SSS....", ".......<--->"),  # a frame of silence starts the minimum anew
        ("..SSS...SSS....", "....<--------->"),  # a pause one frame short of the endpoint keeps it open
        ("..SSS....SSS....", "....<--->..<--->"),  # a pause of the endpoint makes two utterances
    ],
)
def test_transitions_at_exact_boundaries(frames: str, expected: str) -> None:
    assert run(frames)[0] == expected


def test_pre_roll_reaches_before_the_speech_but_not_behind_the_end_before() -> None:
    assert run("......SSS....")[1] == [(4, 13)]
    assert run("SSS....")[1] == [(0, 7)]  # there is nothing before the stream
    assert run("..SSS....SSS....")[1] == [(0, 9), (9, 16)]


def test_the_longest_utterance_is_cut_at_its_limit_and_speech_goes_on_in_the_next() -> None:
    marks, utterances = run("S" * 50 + "....")
    assert utterances == [(0, 40), (40, 54)]
    assert marks[39:41] == "^<"


@pytest.mark.parametrize(
    ("frames", "ends_at"),
    [
        ("S" * 26 + "...S" + "S" * 9, None),  # before the last quarter three silent frames end nothing
        ("S" * 30 + "...S", 33),  # in it the silence that ends shrinks …
        ("S" * 33 + "..SSSSS", None),
        ("S" * 34 + "..S", 36),  # … to two frames
        ("S" * 37 + ".SS", 40),  # one frame never ends it: the limit does
    ],
)
def test_in_the_last_quarter_a_breath_ends_the_utterance(frames: str, ends_at: int | None) -> None:
    utterances = run(frames)[1]
    assert utterances == ([(0, ends_at)] if ends_at else [(0, 40)] if len(frames) >= 40 else [])


@pytest.mark.parametrize(
    ("frames", "mark"),
    [
        ("S" * 30 + "...", "^"),  # three silent frames were enough near the limit: less than the full silence
        ("S" * 34 + "..", "^"),
        ("S" * 26 + "....", ">"),  # the full silence
        ("S" * 26 + "...S" + "S" * 10, "^"),  # the limit itself
    ],
)
def test_only_the_full_silence_is_called_silence(frames: str, mark: str) -> None:
    assert run(frames)[0][-1] == mark


def test_the_full_silence_is_silence_also_where_the_limit_is_reached_with_it() -> None:
    assert run("S" * 38 + "..", endpoint_silence=2)[0][-1] == ">"
    assert run("S" * 39 + ".", endpoint_silence=2)[0][-1] == "^"


def test_without_an_endpoint_silence_only_the_limit_ends_an_utterance() -> None:
    marks, utterances = run("SSS" + "." * 60, endpoint_silence=0)
    assert "^" in marks and ">" not in marks
    assert len(utterances) == 1


def test_a_frame_is_never_in_two_utterances_after_a_flush() -> None:
    endpointer = Endpointer(SETTINGS)
    for _ in range(5):
        endpointer.step(True)
    assert endpointer.is_open
    endpointer.close()
    assert not endpointer.is_open
    assert endpointer.step(True) == Start(5)  # speech that goes on opens the next at once


@given(st.text("S.", max_size=300), st.integers(1, 6), st.integers(1, 5), st.integers(0, 6), st.integers(8, 60))
def test_utterances_never_overlap_nor_outgrow_their_limit(
    frames: str, endpoint_silence: int, min_speech: int, pre_roll: int, max_utterance: int
) -> None:
    max_utterance = max(max_utterance, min_speech + pre_roll + 1)
    _, utterances = run(
        frames,
        endpoint_silence=endpoint_silence,
        min_speech=min_speech,
        pre_roll=pre_roll,
        max_utterance=max_utterance,
    )
    position = 0
    for start, end in utterances:
        assert position <= start < end <= len(frames)
        assert end - start <= max_utterance
        assert "S" in frames[start:end]
        position = end
