"""Samples as they stand in files and pipes → float32."""

from __future__ import annotations

import numpy as np

A_LAW, MU_LAW = "alaw", "mulaw"
BYTES = {A_LAW: 1, MU_LAW: 1}
ENCODINGS = {"s16le": "<i2", "f32le": "<f4", "mulaw": MU_LAW, "alaw": A_LAW}  # by what --encoding calls them


def bytes_of(encoding: str) -> int:
    """Bytes of a sample; ``encoding`` is a dtype such as ``<i2``, ``>i3`` or ``u1``, or ``alaw``, ``mulaw``."""
    return BYTES.get(encoding) or int(encoding[-1])


def to_float(data: bytes, encoding: str) -> np.ndarray:
    """Whole samples as float32, -1…1. Floats stay as they are, whatever their size."""
    if encoding in BYTES:
        samples: np.ndarray = _TABLES[encoding][np.frombuffer(data, dtype=np.uint8)]
        return samples
    kind, size = encoding[-2], int(encoding[-1])
    samples = _int24(data, encoding[0]) if size == 3 else np.frombuffer(data, dtype=encoding)
    if kind == "f":
        with np.errstate(over="ignore"):  # of 64 bits: beyond float32 is infinite
            return samples.astype(np.float32)
    samples = (samples.astype(np.float64) - (128 if kind == "u" else 0)) / (1 << (8 * size - 1))
    return samples.astype(np.float32)


def _int24(data: bytes, order: str) -> np.ndarray:
    octets = np.frombuffer(data, dtype=np.uint8).reshape(-1, 3)[:, :: 1 if order == "<" else -1]
    padded = np.zeros((len(octets), 4), dtype=np.uint8)
    padded[:, 1:] = octets
    samples: np.ndarray = padded.view("<i4")[:, 0] >> 8
    return samples


def _mu_law() -> np.ndarray:
    """ITU-T G.711: 16-bit values of the 256 codes."""
    code = ~np.arange(256, dtype=np.uint8)
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    size = ((mantissa << 3) + 132 << exponent) - 132
    return np.where(code & 128, -size, size) / np.float32(32768)


def _a_law() -> np.ndarray:
    """ITU-T G.711: 16-bit values of the 256 codes."""
    code = np.arange(256, dtype=np.uint8) ^ 0x55
    exponent, mantissa = (code >> 4 & 7).astype(np.int32), (code & 15).astype(np.int32)
    size = np.where(exponent > 0, (mantissa << 4) + 264 << np.maximum(exponent - 1, 0), (mantissa << 4) + 8)
    return np.where(code & 128, size, -size) / np.float32(32768)


_TABLES = {MU_LAW: _mu_law().astype(np.float32), A_LAW: _a_law().astype(np.float32)}
