"""Whatever a source gives → 16 kHz mono float32, at the source's edge."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np

from common.sources.channels import Mixer
from common.units import SAMPLE_RATE

log = logging.getLogger(__name__)

LOUDEST = 16.0  # 24 dB over full scale: beyond any recording, far below what makes a model's state infinite


class Converter:
    """Picks or mixes channels and resamples, keeping its state from block to block.

    ``channel`` counts from 1; 0 is all of them (channels.py). NaN and infinities become 0, what lies beyond
    ±``LOUDEST`` becomes ±``LOUDEST``.
    """

    def __init__(self, rate: int, channel: int = 0) -> None:
        self._channel = channel
        self._mixer = Mixer()
        self._told = False  # of sound beyond all bounds
        self.begin(rate)

    def begin(self, rate: int) -> None:
        """Forget what it holds; ``rate`` Hz from here on."""
        self._rate = rate
        self._taken = self._given = 0  # samples into the resampler and out of it
        self._mixer.begin(rate)
        self._resampler = self._new_resampler()

    def convert(self, frames: np.ndarray) -> np.ndarray:
        """``frames``: float32 of shape (samples, channels), -1…1. Some 60 ms, at 8 kHz 120, are held back."""
        if self._channel:
            frames = frames[:, self._channel - 1 : self._channel]
        frames = self._bounded(frames)
        return self._resampled(self._mixer.mix(frames) if frames.shape[1] > 1 else frames[:, 0])

    def finish(self) -> np.ndarray:
        """What it holds, as if silence followed; what is converted next begins anew.

        However often the sound is cut so, as many samples come out as went in, times the ratio of the rates: a
        fraction of a sample that one piece lacks the next one gets.
        """
        samples = self._resampled(self._mixer.finish(), last=True)
        if self._resampler is None:
            return samples
        self._resampler = self._new_resampler()
        lacking = round(self._taken * SAMPLE_RATE / self._rate) - self._given
        exact = np.concatenate([samples, samples[-1:].repeat(max(0, lacking))])[: len(samples) + lacking]
        self._given += len(exact) - len(samples)
        return exact

    def _new_resampler(self) -> Any:
        if self._rate == SAMPLE_RATE:
            return None
        import soxr

        return soxr.ResampleStream(self._rate, SAMPLE_RATE, 1, dtype="float32")

    def _resampled(self, mono: np.ndarray, last: bool = False) -> np.ndarray:
        if self._resampler is None:
            return mono
        samples: np.ndarray = self._resampler.resample_chunk(mono, last=last)
        self._taken += len(mono)
        self._given += len(samples)
        return samples

    def _bounded(self, frames: np.ndarray) -> np.ndarray:
        """No NaN, no infinity, nothing beyond the bounds; always a copy: the source may use its buffer again."""
        finite = np.nan_to_num(np.ascontiguousarray(frames, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        bounded: np.ndarray = np.clip(finite, -LOUDEST, LOUDEST)
        if not self._told and not np.array_equal(bounded, finite):
            what = "samples of %.3g were bounded to ±%g: sound in floats goes from -1 to 1"
            log.warning(what, np.abs(finite).max(), LOUDEST)
            self._told = True
        return bounded
