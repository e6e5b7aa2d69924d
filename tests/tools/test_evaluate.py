"""What evaluate.py counts: errors, delays, characters taken back; and how it reads its flags and files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.wire.events import Extra, Final, Partial, TimedWord
from tools.evaluate.evaluate import arguments_of, is_number, recordings, settings, stretch
from tools.evaluate.paced import listen
from tools.evaluate.report import markdown, table
from tools.evaluate.scores import Errors, Scores, align, percentiles, units
from tools.evaluate.timeline import Line, Spoken, When, by_utterance, delays, taken_back


def line(at: float, text: str, stable: int = 0, end_reason: str | None = None, utterance: str = "a") -> Line:
    """A line whose characters are spoken one a second."""
    words = tuple(Spoken(character, index, index + 1.0) for index, character in enumerate(text))
    return Line(at, utterance, text, words, stable, 0.0, end_reason)


def test_characters_and_latin_words_are_counted_and_punctuation_is_not() -> None:
    assert units("把USB打开，it's 5点！") == ["把", "usb", "打", "开", "it's", "5", "点"]


def test_errors_are_told_apart_and_add_up() -> None:
    errors = Errors()
    align(units("今天天气好"), units("今天气号"), errors)
    align(units("你好"), units("你好吗"), errors)
    align([], ["多"], errors)
    assert (errors.units, errors.substitutions, errors.deletions, errors.insertions) == (7, 1, 1, 2)
    assert errors.rate == pytest.approx(4 / 7)


def test_right_characters_are_paired() -> None:
    assert align(list("今天晴"), list("今晴"), Errors()) == [(0, 0), (2, 1)]


def test_without_a_reference_there_is_no_error_rate() -> None:
    scores = Scores()
    scores.add([line(1.0, "你"), line(2.0, "你", end_reason="silence")], None, [])
    assert scores.summary()["cer"] is None


def test_a_character_is_shown_when_its_place_first_holds_it() -> None:
    lines = [line(0.8, "泥"), line(1.2, "你"), line(2.1, "你好"), line(3.0, "你好", end_reason="silence")]
    found = delays(lines, When({0: 1.0, 1: 2.0}, start=0.5))
    assert found.words == pytest.approx([0.2, 0.1])
    assert found.first == pytest.approx([0.3])
    assert found.final == pytest.approx([1.0])


def test_only_a_final_that_silence_brings_about_says_how_long_that_takes() -> None:
    lines = [line(0.8, "你"), line(1.0, "你", end_reason="flush")]
    assert delays(lines, When({0: 0.9}, None)).final == []


def test_what_was_shown_as_tentative_and_is_not_in_the_final_was_taken_back() -> None:
    lines = [
        line(1, "你号"),
        line(2, "你好吗", stable=1),
        line(3, "你好吗", stable=3),
        line(4, "你好", end_reason="eof"),
    ]
    assert taken_back(lines) == (4, 2)  # 你 号 好 吗: of these 号 and 吗


def test_stable_characters_are_not_tentative() -> None:
    assert taken_back([line(1, "你好", stable=2), line(2, "你好", end_reason="eof")]) == (0, 0)


def test_an_utterance_without_a_final_is_left_out() -> None:
    lines = [line(1, "你"), line(2, "好", utterance="b"), line(3, "好", utterance="b", end_reason="eof")]
    assert [group[-1].text for group in by_utterance(lines)] == ["好"]


def test_reference_times_count_for_right_characters_alone() -> None:
    scores = Scores()
    times = [Spoken("你", 0.1, 0.5), Spoken("好", 0.5, 0.9), Spoken("吗", 0.9, 1.3)]
    scores.add([line(1.0, "你号吗"), line(2.2, "你号吗", end_reason="silence")], "你好吗", times)
    assert scores.words == pytest.approx([0.5, -0.3])
    assert scores.first == pytest.approx([0.9])
    assert scores.final == pytest.approx([0.9])


def test_a_longer_stretch_gives_its_two_edges() -> None:
    first, middle, last = stretch("你好吗", 1.0, 2.0)
    assert (first.start, last.end) == (1.0, 2.0)
    assert all(math.isnan(value) for value in (first.end, middle.start, middle.end, last.start))


def test_delays_are_given_as_median_and_95th_percentile_in_ms() -> None:
    assert percentiles([0.1, 0.2, 0.3]) == [200, 290]
    assert percentiles([]) is None


class Slow:
    """A service that takes 50 ms over each block, and prints at the second one and at the end."""

    def __init__(self, clock: list[float]) -> None:
        self.backlogs: list[int] = []
        self._clock = clock

    def hear(self, samples: np.ndarray, backlog: int) -> Any:
        self.backlogs.append(backlog)
        self._clock[0] += 0.050
        if len(self.backlogs) == 2:
            yield Partial("a", "你", 0.9, Extra(1, 0, 1024, 512, 0, (TimedWord("你", 0, 512, 0.9),)))

    def end(self) -> Any:
        self._clock[0] += 0.010
        yield Final("a", "你", 0.9, Extra(1, 0, 2048, 512, 0, (TimedWord("你", 0, 512, 0.9),), "eof"))


def test_the_simulated_clock_waits_for_the_audio_and_for_the_computing() -> None:
    clock = [0.0]
    service: Any = Slow(clock)
    heard = listen(service, np.zeros(4 * 512, np.float32), timer=lambda: clock[0])
    assert [line.at for line in heard.lines] == pytest.approx([0.032 + 0.1, 0.032 + 0.2 + 0.01])
    assert service.backlogs == [0, 288, 512, 0]  # what was spoken while the blocks before were computed
    assert heard.busy_sec == pytest.approx(0.21)


def test_every_combination_is_tried_and_hotwords_beside_none() -> None:
    sizes = ["--chunk-size", "5,10,5", "--chunk-size", "0,5,3"]
    flags, others = arguments_of(["a.wav", *sizes, "--hotwords", "订票", "--threads", "1"])
    found = list(settings(flags, others))
    assert [(config.chunk_size, bool(config.hotwords)) for _, _, config in found] == [
        ((5, 10, 5), False),
        ((5, 10, 5), True),
        ((0, 5, 3), False),
        ((0, 5, 3), True),
    ]
    assert all(config.threads == 1 for _, _, config in found)
    assert found[1][0] == "asr_service_streaming --chunk-size 5,10,5 --hotwords 订票"


def test_by_default_it_is_both_services() -> None:
    names = [name for name, _, _ in settings(*arguments_of(["a.wav"]))]
    assert names == ["asr_service", "asr_service_streaming"]


def test_a_recording_that_the_reference_does_not_name_is_refused(tmp_path: Path) -> None:
    reference = tmp_path / "texts.tsv"
    reference.write_text("b.wav\t你好\n", encoding="utf-8")
    flags, _ = arguments_of(["a.wav", "--reference", str(reference)])
    with pytest.raises(SystemExit, match=r"a\.wav is not in"):
        recordings(flags)


def test_a_header_is_no_time() -> None:
    assert is_number("12.25") and not is_number("start_s")


def test_the_tables_have_a_row_for_each_setting() -> None:
    scores = Scores()
    scores.add([line(1.0, "你号"), line(2.5, "你好", end_reason="silence")], "你好吗", [])
    results = {"asr_service": scores.summary()}
    assert "33.3 %" in table(results, timed=False, realtime=False)
    assert markdown(results).splitlines()[2].startswith("| `asr_service` | 33.3 % | 0/1/0 of 3 |")
