"""What becomes of a final while it is polished: done, failed, late, or refused by a worker that is still busy."""

from __future__ import annotations

import math
import threading
from typing import Any, Iterator, Sequence

import numpy as np
import pytest

from common.finals.polish import ENDING_SEC, LEAST_SEC, Finals, UtteranceAudio
from common.settings.hotword_list import Hotword
from common.sources.inbox import Inbox
from common.sources.messages import StdoutGone
from common.wire.events import ErrorEvent, Extra, Final

FINAL = Final("a" * 32, "你好世界", 0.9)


class Gate:
    """A step that takes until it is let go."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def __call__(self, text: str) -> str:
        self.begun.set()
        self.let_go.wait()
        return text + "。"


@pytest.fixture
def gate() -> Iterator[Gate]:
    made = Gate()
    yield made
    made.let_go.set()


def failure(message: str) -> ErrorEvent:
    return ErrorEvent(FINAL.trace_id, "postprocess_failed", f"{message}; the final carries the streaming text")


def test_the_steps_are_done_in_order_and_the_text_alone_changes() -> None:
    extra = Extra(1, 0, 16000, 15000, 0, (), "silence")
    finals = Finals([lambda text: text + "二", lambda text: text + "三"])
    [final] = finals.polish(Final("a" * 32, "一", 0.87, extra))
    assert final == Final("a" * 32, "一二三", 0.87)
    assert isinstance(final, Final) and final.extra is extra


def test_a_second_pass_hears_the_audio_with_the_hotwords_and_comes_first() -> None:
    heard: list[Any] = []

    def second_pass(samples: np.ndarray, hotwords: Sequence[Hotword]) -> str:
        heard.append((samples.tolist(), hotwords))
        return "你号世界"

    finals = Finals([lambda text: text.replace("号", "好，")], second_pass)
    audio = finals.audio([Hotword("世界")])
    assert audio is not None
    audio.pieces.extend([np.array([1, 2], np.float32), np.array([3], np.float32)])
    assert list(finals.polish(FINAL, audio)) == [Final(FINAL.trace_id, "你好，世界", 0.9)]
    assert heard == [([1, 2, 3], (Hotword("世界"),))]


def test_a_second_pass_that_hears_nothing_leaves_the_streaming_text() -> None:
    finals = Finals([lambda text: text + "！"], second_pass=lambda samples, hotwords: "")
    assert list(finals.polish(FINAL, UtteranceAudio())) == [Final(FINAL.trace_id, "你好世界！", 0.9)]


def test_audio_is_kept_only_for_a_second_pass() -> None:
    assert Finals([str]).audio([Hotword("世界")]) is None


def test_a_step_that_fails_is_told_before_the_final_and_no_other_step_counts() -> None:
    def fails(text: str) -> str:
        raise RuntimeError(f"cannot\nread {text}")

    finals = Finals([lambda text: text + "，", fails])
    assert list(finals.polish(FINAL)) == [failure("RuntimeError: cannot read 你好世界，"), FINAL]
    assert list(finals.polish(FINAL))[1] == FINAL  # and the next one is tried again


def test_a_final_never_loses_its_text() -> None:
    assert list(Finals([lambda text: " "]).polish(FINAL)) == [failure("ValueError: no text is left"), FINAL]


def test_a_late_step_is_told_and_a_busy_worker_refuses_the_next_final_at_once(gate: Gate) -> None:
    finals = Finals([gate], timeout_sec=0.2)
    late = "TimeoutError: not done within 200 ms; --final-timeout-ms allows more"
    busy = "TimeoutError: still busy with a final that was late; is --final-timeout-ms too short?"
    assert list(finals.polish(FINAL)) == [failure(late), FINAL]
    assert list(finals.polish(FINAL)) == [failure(busy), FINAL]
    assert finals._late is not None
    gate.let_go.set()
    finals._late.text()
    assert list(finals.polish(FINAL)) == [Final(FINAL.trace_id, "你好世界。", 0.9)]


class Clock:
    """Every look at it takes 100 ms."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        self.now += 0.1
        return self.now


def test_the_end_of_the_process_shortens_the_wait(gate: Gate) -> None:
    clock = Clock()
    finals = Finals([gate], timeout_sec=60, clock=clock)
    told = failure("TimeoutError: not done before the service ends")
    assert list(finals.polish(FINAL, ending=True)) == [told, FINAL]
    assert clock.now < ENDING_SEC + 0.5


@pytest.mark.parametrize("by_signal", [True, False], ids=["signal", "reader gone"])
def test_what_asks_for_the_end_ends_a_wait_that_has_begun(gate: Gate, by_signal: bool) -> None:
    clock = Clock()
    inbox = Inbox(clock=clock)
    finals = Finals([gate], timeout_sec=60, deadline=inbox.deadline, clock=clock)

    def end_once_it_has_begun() -> None:
        gate.begun.wait()
        inbox.hurry() if by_signal else inbox.put_first(StdoutGone())

    assert inbox.deadline() == math.inf
    threading.Thread(target=end_once_it_has_begun).start()
    assert list(finals.polish(FINAL)) == [failure("TimeoutError: not done before the service ends"), FINAL]
    assert clock.now < 50


def test_what_takes_no_time_is_done_even_behind_the_deadline() -> None:
    finals = Finals([lambda text: text + "！"], deadline=lambda: -math.inf)
    assert list(finals.polish(FINAL, ending=True)) == [Final(FINAL.trace_id, "你好世界！", 0.9)]


class Opening(Clock):
    """It opens a gate at its third look and stands still from then on."""

    def __init__(self, gate: Gate) -> None:
        super().__init__()
        self._gate = gate
        self._looks = 0

    def __call__(self) -> float:
        self._looks += 1
        if self._looks == 3:
            self._gate.let_go.set()
        self.now = min(self._looks, 3) * 0.02
        return self.now


def test_behind_the_deadline_a_final_still_has_the_least_time(gate: Gate) -> None:
    """40 ms are waited for, of 100; without them a fast step would be lost whenever the thread is a moment late."""
    finals = Finals([gate], deadline=lambda: -math.inf, clock=Opening(gate))
    assert list(finals.polish(FINAL, ending=True)) == [Final(FINAL.trace_id, "你好世界。", 0.9)]


def test_behind_the_deadline_a_final_has_no_more_than_the_least_time(gate: Gate) -> None:
    clock = Clock()
    finals = Finals([gate], deadline=lambda: -math.inf, clock=clock)
    assert list(finals.polish(FINAL, ending=True))[-1] == FINAL
    assert clock.now <= 2 * LEAST_SEC + 0.1 + 1e-9  # the look that begins, and one or two that find nothing left
