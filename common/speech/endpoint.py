"""Where utterances begin and end: a state machine over frames of speech and silence; pure.

It counts frames and knows neither audio nor clocks; a frame is whatever the caller says (32 ms in the
services). Each frame makes exactly one named transition.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Union

from common.wire.events import EndReason

SILENCE_BEFORE_FORCED_CUT = 2  # frames: the shortest breath that still ends an utterance near its limit


@dataclass(frozen=True)
class EndpointSettings:
    """All in frames. ``endpoint_silence`` 0 means that silence never ends an utterance (push to talk)."""

    endpoint_silence: int
    min_speech: int
    pre_roll: int
    max_utterance: int


@dataclass(frozen=True)
class Silence:
    """No utterance is open."""


@dataclass(frozen=True)
class Start:
    """An utterance opens; ``first_frame`` is its first frame, pre-roll included, counted from 0."""

    first_frame: int


@dataclass(frozen=True)
class Speech:
    """The utterance goes on; a short silence inside it counts as speech."""


@dataclass(frozen=True)
class End:
    """The frame is the utterance's last; ``reason`` is SILENCE if the full silence was heard, else
    MAX_DURATION: the limit, or a breath near it."""

    reason: EndReason


Transition = Union[Silence, Start, Speech, End]


class Endpointer:
    """Turns a row of speech/silence frames into utterances.

    An utterance opens after ``min_speech`` speech frames in a row and reaches back ``pre_roll`` frames
    before them, never into the utterance before. It ends after ``endpoint_silence`` silent
    frames in a row. In the last quarter of ``max_utterance`` the silence that ends it shrinks linearly to
    two frames, so that a forced cut nearly always falls into a breath; at the limit it is cut at once.
    ``settings`` may be replaced while no utterance is open.
    """

    def __init__(self, settings: EndpointSettings) -> None:
        self.settings = settings
        self._frames = 0  # frames seen so far
        self._previous_end = 0  # first frame that no utterance holds yet
        self._start = -1  # first frame of the open utterance, -1 while there is none
        self._speech_run = 0
        self._silence_run = 0

    @property
    def is_open(self) -> bool:
        return self._start >= 0

    @property
    def trailing_silence(self) -> int:
        """Silent frames since the last speech frame."""
        return self._silence_run

    def step(self, is_speech: bool) -> Transition:
        """Count one frame and say what it did."""
        self._frames += 1
        self._speech_run = self._speech_run + 1 if is_speech else 0
        self._silence_run = 0 if is_speech else self._silence_run + 1
        if not self.is_open:
            return self._maybe_start()
        return self._maybe_end()

    def reach_back(self, first_frame: int) -> None:
        """The open utterance begins with ``first_frame``, which is in no other utterance."""
        self._start = first_frame

    def close(self) -> None:
        """End the open utterance after the last frame: end of input, a flush, a signal.

        Speech that goes on across the cut opens the next utterance with its next frame: nothing of it
        is lost to ``min_speech``.
        """
        self._start = -1
        self._previous_end = self._frames

    def _maybe_start(self) -> Transition:
        if self._speech_run < self.settings.min_speech:
            return Silence()
        reach_back = self._frames - self._speech_run - self.settings.pre_roll
        self._start = max(reach_back, self._previous_end)
        return Start(self._start)

    def _maybe_end(self) -> Transition:
        is_full = self._frames - self._start >= self.settings.max_utterance
        if not is_full and self._silence_run < self._silence_that_ends():
            return Speech()
        silence = self.settings.endpoint_silence
        self.close()
        heard = silence and self._silence_run >= silence
        return End(EndReason.SILENCE if heard else EndReason.MAX_DURATION)

    def _silence_that_ends(self) -> int:
        """Silent frames that end the utterance, given how long it is already."""
        limit = self.settings.max_utterance
        full = self.settings.endpoint_silence or limit
        last_quarter = limit // 4
        left = limit - (self._frames - self._start)
        if left >= last_quarter:
            return full
        shortest = min(SILENCE_BEFORE_FORCED_CUT, full)
        return shortest + (full - shortest) * left // last_quarter
