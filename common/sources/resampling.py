"""Whatever a source gives → 16 kHz mono float32, at the source's edge."""

from __future__ import annotations

import logging

import numpy as np

from common.units import SAMPLE_RATE

log = logging.getLogger(__name__)

LOUDEST = 16.0  # 24 dB over full scale: beyond any recording, far below what makes a model's state infinite


class Converter:
    """Picks or mixes channels and resamples, keeping the resampler's state from block to block.

    ``channel`` counts from 1; 0 is the mean of all. NaN and infinities become 0, what lies beyond ±``LOUDEST`` becomes
    ±``LOUDEST``.
    """

    def __init__(self, rate: int, channel: int = 0) -> None:
        self._channel = channel
        self._told = False  # of sound beyond all bounds
        self._resampler = None
        if rate != SAMPLE_RATE:
            import soxr

            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def convert(self, frames: np.ndarray, last: bool = False) -> np.ndarray:
        """``frames``: float32 of shape (samples, channels), -1…1. ``last`` flushes the resampler."""
        frames = self._bounded(frames)
        if self._channel:
            mono = frames[:, self._channel - 1]
        else:
            mono = frames.mean(axis=1, dtype=np.float32) if frames.shape[1] > 1 else frames[:, 0]
        mono = np.ascontiguousarray(mono)
        if self._resampler is None:
            return mono
        resampled: np.ndarray = self._resampler.resample_chunk(mono, last=last)
        return resampled

    def _bounded(self, frames: np.ndarray) -> np.ndarray:
        """No NaN, no infinity, nothing beyond the bounds; always a copy: the source may use its buffer again."""
        finite = np.nan_to_num(np.asarray(frames, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        bounded: np.ndarray = np.clip(finite, -LOUDEST, LOUDEST)
        if not self._told and not np.array_equal(bounded, finite):
            what = "samples of %.3g were bounded to ±%g: sound in floats goes from -1 to 1"
            log.warning(what, np.abs(finite).max(), LOUDEST)
            self._told = True
        return bounded
