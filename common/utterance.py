"""An open utterance: its session, what of it has been shown, and its final."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Callable, Iterator

import numpy as np

from common.audio.quiet import quiet_noise, without_digital_silence
from common.events import ErrorEvent, Event, FatalError, Final, Partial, describe
from common.recognizer import Engine, Hypothesis
from common.transcript import Word, join, settled, words

log = logging.getLogger(__name__)

FAILURES_IN_A_ROW = 10  # before the service gives up
QUIET_BEHIND_SPEECH = 9600  # samples: with less than 600 ms of quiet behind it, the last character is often lost
NOTHING = Hypothesis()


@dataclass(frozen=True)
class Partials:
    """How a service shows an utterance that is still open.

    ``append_only``: only text that no later token can change, so that every partial starts with the one
    before it. ``peek_interval``: samples between two looks at the tail that is not committed yet; None: never.
    """

    append_only: bool = False
    peek_interval: int | None = None


class Failures:
    """Inference failures in a row, over all utterances of a service."""

    def __init__(self) -> None:
        self._in_a_row = 0

    def attempt(self, step: Callable[[], Hypothesis | None]) -> Hypothesis | None:
        """What ``step`` returns; whatever it raises is counted and raised again."""
        try:
            result = step()
        except Exception:
            self._in_a_row += 1
            raise
        if result is not None:
            self._in_a_row = 0
        return result

    def check(self, error: Exception) -> None:
        """Raises FatalError ``internal_error`` if the last failure, ``error``, was one too many."""
        if self._in_a_row >= FAILURES_IN_A_ROW:
            advice = "the model fails on every chunk; --doctor checks the installation"
            raise FatalError("internal_error", describe(error, advice)) from error


class Utterance:
    """One per utterance; it dies with its final, and its session with it."""

    def __init__(
        self, trace_id: str, first_sample: int, engine: Engine, partials: Partials, failures: Failures
    ) -> None:
        self.trace_id = trace_id
        self._next_sample = first_sample  # position in the stream
        self._heard = 0  # samples
        self._engine = engine
        self._partials = partials
        self._failures = failures
        self._session = engine.session()
        self._lost_sessions = NOTHING  # committed by sessions that failed since
        self._committed = NOTHING
        self._latest = NOTHING  # the hypothesis behind the text shown last
        self._shown = ""

    def feed(self, samples: np.ndarray, may_peek: bool) -> Iterator[Event]:
        """Hear ``samples`` (16 kHz mono float32) and show what is new."""
        samples = without_digital_silence(samples, self._next_sample)
        peek_is_due = self._peek_is_due(len(samples)) and may_peek
        self._next_sample += len(samples)
        self._heard += len(samples)
        try:
            decoded = self._failures.attempt(lambda: self._session.accept(samples))
            if decoded is not None:
                self._committed = self._lost_sessions + decoded
            tail = self._failures.attempt(self._session.peek) if peek_is_due else None
        except Exception as error:
            yield from self._go_on_without(error)
            return
        if tail is not None:
            yield from self._show(self._lost_sessions + tail)
        elif decoded is not None and not self._already_shown(self._committed):
            yield from self._show(self._committed)

    def finalise(self, trailing_silence: int) -> Iterator[Event]:
        """Flush the model and print the final; ``trailing_silence`` samples of quiet were heard at the end."""
        quiet = quiet_noise(self._next_sample, max(0, QUIET_BEHIND_SPEECH - trailing_silence))
        try:
            hypothesis = self._lost_sessions + self._flush(quiet)
        except Exception as error:
            log.debug("flush failed", exc_info=True)
            yield ErrorEvent(self.trace_id, "infer_final_failed", describe(error, "the final is the last good text"))
            hypothesis = self._latest
        parts = self._words(hypothesis)
        if parts or self._shown:
            yield Final(self.trace_id, join(parts), _confidence(hypothesis, parts))

    def _flush(self, quiet: np.ndarray) -> Hypothesis:
        def step() -> Hypothesis:
            self._session.accept(quiet)
            return self._session.finish()

        return self._failures.attempt(step) or NOTHING

    def _peek_is_due(self, count: int) -> bool:
        interval = self._partials.peek_interval
        return interval is not None and (self._heard + count) // interval > self._heard // interval

    def _go_on_without(self, error: Exception) -> Iterator[Event]:
        """A chunk failed: say so, keep what is committed, go on with a fresh session."""
        log.debug("chunk failed", exc_info=True)
        yield ErrorEvent(self.trace_id, "infer_partial_failed", describe(error, "this piece of audio was skipped"))
        self._lost_sessions = self._committed
        self._session = self._engine.session()
        self._failures.check(error)

    def _already_shown(self, hypothesis: Hypothesis) -> bool:
        """Committed text lags behind a tail that was shown; it is news only where it says something else."""
        return not self._partials.append_only and self._shown.startswith(join(self._words(hypothesis)))

    def _show(self, hypothesis: Hypothesis) -> Iterator[Event]:
        self._latest = hypothesis
        parts = self._words(hypothesis)
        if self._partials.append_only:
            parts = settled(parts)
        text = join(parts)
        if text and text != self._shown:
            self._shown = text
            yield Partial(self.trace_id, text, _confidence(hypothesis, parts))

    def _words(self, hypothesis: Hypothesis) -> list[Word]:
        return words([self._engine.token_list[token] for token in hypothesis.tokens])


def _confidence(hypothesis: Hypothesis, parts: list[Word]) -> float:
    return hypothesis.confidence([index for word in parts for index in word.tokens])
