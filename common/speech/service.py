"""The service: audio in, events out. It knows no thread, no clock and no stream."""

from __future__ import annotations

import uuid
from collections import deque
from dataclasses import replace
from typing import Any, Callable, Iterator, Protocol, Sequence

import numpy as np

from common.engines.seam import Engine
from common.errors import FatalError
from common.finals.polish import Finals
from common.settings.flags import CommonConfig
from common.settings.hotword_list import Hotword
from common.speech.endpoint import End, Endpointer, Speech, Start
from common.speech.failures import Failures
from common.speech.frames import endpoint_settings, silent_frames
from common.speech.partials import Partials
from common.speech.turn import OpenTurn
from common.speech.utterance import Utterance
from common.speech.vad import speech_from
from common.text.hotword_spelling import Lexicon, latin_words, warn_of
from common.units import VAD_FRAME_SAMPLES
from common.wire.events import EndReason, ErrorEvent, Event, Final

SETTLING = 32  # frames: Silero hears some voices up to a second late when nothing was before them
LOUD = 0.1  # of the power of speech: noise at 10 dB lies below
MOST_BACKLOG = 3200  # samples: with more waiting no end is foreseen; what is spoken comes first
LATENESS = 2  # frames that Silero goes on hearing speech behind its end: 68 ms in the middle (docs/recognition.md)


class Vad(Protocol):
    def probability(self, frame: np.ndarray) -> float:
        """Probability (0…1) that ``VAD_FRAME_SAMPLES`` samples are speech."""

    def reset(self) -> None:
        """Forget the stream."""


