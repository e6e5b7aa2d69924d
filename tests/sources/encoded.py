"""Sound files, made on the spot."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import soundfile

from common.sources.decoding.mp3_frames import frame_at, info_in


def encoded(samples: np.ndarray, form: str, subtype: str | None = None, rate: int = 16000, **options: Any) -> bytes:
    """``samples`` as a file, as libsndfile writes it."""
    file = io.BytesIO()
    channels = 1 if samples.ndim == 1 else samples.shape[1]
    with soundfile.SoundFile(file, "w", rate, channels, subtype, format=form, **options) as writer:
        writer.write(samples)
    return file.getvalue()


def without_info(mp3: bytes) -> bytes:
    """Without the first frame, which says how many follow: as ffmpeg writes an mp3 into a pipe."""
    first = frame_at(mp3[:4])
    assert first is not None and info_in(mp3[: first.length]) is not None
    return mp3[first.length :]
