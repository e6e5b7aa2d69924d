"""Audio where there is none: noise just above digital silence."""

from __future__ import annotations

import numpy as np

_LSB = 1.0 / 32768
_TABLE = np.random.default_rng(7).uniform(-4 * _LSB, 4 * _LSB, size=16381).astype(np.float32)  # a prime number


def quiet_noise(first_sample: int, count: int) -> np.ndarray:
    """``count`` samples of noise of a few least significant bits (float32), a pure function of the position
    in the stream, so that cutting the stream elsewhere gives the same samples."""
    return _TABLE[(first_sample + np.arange(count)) % len(_TABLE)]


def without_digital_silence(samples: np.ndarray, first_sample: int) -> np.ndarray:
    """``samples`` with exact zeros replaced by ``quiet_noise``.

    The logarithm of a frame of exact zeros lies far outside anything the model was trained on, and
    FunASR's own remedy (dither) makes two runs over the same audio differ.
    """
    is_zero = samples == 0
    if not is_zero.any():
        return samples
    return np.where(is_zero, quiet_noise(first_sample, len(samples)), samples)
