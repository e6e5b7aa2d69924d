"""What was heard, as a WAV file that can be played at any moment."""

from __future__ import annotations

import logging
import wave
from pathlib import Path

import numpy as np

from common.errors import FatalError, describe
from common.units import SAMPLE_RATE

log = logging.getLogger(__name__)


class Recorder:
    """Appends 16 kHz mono 16-bit PCM; the header is right behind every second. Raises FatalError if it cannot open.

    A disk that fills up ends the recording with a warning; the service goes on.
    """

    def __init__(self, path: str) -> None:
        try:
            self._raw = Path(path).open("wb")  # noqa: SIM115 - both stay open until the service ends
        except OSError as error:
            raise FatalError("config_invalid", describe(error, "--record cannot write there")) from error
        self._file: wave.Wave_write | None = wave.open(self._raw)  # noqa: SIM115
        self._file.setparams((1, 2, SAMPLE_RATE, 0, "NONE", "not compressed"))
        self._pending: list[np.ndarray] = []
        self._count = 0

    def write(self, samples: np.ndarray) -> None:
        """Append float32 samples (-1…1)."""
        self._pending.append(samples)
        self._count += len(samples)
        if self._count >= SAMPLE_RATE:
            self.flush()

    def flush(self) -> None:
        """Bring everything, and the header, onto the disk."""
        if self._file is None or not self._pending:
            return
        pcm = (np.clip(np.concatenate(self._pending), -1, 32767 / 32768) * 32768).astype("<i2")
        self._pending, self._count = [], 0
        try:
            self._file.writeframes(pcm.tobytes())  # also mends the header
            self._raw.flush()
        except (OSError, wave.Error) as error:
            log.warning("the recording ends here: %s", describe(error))
            self._file = None

    def close(self) -> None:
        """The file is whole; nothing more is written."""
        self.flush()
        if self._file is not None:
            self._file.close()
            self._file = None
        self._raw.close()
