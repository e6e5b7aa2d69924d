"""Recordings that people give to the tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.sources.resampling import Converter


def read(path: Path) -> np.ndarray:
    """16 kHz mono float32. Raises SystemExit with what is wrong with the file."""
    import soundfile

    try:
        samples, rate = soundfile.read(str(path), dtype="float32", always_2d=True)
    except (OSError, RuntimeError) as error:
        raise SystemExit(f"{path}: {error}") from error
    converter = Converter(rate)
    return np.concatenate([converter.convert(samples), converter.finish()])
