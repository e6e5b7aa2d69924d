"""However an utterance ends, its final has the last characters that more quiet behind it would have brought out.

Every session is asked twice: as the service asks it, and with 1.5 s more of quiet behind that. What the demo model
mishears is no loss; a final that is the other decode without its last characters is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Iterator

import numpy as np
import pytest

from common.audio.quiet import quiet_noise
from common.config import ModelConfig, SliceConfig, StreamingConfig
from common.recognizer import Engine, Hypothesis, Session
from common.service import Service
from common.utterance import Partials
from tests.accuracy.espeak_events import library
from tests.accuracy.spoken import Recording, spoken
from tests.accuracy.through import vad

pytestmark = pytest.mark.skipif(library() is None, reason="libespeak-ng is not installed: apt-get install espeak-ng")

MORE_QUIET = 24000  # samples: 1.5 s
CONFIGS = [
    pytest.param(SliceConfig(device="cpu"), id="slices"),
    pytest.param(StreamingConfig(device="cpu"), id="streaming"),
]


class Twice:
    """An engine whose sessions, at their end, note what they return and what they would with more quiet."""

    def __init__(self, engine: Engine) -> None:
        self.token_list = engine.token_list
        self.finals: list[tuple[str, str]] = []
        self._engine = engine

    def session(self) -> Session:
        inner, engine = self._engine.session(), self

        class AskedTwice:
            heard = 0

            def accept(self, samples: np.ndarray) -> Hypothesis | None:
                self.heard += len(samples)
                return inner.accept(samples)

            def peek(self) -> Hypothesis:
                return inner.peek()

            def finish(self) -> Hypothesis:
                final = inner.peek()  # as finish, and the session can go on
                inner.accept(quiet_noise(self.heard, MORE_QUIET))
                engine.finals.append((engine._text(final), engine._text(inner.peek())))
                return final

        return AskedTwice()

    def _text(self, hypothesis: Hypothesis) -> str:
        return "".join(self.token_list[token] for token in hypothesis.tokens)


def cuts(recording: Recording, rng: np.random.Generator) -> list[int]:
    """Where to end utterances by hand: around the ends of every third syllable, and right behind the last one."""
    ends = [syllable.end for syllable in recording.syllables]
    chosen = [end + int(rng.integers(-800, 2400)) for end in ends[2:-1:3]]
    return sorted([*chosen, ends[-1] + int(rng.integers(0, 1600))])


def ended_by_silence(service: Service, recording: Recording, rng: np.random.Generator) -> None:
    list(service.hear(recording.samples))
    list(service.end())


def ended_by_hand(service: Service, recording: Recording, rng: np.random.Generator) -> None:
    """Flushes while it is spoken, and the end of input right behind it: the same to the service."""
    start = 0
    for cut in cuts(recording, rng):
        list(service.hear(recording.samples[start:cut]))
        list(service.end("flush"))
        start = cut


ENDINGS: dict[str, tuple[Callable[[Service, Recording, np.random.Generator], None], dict[str, float]]] = {
    "silence": (ended_by_silence, {}),
    "short silence": (ended_by_silence, {"endpoint_silence_ms": 160}),
    "flush and end of input": (ended_by_hand, {}),
    "forced cut": (ended_by_silence, {"max_utterance_sec": 2.0}),
}


def finals(engine: Engine, config: ModelConfig, count: int) -> Iterator[tuple[str, str, str]]:
    """(how it ended, final, final with more quiet) of the utterances of ``count`` sentences."""
    rng = np.random.default_rng(5)
    for recording in spoken(count, seed=77, tail_sec=1.6):
        for name, (play, settings) in ENDINGS.items():
            asked = Twice(engine)
            vad().reset()
            play(Service(replace(config, **settings), asked, vad(), Partials(append_only=True)), recording, rng)
            yield from ((name, final, ample) for final, ample in asked.finals)


def assert_nothing_is_lost(engine: Engine, config: ModelConfig, sentences: int, at_least: int) -> None:
    found = list(finals(engine, config, sentences))
    assert len(found) >= at_least
    lost = [each for each in found if each[1] != each[2] and each[2].startswith(each[1])]
    print(f"\n{len(lost)} of {len(found)} finals lack their last characters")
    assert lost == []


@pytest.mark.parametrize("config", CONFIGS)
def test_no_last_character_is_lost(demo_engine: Callable[[ModelConfig], Engine], config: ModelConfig) -> None:
    assert_nothing_is_lost(demo_engine(config), config, sentences=10, at_least=60)


@pytest.mark.full
@pytest.mark.parametrize("config", CONFIGS)
def test_no_last_character_of_hundreds_is_lost(
    demo_engine: Callable[[ModelConfig], Engine], config: ModelConfig
) -> None:
    assert_nothing_is_lost(demo_engine(config), config, sentences=100, at_least=500)
