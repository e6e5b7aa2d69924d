"""An open utterance: its session, what of it has been shown, and its final."""

from __future__ import annotations

import logging
from typing import Callable, Iterator, Sequence

import numpy as np

from common.engines.quiet import quiet_noise, without_digital_silence
from common.engines.seam import Engine, Hypothesis
from common.errors import describe
from common.finals.polish import UtteranceAudio
from common.speech.failures import Failures
from common.speech.partials import Partials
from common.text.hotword_rescoring import rescore, settle
from common.text.tokens_to_words import Word, join, settled, words
from common.text.word_times import spans
from common.units import VAD_FRAME_SAMPLES
from common.wire.events import EndReason, ErrorEvent, Event, Extra, Final, Partial, TimedWord

log = logging.getLogger(__name__)

QUIET_BEHIND_SPEECH = 12800  # samples: if less than 800 ms of quiet follow it, the last character may get lost
NOTHING = Hypothesis()


class Utterance:
    """One per utterance; it and its session are done with its final.

    ``first_sample`` is where its audio begins in the stream, pre-roll included, ``speech_start`` where the speech
    does; ``lag``: for how many samples after its end the detector still hears speech. ``number`` returns its
    ``utterance_id``, asked when its text is first shown. ``audio`` keeps what it hears, unless it is None.
    """

    def __init__(
        self,
        trace_id: str,
        first_sample: int,
        speech_start: int,
        lag: int,
        engine: Engine,
        partials: Partials,
        failures: Failures,
        number: Callable[[], int],
        audio: UtteranceAudio | None = None,
    ) -> None:
        self.trace_id = trace_id
        self.audio = audio
        self._first_sample = first_sample
        self._speech_start = speech_start
        self._lag = lag
        self._heard = 0  # samples
        self._spoken = 0  # samples until speech was heard last
        self._looked = 0  # samples heard when the tail was looked at last
        self._was_speech = True
        self._engine = engine
        self._partials = partials
        self._failures = failures
        self._number = number
        self._id = 0
        self._session = engine.session()
        self._session_start = 0  # samples heard before it began
        self._lost_sessions = NOTHING  # committed by sessions that failed since
        self._committed = NOTHING
        self._settled: tuple[int, ...] = ()  # tokens that are shown or may be: no hotword changes them any more
        self._latest = NOTHING  # the hypothesis of the text shown last
        self._shown = ""

    @property
    def speech_start(self) -> int:
        """Where the speech begins in the stream, in samples."""
        return self._speech_start

    @property
    def speech_end(self) -> int:
        """Where it ends, as far as it was heard."""
        return max(self._speech_start + VAD_FRAME_SAMPLES, self._first_sample + self._spoken - self._lag)

    def feed(self, samples: np.ndarray, may_peek: bool, is_speech: bool, may_show: bool = True) -> Iterator[Event]:
        """Hear ``samples`` (16 kHz mono float32) and show what is new, if it ``may_show``. ``is_speech``: whether the
        detector hears speech at their end. ``may_peek``: whether there is time to look at the tail."""
        samples = without_digital_silence(samples, self._first_sample + self._heard)
        look = may_peek and self._look_is_due(len(samples), is_speech)
        self._was_speech = is_speech
        self._heard += len(samples)
        self._spoken = self._heard if is_speech else self._spoken
        if self.audio is not None:
            self.audio.pieces.append(samples)
        try:
            decoded = self._failures.attempt(lambda: self._session.accept(samples))
            if decoded is not None:
                self._committed = self._whole(decoded)
            tail = self._failures.attempt(self._session.peek) if look else None
        except Exception as error:
            yield from self._go_on_without(error)
            return
        if not may_show:
            return
        if tail is not None:
            self._looked = self._heard
            yield from self._show(self._without_guesses(self._whole(tail)))
        elif decoded is not None and not self._already_shown(self._committed):
            yield from self._show(self._committed)

    def foresee(self, trailing_silence: int) -> Final | None:
        """The final, as it would be if the utterance ended here; None if it cannot be decoded. Changes nothing."""
        quiet = self._quiet(trailing_silence)
        try:
            hypothesis = self._failures.attempt(lambda: self._session.peek(quiet))
        except Exception:
            log.debug("no end foreseen", exc_info=True)
            return None
        whole = self._whole(hypothesis or NOTHING)
        parts = self._words(self._rescored(whole))
        return Final(self.trace_id, join(parts), _confidence(whole, parts))

    def finalise(self, trailing_silence: int, reason: EndReason) -> Iterator[Event]:
        """Flush the model and print the final; ``trailing_silence`` samples of quiet were heard at the end."""
        end = self._heard
        try:
            hypothesis = self._flush(self._quiet(trailing_silence))
        except Exception as error:
            log.debug("flush failed", exc_info=True)
            yield ErrorEvent(self.trace_id, "infer_final_failed", describe(error, "the final is the last good text"))
            hypothesis = self._latest
        parts = self._words(self._rescored(hypothesis))
        if parts or self._shown:
            extra = self._extra(hypothesis, parts, end, stable=0, reason=reason)
            yield Final(self.trace_id, join(parts), _confidence(hypothesis, parts), extra)

    def _quiet(self, trailing_silence: int) -> np.ndarray:
        """The rest of the quiet that must follow speech, after the ``trailing_silence`` samples that were heard."""
        return quiet_noise(self._first_sample + self._heard, max(0, QUIET_BEHIND_SPEECH - trailing_silence))

    def _flush(self, quiet: np.ndarray) -> Hypothesis:
        def step() -> Hypothesis:
            self._session.accept(quiet)
            return self._session.finish()

        return self._whole(self._failures.attempt(step) or NOTHING)

    def _whole(self, hypothesis: Hypothesis) -> Hypothesis:
        """What sessions that failed had committed, followed by this one's ``hypothesis``."""
        return self._lost_sessions + hypothesis.later(self._session_start)

    def _look_is_due(self, count: int, is_speech: bool) -> bool:
        """At every multiple of the interval; and when silence begins: the tail gets no more speech then."""
        interval = self._partials.peek_interval
        if interval is None:
            return False
        begins_silence = self._was_speech and not is_speech and self._heard + count - self._looked > interval // 2
        return begins_silence or (self._heard + count) // interval > self._heard // interval

    def _without_guesses(self, hypothesis: Hypothesis) -> Hypothesis:
        """``hypothesis`` without unsure tokens at the end that are not committed."""
        count = len(hypothesis.tokens)
        while count > len(self._committed.tokens) and hypothesis.log_probs[count - 1] < self._partials.unsure:
            count -= 1
        return hypothesis.first(count)

    def _go_on_without(self, error: Exception) -> Iterator[Event]:
        """A chunk failed: say so, keep what is committed, go on with a fresh session."""
        log.debug("chunk failed", exc_info=True)
        yield ErrorEvent(self.trace_id, "infer_partial_failed", describe(error, "this piece of audio was skipped"))
        self._lost_sessions = self._committed
        self._session = self._engine.session()
        self._session_start = self._heard
        self._failures.check(error)

    def _already_shown(self, hypothesis: Hypothesis) -> bool:
        """Committed text comes later than the tail that was shown; it is news only if it says something else."""
        if self._partials.append_only:
            return False
        return self._shown.startswith(join(self._words(self._rescored(hypothesis))))

    def _show(self, hypothesis: Hypothesis) -> Iterator[Event]:
        self._latest = hypothesis
        if self._partials.append_only:
            self._settle(hypothesis)
            parts = settled(self._words(self._settled))
        else:
            parts = self._words(self._rescored(hypothesis))
        text = join(parts)
        if text and text != self._shown:
            self._shown = text
            extra = self._extra(hypothesis, parts, self._heard, self._stable(text))
            yield Partial(self.trace_id, text, _confidence(hypothesis, parts), extra)

    def _rescored(self, hypothesis: Hypothesis) -> tuple[int, ...]:
        """The tokens with the hotwords in them; those that are settled stay."""
        kept = len(self._settled) if self._partials.append_only else 0
        tokens = (*self._settled[:kept], *hypothesis.tokens[kept:])
        return rescore(tokens, hypothesis.log_posteriors, self._partials.hotwords, first=kept)

    def _settle(self, hypothesis: Hypothesis) -> None:
        rows = hypothesis.log_posteriors
        self._settled = settle(self._settled, hypothesis.tokens, rows, self._partials.hotwords)

    def _stable(self, text: str) -> int:
        """How many leading code points of ``text`` no later partial or final changes."""
        if self._partials.final_differs:
            return 0
        if not self._partials.append_only:
            self._settle(self._committed)
        kept = join(settled(self._words(self._settled)))
        return len(kept) if text.startswith(kept) else 0

    def _words(self, tokens: Sequence[int]) -> list[Word]:
        return words([self._engine.token_list[token] for token in tokens])

    def _extra(
        self, hypothesis: Hypothesis, parts: list[Word], end: int, stable: int, reason: EndReason | None = None
    ) -> Extra:
        self._id = self._id or self._number()
        start, offset = self._speech_start, self._first_sample
        times = spans(hypothesis.fires, start - offset, self.speech_end - offset)
        timed = []
        for word in parts if times else []:
            begin, stop = offset + times[word.tokens[0]][0], offset + times[word.tokens[-1]][1]
            timed.append(TimedWord(word.text, begin, stop, hypothesis.confidence(word.tokens)))
        return Extra(self._id, start, offset + end, self.speech_end, stable, tuple(timed), reason)


def _confidence(hypothesis: Hypothesis, parts: list[Word]) -> float:
    return hypothesis.confidence([index for word in parts for index in word.tokens])
