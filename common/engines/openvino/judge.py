"""May int8 decode for this model? It is held against single precision on a short piece of the bundled speech.

The model may never have heard such voices, and a token of which it is not sure tips over at the least change. So the
tokens of which single precision is sure must be the same; where it is sure of too few, the posteriors must stay where
they are. docs/benchmarks.md has what both rules say of familiar and unfamiliar speech and of damaged weights.
"""

from __future__ import annotations

import difflib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Sequence

import numpy as np

from common.engines.quiet import without_digital_silence
from common.engines.seam import Engine, Hypothesis
from common.engines.streaming_step import Shape
from common.packages import import_or_explain
from common.settings.flags import DEMO_SPEECH
from common.units import SAMPLE_RATE

JUDGED = Shape(0, 10, 5, encoder_look_back=4, decoder_look_back=1)  # as the model was trained
SURE = 0.5  # posterior
ENOUGH = 60  # sure tokens
LONGEST_SEC = 40.0  # of speech that is decoded to find them
SAME = 0.98  # of the sure tokens
MOVED = 0.1  # the mean over all tokens of half the sum of a posterior's changes, from 0 to 1


@dataclass(frozen=True)
class Verdict:
    """``tokens``: how many single precision gives; how many are the ``same`` in int8; of how many single precision is
    ``sure``; how many of those int8 has ``kept``; how far the posteriors have ``moved``, from 0 to 1."""

    tokens: int
    same: int
    sure: int
    kept: int
    moved: float

    @property
    def accepted(self) -> bool:
        if self.sure >= ENOUGH:
            return self.kept >= SAME * self.sure
        return self.tokens > 0 and self.moved <= MOVED and self.kept >= self.sure - 1

    def __str__(self) -> str:
        kept = f"int8 keeps {self.kept} of the {self.sure} tokens of which single precision is sure"
        return kept if self.sure >= ENOUGH else f"{kept}; the posteriors of all {self.tokens} move by {self.moved:.3f}"


def recordings(folder: Path = DEMO_SPEECH.parent) -> Iterator[np.ndarray]:
    """The bundled sentences, 16 kHz, as the services hear them."""
    soundfile = import_or_explain("soundfile")
    for path in sorted(folder.glob("*.wav")):
        samples, _ = soundfile.read(str(path), dtype="float32")
        yield without_digital_silence(samples, 0)


def decoded(engine: Engine, samples: np.ndarray) -> Hypothesis:
    session = engine.session()
    session.accept(samples)
    return session.finish()


def sure_of(hypothesis: Hypothesis) -> list[int]:
    """The places of the tokens that it is sure of."""
    return [place for place, value in enumerate(hypothesis.log_probs) if value >= math.log(SURE)]


def heard_until_sure(engine: Engine, audio: Sequence[np.ndarray], done: Callable[[float], None]) -> list[Hypothesis]:
    """The first recordings, as many as it takes to have enough sure tokens, or LONGEST_SEC of them."""
    found: list[Hypothesis] = []
    seconds = 0.0
    for samples in audio:
        sure = sum(len(sure_of(each)) for each in found)
        if sure >= ENOUGH or seconds >= LONGEST_SEC:
            break
        found.append(decoded(engine, samples))
        seconds += len(samples) / SAMPLE_RATE
        done(min(1.0, max(sure / ENOUGH, seconds / LONGEST_SEC)))
    return found


def heard(engine: Engine, audio: Sequence[np.ndarray], done: Callable[[float], None]) -> list[Hypothesis]:
    """All recordings."""
    found = []
    for number, samples in enumerate(audio, start=1):
        found.append(decoded(engine, samples))
        done(number / len(audio))
    return found


def compared(single: Sequence[Hypothesis], int8: Sequence[Hypothesis]) -> Verdict:
    """Of the same recordings."""
    tokens = same = sure = kept = 0
    moved = 0.0
    for wanted, found in zip(single, int8):
        places = set(sure_of(wanted))
        tokens += len(wanted.tokens)
        sure += len(places)
        pairs, equal = _aligned(wanted.tokens, found.tokens)
        same += len(equal)
        kept += len(places & equal)
        moved += len(wanted.tokens) - len(pairs)  # a token that has no counterpart has moved all the way
        moved += sum(_distance(wanted.log_posteriors[one], found.log_posteriors[other]) for one, other in pairs)
    return Verdict(tokens, same, sure, kept, moved / max(tokens, 1))


def _aligned(wanted: Sequence[int], found: Sequence[int]) -> tuple[list[tuple[int, int]], set[int]]:
    """Pairs of places of tokens that stand for each other, and the places of those that are the same."""
    pairs: list[tuple[int, int]] = []
    same: set[int] = set()
    matcher = difflib.SequenceMatcher(None, wanted, found, autojunk=False)
    for kind, first, last, other_first, other_last in matcher.get_opcodes():
        if kind == "equal" or (kind == "replace" and last - first == other_last - other_first):
            pairs += zip(range(first, last), range(other_first, other_last))
        if kind == "equal":
            same.update(range(first, last))
    return pairs, same


def _distance(one: np.ndarray, other: np.ndarray) -> float:
    """Of two distributions (their logarithms): 0 if they are the same, 1 if they have nothing in common."""
    return float(np.abs(np.exp(one) - np.exp(other)).sum() / 2)
