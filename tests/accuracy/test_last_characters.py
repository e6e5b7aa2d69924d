"""However an utterance ends, its final has the last characters that more quiet behind it would have brought out.

Every session is asked twice: as the service asks it, and with 1.5 s more of quiet behind that. A final is short when it
is the other decode without its last characters. Lost is what was also spoken: in the quiet the model may hear a
character that nobody said, which is why the service adds no more quiet than it needs.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Callable, Iterator, NamedTuple

import numpy as np
import pytest

from common.engines.quiet import quiet_noise
from common.engines.seam import Engine, Hypothesis, Session
from common.settings.services import ModelConfig, SliceConfig, StreamingConfig
from common.speech.partials import Partials
from common.speech.service import Service
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
        self.about, self.token_list = engine.about, engine.token_list
        self.finals: list[tuple[str, str, np.ndarray]] = []  # as asked, with more quiet, and the audio
        self._engine = engine

    def session(self) -> Session:
        inner, engine = self._engine.session(), self
        pieces: list[np.ndarray] = []

        class AskedTwice:
            def accept(self, samples: np.ndarray) -> Hypothesis | None:
                pieces.append(samples)
                return inner.accept(samples)

            def peek(self, quiet: np.ndarray | None = None) -> Hypothesis:
                return inner.peek(quiet)

            def finish(self) -> Hypothesis:
                final = inner.peek()  # as finish, and the session can go on
                inner.accept(quiet_noise(sum(map(len, pieces)), MORE_QUIET))
                audio = np.concatenate(pieces[:-1])  # the last piece is the quiet that the service adds
                engine.finals.append((engine._text(final), engine._text(inner.peek()), audio))
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


class Ended(NamedTuple):
    """How an utterance ended, its final, what that would be with more quiet, and the characters that were spoken."""

    how: str
    final: str
    ample: str
    spoken: str

    @property
    def is_short(self) -> bool:
        return self.ample != self.final and self.ample.startswith(self.final)

    @property
    def is_lost(self) -> bool:
        return self.is_short and self.final[-1:] + self.ample[len(self.final) :] in self.spoken


def ended(engine: Engine, config: ModelConfig, count: int) -> Iterator[Ended]:
    """The utterances of ``count`` sentences, each of which is ended in every way."""
    rng = np.random.default_rng(5)
    for recording in spoken(count, seed=77, tail_sec=1.6):
        for how, (play, settings) in ENDINGS.items():
            asked = Twice(engine)
            vad().reset()
            play(Service(replace(config, **settings), asked, vad(), Partials(append_only=True)), recording, rng)
            for final, ample, audio in asked.finals:
                yield Ended(how, final, ample, said_in(audio, recording))


def said_in(audio: np.ndarray, recording: Recording) -> str:
    """The characters of ``recording`` half of which or more lie in this piece of it."""
    starts = np.flatnonzero(recording.samples == audio[0])
    start = next(int(at) for at in starts if np.array_equal(recording.samples[at : at + 99], audio[:99]))
    middles = [(syllable.start + syllable.end) // 2 for syllable in recording.syllables]
    return "".join(c for c, at in zip(recording.text, middles) if start <= at < start + len(audio))


def assert_nothing_is_lost(engine: Engine, config: ModelConfig, sentences: int, at_least: int) -> None:
    found = list(ended(engine, config, sentences))
    assert len(found) >= at_least
    short, lost = [each for each in found if each.is_short], [each for each in found if each.is_lost]
    print(f"\n{len(found)} finals: {len(short)} shorter than with more quiet, {len(lost)} lack what was spoken")
    print("\n".join(map(str, short)))
    assert lost == []
    assert len(short) <= len(found) // 500


@pytest.mark.parametrize("config", CONFIGS)
def test_no_last_character_is_lost(demo_engine: Callable[[ModelConfig], Engine], config: ModelConfig) -> None:
    assert_nothing_is_lost(demo_engine(config), config, sentences=10, at_least=60)


@pytest.mark.full
@pytest.mark.parametrize("config", CONFIGS)
def test_no_last_character_of_hundreds_is_lost(
    demo_engine: Callable[[ModelConfig], Engine], config: ModelConfig
) -> None:
    assert_nothing_is_lost(demo_engine(config), config, sentences=200, at_least=1000)
