"""What the network hears: log-mel frames, stacked and normalised, each computed once as the audio comes in.

The same numbers as FunASR's ``WavFrontendOnline`` without dither, by kaldi-native-fbank.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from common.engines.folder_numbers import mean_and_variance
from common.packages import import_or_explain

FRAME, SHIFT = 400, 160  # samples: 25 ms every 10 ms
FULL_SCALE = 32768.0  # Kaldi reads 16-bit values
STACKED, STRIDE = 7, 6  # mel frames in a row, mel frames from row to row (LFR)


@dataclass(frozen=True)
class Frontend:
    """How samples become rows of ``mels`` × 7 numbers: ``(stacked + shift) * scale``, both of that length."""

    mels: int
    window: str
    shift: np.ndarray
    scale: np.ndarray

    @classmethod
    def read(cls, conf: dict[str, Any], path: Path) -> Frontend:
        """From config.yaml's ``frontend_conf`` and the am.mvn at ``path``, both checked by model_folder."""
        blocks = mean_and_variance(path.read_text(encoding="utf-8"))
        shift, scale = (np.array(block, dtype=np.float32) for block in blocks)
        return cls(int(conf.get("n_mels", 80)), str(conf.get("window", "hamming")), shift, scale)

    def online_fbank(self) -> Any:
        """A kaldi-native-fbank computer with the settings of FunASR's frontend. Raises FatalError
        ``dependency_missing``."""
        knf = import_or_explain("kaldi_native_fbank")
        options = knf.FbankOptions()
        options.frame_opts.samp_freq = 16000.0
        options.frame_opts.frame_length_ms = 25.0
        options.frame_opts.frame_shift_ms = 10.0
        options.frame_opts.dither = 0.0
        options.frame_opts.snip_edges = True
        options.frame_opts.window_type = self.window
        options.mel_opts.num_bins = self.mels
        options.energy_floor = 0.0
        return knf.OnlineFbank(options)


class Features:
    """The features of one utterance. Rows that were taken are forgotten."""

    def __init__(self, frontend: Frontend) -> None:
        self._frontend = frontend
        self._fbank = frontend.online_fbank()
        self._samples = np.zeros(0, dtype=np.float32)  # from where the next frame begins
        self._frames = np.zeros((0, frontend.mels), dtype=np.float32)  # from the first one that a row still needs
        self._computed = 0  # frames since the utterance began

    def accept(self, samples: np.ndarray) -> None:
        """Hear samples (float32, -1…1, 16 kHz)."""
        self._fbank.accept_waveform(16000, samples * FULL_SCALE)
        self._samples = np.concatenate([self._samples, samples])
        ready = self._fbank.num_frames_ready
        if ready == self._computed:
            return
        new = [self._fbank.get_frame(index).copy() for index in range(self._computed, ready)]  # pop frees them
        self._fbank.pop(ready - self._computed)
        if self._computed == 0:
            new = [new[0]] * (STACKED // 2) + new
        self._samples = self._samples[(ready - self._computed) * SHIFT :]
        self._frames = np.concatenate([self._frames, np.stack(new)])
        self._computed = ready

    def take(self, rows: int) -> np.ndarray:
        """The next rows (rows, mels * 7), which must have been heard completely."""
        taken = self._stack(self._frames, rows)
        self._frames = self._frames[rows * STRIDE :]
        return taken

    def rest(self, noise: np.ndarray) -> np.ndarray:
        """All rows to come if the utterance ended here and ``noise`` followed; takes nothing."""
        frames = np.concatenate([self._frames, self._frames_of_the_end(noise)])
        heard = len(frames) - STACKED // 2
        rows = max(0, -(-heard // STRIDE))
        missing = max(0, (rows - 1) * STRIDE + STACKED - len(frames))
        return self._stack(np.concatenate([frames, np.repeat(frames[-1:], missing, axis=0)]), rows)

    def _frames_of_the_end(self, noise: np.ndarray) -> np.ndarray:
        """The frames that begin in samples already heard or in the noise after them."""
        samples = np.concatenate([self._samples, noise])
        count = max(0, (len(samples) - FRAME) // SHIFT + 1)
        if count == 0 or not len(noise):
            return np.zeros((0, self._frontend.mels), dtype=np.float32)
        fbank = self._frontend.online_fbank()
        fbank.accept_waveform(16000, samples * FULL_SCALE)
        frames = [fbank.get_frame(index) for index in range(count)]
        return np.stack([frames[0]] * (STACKED // 2) + frames if self._computed == 0 else frames)

    def _stack(self, frames: np.ndarray, rows: int) -> np.ndarray:
        index = np.arange(rows)[:, None] * STRIDE + np.arange(STACKED)[None, :]
        stacked = frames[index].reshape(rows, STACKED * self._frontend.mels)
        return np.asarray((stacked + self._frontend.shift) * self._frontend.scale, dtype=np.float32)
