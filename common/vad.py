"""Speech probability per frame, from Silero's model."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from common.events import FatalError, describe

FRAME_SAMPLES = 512  # 32 ms at 16 kHz: the only frame length that the model takes
HYSTERESIS = 0.15  # once an utterance is open, frames down to threshold - 0.15 are still speech (Silero's own value)


class SileroVad:
    """Silero VAD on one CPU thread. It remembers the stream, so every frame must pass through it in order."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        path = _model_path()
        try:
            self._model = torch.jit.load(str(path), map_location="cpu").eval()
        except Exception as error:
            raise FatalError(
                "dependency_missing", describe(error, "pip install --force-reinstall silero-vad")
            ) from error
        for _ in range(10):  # TorchScript optimises during its first calls: up to 100 ms for one frame
            self.probability(np.zeros(FRAME_SAMPLES, dtype=np.float32))
        self._model.reset_states()

    def probability(self, frame: np.ndarray) -> float:
        """Probability (0…1) that 512 float32 samples at 16 kHz are speech; 0.2 ms on one core."""
        threads = self._torch.get_num_threads()
        self._torch.set_num_threads(1)  # for so little work a second thread costs ten times what it saves
        try:
            with self._torch.inference_mode():
                return float(self._model(self._torch.from_numpy(frame), 16000).item())
        finally:
            self._torch.set_num_threads(threads)

    def reset(self) -> None:
        """Forget the stream: what comes next has nothing to do with it."""
        self._model.reset_states()


def _model_path() -> Path:
    """The model inside the wheel. Importing the package would import torchaudio, which may not load."""
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or not spec.submodule_search_locations:
        message = "ModuleNotFoundError: silero-vad is not installed; pip install -r requirements.txt"
        raise FatalError("dependency_missing", message)
    return Path(next(iter(spec.submodule_search_locations))) / "data" / "silero_vad.jit"
