"""The seam between the service and the engines: what a recogniser session is, and what it returns."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Any, Callable, Collection, Mapping, Protocol, Sequence

import numpy as np

from common.units import LFR_FRAME_SAMPLES

SHORTEST_LAST_PIECE = LFR_FRAME_SAMPLES  # samples: FunASR ignores fewer at the end (paraformer_streaming/model.py:715)
SPECIAL = (0, 1, 2)  # blank, sentence start, sentence end: never part of a hypothesis


@dataclass(frozen=True)
class Hypothesis:
    """The tokens of an utterance so far. Blank, sentence start and sentence end are not among them.

    tokens: ids into the model's token list.
    log_probs: the natural logarithm of the posterior of each.
    fires: where each fired, in samples since the session began.
    log_posteriors: of each, the natural logarithms of the posteriors of all tokens (vocabulary,) float32; they may be
        left out by an engine whose tokens are not rescored.
    """

    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()
    fires: tuple[int, ...] = ()
    log_posteriors: tuple[np.ndarray, ...] = field(default=(), compare=False, repr=False)

    def __add__(self, other: Hypothesis) -> Hypothesis:
        return Hypothesis(
            self.tokens + other.tokens,
            self.log_probs + other.log_probs,
            self.fires + other.fires,
            self.log_posteriors + other.log_posteriors,
        )

    def first(self, count: int) -> Hypothesis:
        """Its first ``count`` tokens."""
        return Hypothesis(self.tokens[:count], self.log_probs[:count], self.fires[:count], self.log_posteriors[:count])

    def later(self, samples: int) -> Hypothesis:
        """The same, heard ``samples`` later."""
        return replace(self, fires=tuple(fire + samples for fire in self.fires))

    def confidence(self, indices: Sequence[int] | None = None) -> float:
        """Geometric mean of the posteriors of the tokens at ``indices`` (all of them if None); 0 without any."""
        chosen = self.log_probs if indices is None else [self.log_probs[i] for i in indices]
        return math.exp(math.fsum(chosen) / len(chosen)) if chosen else 0.0


def best_of(log_probs: np.ndarray, fires: Sequence[int]) -> Hypothesis:
    """The best token of each row of ``log_probs`` (characters, vocabulary), which fired at ``fires``."""
    ids = log_probs.argmax(axis=-1)
    rows = [row for row, token in enumerate(ids) if token not in SPECIAL]
    return Hypothesis(
        tokens=tuple(int(ids[row]) for row in rows),
        log_probs=tuple(float(log_probs[row, ids[row]]) for row in rows),
        fires=tuple(fires[row] for row in rows),
        log_posteriors=tuple(log_probs[rows]),
    )


class Session(Protocol):
    """One utterance in one engine. After an exception the session is spent: throw it away."""

    def accept(self, samples: np.ndarray) -> Hypothesis | None:
        """Take 16 kHz mono float32 samples (-1…1). Returns everything committed since the utterance began
        when at least one more chunk was decoded, else None. Committed tokens never change."""

    def peek(self, quiet: np.ndarray | None = None) -> Hypothesis:
        """Committed tokens and, after them, the pending audio decoded as if the utterance ended here, or after
        ``quiet`` (samples): what ``accept(quiet)`` and then ``finish()`` would return.
        Changes nothing: what is committed later is the same with and without it."""

    def finish(self) -> Hypothesis:
        """Decode what is pending and return the whole utterance. The session is spent."""


Spellings = Callable[[Collection[str]], Mapping[str, Sequence[str]]]


class Engine(Protocol):
    """A loaded model. ``about``: what a status event says of it. ``spellings``: called with Latin words in lower case,
    it returns the tokens that the model writes each of them with, as far as it knows them."""

    about: tuple[tuple[str, Any], ...]
    spellings: Spellings

    @property
    def token_list(self) -> Sequence[str]:
        """The text of each token id."""

    def session(self) -> Session:
        """A session for a new utterance."""
