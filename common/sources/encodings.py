"""Raw PCM of each ``--encoding`` → float32 samples."""

from __future__ import annotations

from typing import Callable

import numpy as np

FULL_SCALE = 32768.0  # of 16 bits; the G.711 codes stand for 14 and 13 bits of them


def _mu_law() -> np.ndarray:
    """What each µ-law byte stands for, on the scale of 16 bits (ITU-T G.711, tables 2a and 2b)."""
    code = ~np.arange(256, dtype=np.int32) & 0xFF
    magnitude = (((code & 0x0F) << 3) + 0x84 << (code >> 4 & 7)) - 0x84
    return np.where(code & 0x80, -magnitude, magnitude)


def _a_law() -> np.ndarray:
    """What each A-law byte stands for, on the scale of 16 bits (ITU-T G.711, tables 1a and 1b)."""
    code = np.arange(256, dtype=np.int32) ^ 0x55
    segment, step = code >> 4 & 7, (code & 0x0F) << 4
    magnitude = np.where(segment == 0, step + 8, step + 0x108 << np.maximum(segment - 1, 0))
    return np.where(code & 0x80, magnitude, -magnitude)


TABLES = {"mulaw": (_mu_law() / FULL_SCALE).astype(np.float32), "alaw": (_a_law() / FULL_SCALE).astype(np.float32)}
SAMPLE_BYTES = {"s16le": 2, "f32le": 4, "mulaw": 1, "alaw": 1}
_DECODERS: dict[str, Callable[[bytes], np.ndarray]] = {
    "s16le": lambda data: np.frombuffer(data, dtype="<i2").astype(np.float32) / np.float32(FULL_SCALE),
    "f32le": lambda data: np.frombuffer(data, dtype="<f4").astype(np.float32),
    "mulaw": lambda data: TABLES["mulaw"][np.frombuffer(data, dtype=np.uint8)],
    "alaw": lambda data: TABLES["alaw"][np.frombuffer(data, dtype=np.uint8)],
}


def decoded(data: bytes, encoding: str) -> np.ndarray:
    """The samples (float32, -1…1) in ``data``, a whole number of them, channels in turn. Those of ``f32le`` are as they
    were sent: not bounded yet, and perhaps no numbers."""
    return _DECODERS[encoding](data)
