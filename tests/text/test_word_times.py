"""When each token was spoken, from where it fired."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from common.text.word_times import LONGEST, SHORTEST, spans

LEAD = 2880  # 180 ms: measured, docs/recognition.md


def test_a_token_begins_before_its_fire_and_lasts_until_the_next_one_begins() -> None:
    assert spans([10000, 14000, 17000], first=0, until=19000) == [
        (10000 - LEAD, 14000 - LEAD),
        (14000 - LEAD, 17000 - LEAD),
        (17000 - LEAD, 19000),
    ]


def test_a_token_before_a_pause_does_not_last_through_it() -> None:
    [(start, end), _] = spans([10000, 40000], first=0, until=42000)
    assert end - start == LONGEST


def test_no_token_begins_before_the_speech_or_ends_after_it() -> None:
    assert spans([3000, 30000], first=2000, until=8000) == [(2000, 8000 - LEAD), (8000 - LEAD, 8000)]


def test_tokens_that_fire_at_one_place_were_spoken_one_after_the_other() -> None:
    start = 20000 - LEAD
    assert spans([20000, 20000, 20000], first=0, until=21000) == [
        (start - 2 * SHORTEST, start - SHORTEST),
        (start - SHORTEST, start),
        (start, 21000),
    ]


def test_more_tokens_than_the_speech_has_room_for_share_it() -> None:
    assert spans([900, 900, 900], first=100, until=1000) == [(100, 400), (400, 700), (700, 1000)]


def test_no_token_has_no_time() -> None:
    assert spans([], first=0, until=1000) == []


@given(st.lists(st.integers(0, 60000), max_size=30).map(sorted), st.integers(0, 20000), st.integers(0, 40000))
def test_times_are_in_order_within_the_speech_and_each_has_its_length(fires: list[int], first: int, room: int) -> None:
    times = spans(fires, first, first + room)
    edges = [first, *(edge for span in times for edge in span), first + room]
    assert edges == sorted(edges)
    assert all(end - start >= min(SHORTEST, room // len(fires)) for start, end in times)
    assert all(type(edge) is int for edge in edges)
