"""The configurations of the two services: what only one of them can be told; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Union

from common.settings.checks import chunk_triple, number_in, setting, slice_seconds
from common.settings.flags import CommonConfig
from common.units import LFR_FRAME_SAMPLES, SAMPLE_RATE


@dataclass(frozen=True)
class SliceConfig(CommonConfig):
    """Slice streaming: every ``chunk_sec`` of speech is decoded once and never taken back."""

    chunk_sec: float = setting(
        0.6,
        "seconds of speech per inference, 0.24 to 1.2, in whole 60 ms frames",
        slice_seconds,
        "recognition",
        metavar="S",
    )

    @property
    def chunk_frames(self) -> int:
        """``chunk_sec`` in whole frames of 60 ms."""
        return math.floor(self.chunk_sec * SAMPLE_RATE / LFR_FRAME_SAMPLES + 0.5)

    @property
    def chunk_size(self) -> tuple[int, int, int]:
        """``[0, c, min(5, ceil(c/2))]``: more than 5 frames of look-ahead breaks the model's text."""
        chunk = self.chunk_frames
        return 0, chunk, min(5, math.ceil(chunk / 2))


@dataclass(frozen=True)
class StreamingConfig(CommonConfig):
    """True streaming: the cache lives through the utterance and the tail is corrected."""

    chunk_size: tuple[int, int, int] = setting(
        (5, 10, 5),
        "FunASR's left context, chunk and look-ahead in frames of 60 ms",
        chunk_triple,
        "recognition",
        metavar="L,C,R",
    )
    partial_interval_ms: int = setting(
        200,
        "audio between two looks at the tail that is not committed yet",
        number_in(60, 5000, "ms"),
        "recognition",
        metavar="MS",
    )


ModelConfig = Union[SliceConfig, StreamingConfig]
