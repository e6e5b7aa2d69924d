"""Whatever a source gives → 16 kHz mono float32, at the source's edge."""

from __future__ import annotations

import numpy as np

from common.units import SAMPLE_RATE


class Converter:
    """Picks or mixes channels and resamples, keeping the resampler's state from block to block.

    ``channel`` counts from 1; 0 is the mean of all. NaN and infinities become 0.
    """

    def __init__(self, rate: int, channel: int = 0) -> None:
        self._channel = channel
        self._resampler = None
        if rate != SAMPLE_RATE:
            import soxr

            self._resampler = soxr.ResampleStream(rate, SAMPLE_RATE, 1, dtype="float32")

    def convert(self, frames: np.ndarray, last: bool = False) -> np.ndarray:
        """``frames``: float32 of shape (samples, channels), -1…1. ``last`` flushes the resampler."""
        if self._channel:
            mono = frames[:, self._channel - 1]
        else:
            mono = frames.mean(axis=1, dtype=np.float32) if frames.shape[1] > 1 else frames[:, 0]
        mono = np.nan_to_num(np.ascontiguousarray(mono, dtype=np.float32), nan=0.0, posinf=0.0, neginf=0.0)
        if self._resampler is None:
            return mono
        resampled: np.ndarray = self._resampler.resample_chunk(mono, last=last)
        return resampled
