"""A stretch of sound, as those who read it hand it on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Iterator

import numpy as np

LARGEST_TAIL = 1 << 16  # bytes behind sound that may be something else: tags, padding


class Incomplete(ValueError):
    """What there was has been given, and it is not all that there should have been; says how much is missing."""


class Unreadable(ValueError):
    """It is no sound, or of a kind that cannot be read from here."""


class Unfinished(Unreadable):
    """Its header says that there is no sound in it, and there is some."""


@dataclass(frozen=True)
class Sound:
    """Sound of one format. ``blocks``: float32 frames of shape (any number, channels), -1…1, as they come. The
    iterator raises Incomplete at its end if something is missing, OSError and what libsndfile raises."""

    rate: int
    channels: int
    blocks: Iterator[np.ndarray]
    duration_sec: float = 0.0  # 0: not known before its end


def lacks(missing: float, whole: float, why: str) -> Incomplete:
    """``missing`` of ``whole`` seconds."""
    return Incomplete(f"{missing:.2f} of {whole:.2f} s are missing: {why}")