class Service:
    """Cuts the stream into frames, asks the endpointer where utterances are, and feeds the open one."""

    def __init__(
        self,
        config: CommonConfig,
        engine: Engine,
        vad: Vad,
        partials: Partials,
        new_trace_id: Callable[[], str] = lambda: uuid.uuid4().hex,
        settling: int = SETTLING,
        lateness: int = LATENESS,
        finals: Finals | None = None,
    ) -> None:
        self._config = config
        self._settling = settling
        self._lateness = lateness
        self.about = engine.about
        self._engine = engine
        self._vad = vad
        self._partials = replace(partials, final_differs=finals is not None)
        self._finals = finals
        self._new_trace_id = new_trace_id
        self._history: deque[np.ndarray] = deque()
        self._settings = endpoint_settings(config, lateness)
        self._endpointer = Endpointer(self._settings)
        self._rest = np.zeros(0, dtype=np.float32)  # samples that do not fill a frame yet
        self._frames = 0  # that the endpointer has counted
        self._opened = False  # whether an utterance has begun among them
        self._position = 0  # samples since the stream began, behind the last of those frames
        self._utterance: Utterance | None = None
        self._turn: OpenTurn | None = None  # around it
        self._utterances = 0  # that showed text
        self._failures = Failures()
        self.set_hotwords(config.hotwords)
        self._apply()

    @property
    def is_open(self) -> bool:
        """Whether somebody is speaking: an utterance has begun and not ended."""
        return self._utterance is not None

    def hear(self, samples: np.ndarray, backlog: int = 0) -> Iterator[Event]:
        """Take the next 16 kHz mono float32 samples of the stream; ``backlog`` more are already waiting.

        However the stream is cut into blocks, the events are the same. Raises FatalError
        ``internal_error`` after ten inference failures in a row.
        """
        may_peek = self._partials.peek_interval is not None and backlog <= self._partials.peek_interval
        may_foresee = backlog <= MOST_BACKLOG and (self._config.turns or self._finals is not None)
        samples = np.concatenate([self._rest, samples])
        whole = len(samples) // VAD_FRAME_SAMPLES * VAD_FRAME_SAMPLES
        self._rest = samples[whole:]
        for start in range(0, whole, VAD_FRAME_SAMPLES):
            yield from self._hear_frame(samples[start : start + VAD_FRAME_SAMPLES], may_peek, may_foresee)

    def end(self, reason: EndReason = EndReason.EOF) -> Iterator[Event]:
        """Finalise the open utterance with every sample that was heard: at the end of the stream, and at a flush.

        Raises FatalError as ``hear`` does, after the final.
        """
        rest, self._rest = self._rest, self._rest[:0]
        self._position += len(rest)
        fatal = None
        if self._utterance is not None and self._turn is not None:
            is_speech = self._endpointer.trailing_silence == 0
            try:
                yield from self._utterance.feed(rest, False, is_speech, may_show=not self._turn.holds)
            except FatalError as error:
                fatal = error
            yield from self._finalise(reason)
        self._cut()
        if fatal is not None:
            raise fatal

    def reset(self) -> Iterator[Event]:
        """Drop the open utterance without a final."""
        if self._utterance is not None and self._turn is not None:
            yield from self._turn.end(EndReason.RESET, False, self._utterance.speech_end, self._position)
        self._utterance = self._turn = None
        self._cut()

    def restart(self) -> None:
        """Listen anew after a pause: what comes next has nothing to do with what was heard. No utterance is open."""
        self._cut()
        self._vad.reset()
        self._endpointer = Endpointer(self._settings)
        self._frames = 0
        self._opened = False

    def set(self, **settings: Any) -> None:
        """Checked values of CommonConfig's fields, from the next utterance on."""
        self._config = replace(self._config, **settings)
        if self._utterance is None:
            self._apply()

    def _apply(self) -> None:
        """What is set counts from here on: no utterance is open."""
        self._settings = self._endpointer.settings = endpoint_settings(self._config, self._lateness)
        self._eager_silence = silent_frames(self._config.eager_silence_ms, self._lateness)
        kept = self._settings.pre_roll + self._settings.min_speech + self._settling
        if self._history.maxlen != kept:
            self._history = deque(self._history, kept)

    def set_hotwords(self, hotwords: Sequence[Hotword]) -> tuple[str, ...]:
        """From the next utterance on. Returns those that the model cannot write, with a warning: they are left out."""
        latin = latin_words(hotwords)
        spellings = self._engine.spellings(latin) if latin else {}
        lexicon = Lexicon.build(hotwords, self._engine.token_list, spellings) if hotwords else None
        left_out = lexicon.left_out if lexicon is not None else ()
        warn_of(left_out, of=len(hotwords))
        self._partials = replace(self._partials, hotwords=lexicon)
        self._hotwords = tuple(hotwords)
        return tuple(word.text for word in left_out)

    def _cut(self) -> None:
        """No sample from before here belongs to what comes."""
        self._endpointer.close()
        self._apply()
        self._history.clear()
        self._position += len(self._rest)
        self._rest = self._rest[:0]

    def error(self, error_code: str, message: str) -> ErrorEvent:
        """An error event of the open utterance, or of none."""
        trace_id = self._utterance.trace_id if self._utterance is not None else self._new_trace_id()
        return ErrorEvent(trace_id, error_code, message)

    def _hear_frame(self, frame: np.ndarray, may_peek: bool, may_foresee: bool) -> Iterator[Event]:
        self._frames += 1
        self._position += VAD_FRAME_SAMPLES
        self._history.append(frame)
        lowest = speech_from(self._config.vad_threshold, self._endpointer.is_open)
        is_speech = self._vad.probability(frame) >= lowest
        transition = self._endpointer.step(is_speech)
        if isinstance(transition, Start):
            yield from self._open(transition.first_frame, may_peek)
        elif self._utterance is not None and self._turn is not None:
            if is_speech:
                yield from self._turn.go_on(self._position)
            yield from self._utterance.feed(frame, may_peek, is_speech, may_show=not self._turn.holds)
            if isinstance(transition, Speech):
                yield from self._foresee(self._utterance, self._turn, may_foresee)
        if isinstance(transition, End):
            yield from self._finalise(transition.reason)

    def _foresee(self, utterance: Utterance, turn: OpenTurn, may_foresee: bool) -> Iterator[Event]:
        """After a short silence the end is foreseen: decoded as the final will be."""
        silence = self._endpointer.trailing_silence
        if silence == self._eager_silence and may_foresee:
            final = utterance.foresee(silence * VAD_FRAME_SAMPLES)
            if final is not None:
                yield from turn.foresee(final, utterance.audio, utterance.speech_end, self._position)
        elif silence > self._eager_silence:
            yield from turn.look(utterance.speech_end, self._position)

    def _open(self, first_frame: int, may_peek: bool) -> Iterator[Event]:
        speech_frame = self._first_loud(first_frame, max(first_frame, self._frames - self._settings.min_speech))
        first_frame = min(first_frame, speech_frame)
        self._endpointer.reach_back(first_frame)
        self._opened = True
        reach_back = self._frames - first_frame
        self._utterance = Utterance(
            self._new_trace_id(),
            self._position - reach_back * VAD_FRAME_SAMPLES,
            self._position - (self._frames - speech_frame) * VAD_FRAME_SAMPLES,
            self._lateness * VAD_FRAME_SAMPLES,
            self._engine,
            self._partials,
            self._failures,
            self._next_number,
            self._finals.audio(self._hotwords) if self._finals is not None else None,
        )
        self._turn = OpenTurn(self._utterance.trace_id, self._config.turns, self._finals)
        yield from self._turn.start(self._utterance.speech_start, self._position)
        past = list(self._history)[-reach_back:]
        yield from self._utterance.feed(np.concatenate(past), may_peek, True)  # at once: one look, at the newest

    def _first_loud(self, first_frame: int, speech_frame: int) -> int:
        """``speech_frame``, the first that was speech to the detector; or one before it among the stream's first,
        where nothing that the detector could have known was before them: the first that is nearly as loud as the
        speech that it did hear. ``first_frame``: where the utterance would begin otherwise."""
        frames_heard = list(self._history)
        if first_frame >= self._settling or len(frames_heard) < self._frames or self._opened:
            return speech_frame
        power = [float(np.mean(np.square(frame))) for frame in frames_heard]
        loud = LOUD * float(np.mean(power[-self._settings.min_speech :]))
        earliest = max(0, self._frames - self._settings.max_utterance + 1)
        return next((frame for frame in range(earliest, speech_frame) if power[frame] >= loud), speech_frame)

    def _next_number(self) -> int:
        self._utterances += 1
        return self._utterances

    def _finalise(self, reason: EndReason) -> Iterator[Event]:
        assert self._utterance is not None and self._turn is not None
        utterance, turn, ending = self._utterance, self._turn, reason == EndReason.SHUTDOWN
        has_final = False
        for event in utterance.finalise(self._endpointer.trailing_silence * VAD_FRAME_SAMPLES, reason):
            if isinstance(event, Final):
                has_final = True
                yield from turn.finish(event, utterance.audio, ending, self._position)
            else:
                yield event
        yield from turn.end(reason, has_final, utterance.speech_end, self._position)
        self._utterance = self._turn = None
        self._apply()
