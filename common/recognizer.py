"""The seam between the service and the engines: what a recogniser session is, and what it returns."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol, Sequence

import numpy as np


@dataclass(frozen=True)
class Hypothesis:
    """The tokens of an utterance so far: ids into the model's token list, and the natural logarithm of the
    posterior of each. Blank, sentence start and sentence end are not among them."""

    tokens: tuple[int, ...] = ()
    log_probs: tuple[float, ...] = ()

    def __add__(self, other: Hypothesis) -> Hypothesis:
        return Hypothesis(self.tokens + other.tokens, self.log_probs + other.log_probs)

    def confidence(self, indices: Sequence[int] | None = None) -> float:
        """Geometric mean of the posteriors of the tokens at ``indices`` (all of them if None); 0 without any."""
        chosen = self.log_probs if indices is None else [self.log_probs[i] for i in indices]
        return math.exp(math.fsum(chosen) / len(chosen)) if chosen else 0.0


class Session(Protocol):
    """One utterance in one engine. After an exception the session is spent: throw it away."""

    def accept(self, samples: np.ndarray) -> Hypothesis | None:
        """Take 16 kHz mono float32 samples (-1…1). Returns everything committed since the utterance began
        when at least one more chunk was decoded, else None. Committed tokens never change."""

    def peek(self) -> Hypothesis:
        """Committed tokens and, behind them, the pending audio decoded as if the utterance ended here.
        Changes nothing: what is committed later is the same with and without it."""

    def finish(self) -> Hypothesis:
        """Decode what is pending and return the whole utterance. The session is spent."""


class Engine(Protocol):
    """A loaded model."""

    @property
    def token_list(self) -> Sequence[str]:
        """The text of each token id."""

    def session(self) -> Session:
        """A session for a new utterance."""
