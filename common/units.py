"""The numbers that time is counted in, each once: samples at 16 kHz, milliseconds, frames."""

from __future__ import annotations

SAMPLE_RATE = 16000  # Hz, of all audio once it has left its source
SAMPLES_PER_MS = SAMPLE_RATE // 1000
VAD_FRAME_SAMPLES = 512  # 32 ms: the only frame length that Silero's model takes at 16 kHz
LFR_FRAME_SAMPLES = 960  # 60 ms: one row of what Paraformer hears (six mel frames of 10 ms)


def to_ms(samples: int) -> int:
    """Whole milliseconds in so many samples, rounded down."""
    return samples // SAMPLES_PER_MS


def to_samples(milliseconds: int) -> int:
    """Samples in so many whole milliseconds."""
    return milliseconds * SAMPLES_PER_MS
