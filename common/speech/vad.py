"""Speech probability per frame, from Silero's model: on OpenVINO, or on torch where there is no OpenVINO."""

from __future__ import annotations

import importlib.util
import logging
from pathlib import Path

import numpy as np

from common.engines.memory import give_back_what_is_free
from common.engines.openvino.package import openvino
from common.errors import FatalError, describe
from common.packages import INSTALL
from common.units import VAD_FRAME_SAMPLES

log = logging.getLogger(__name__)

HYSTERESIS = 0.15  # once an utterance is open, frames down to threshold - 0.15 are still speech (Silero's own value)
LOWEST = 0.5  # of the threshold: with a low one, threshold - 0.15 would be so little that no frame is silence
CONTEXT = 64  # samples of the frame before that the model looks at again


def speech_from(threshold: float, is_open: bool) -> float:
    """The probability from which a frame is speech, given whether an utterance is open."""
    return max(threshold - HYSTERESIS, LOWEST * threshold) if is_open else threshold


class OpenvinoVad:
    """Silero VAD on one CPU thread. It remembers the stream, so every frame must pass through it in order."""

    def __init__(self) -> None:
        core = openvino().Core()
        model = core.read_model(str(_model_path("silero_vad_openvino_16k.onnx")))
        settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "INFERENCE_PRECISION_HINT": "f32"}
        self._request = core.compile_model(model, "CPU", settings).create_infer_request()
        self._remembered: tuple[np.ndarray, np.ndarray]
        self.reset()
        del model
        give_back_what_is_free()

    def probability(self, frame: np.ndarray) -> float:
        """Probability (0…1) that 512 float32 samples at 16 kHz are speech; 0.1 ms on one core."""
        context, state = self._remembered
        samples = np.concatenate([context, frame])[None, :]
        results = self._request.infer({"input": samples, "state": state}, share_inputs=True)
        self._remembered = samples[0, -CONTEXT:], results["stateN"]
        return float(results["output"][0, 0])

    def reset(self) -> None:
        """Forget the stream: what comes next has nothing to do with it."""
        self._remembered = (np.zeros(CONTEXT, np.float32), np.zeros((2, 1, 128), np.float32))


class TorchVad:
    """The same on torch: another file of the wheel, the same numbers."""

    def __init__(self) -> None:
        import torch

        self._torch = torch
        self._model = torch.jit.load(str(_model_path("silero_vad.jit")), map_location="cpu").eval()
        for _ in range(10):  # TorchScript optimises during its first calls: up to 100 ms for one frame
            self.probability(np.zeros(VAD_FRAME_SAMPLES, dtype=np.float32))
        self.reset()

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


def load_vad() -> OpenvinoVad | TorchVad:
    """Raises FatalError ``dependency_missing``."""
    try:
        return OpenvinoVad()
    except Exception as error:  # not installed, or a damaged package, which raises anything at all
        log.debug("VAD on torch: %s", error)
    try:
        return TorchVad()
    except FatalError:
        raise
    except Exception as error:
        raise FatalError("dependency_missing", describe(error, "pip install --force-reinstall silero-vad")) from error


def _model_path(name: str) -> Path:
    """The model inside the wheel. Importing the package would import torchaudio, which may not load."""
    spec = importlib.util.find_spec("silero_vad")
    if spec is None or not spec.submodule_search_locations:
        raise FatalError("dependency_missing", f"ModuleNotFoundError: silero-vad is not installed; {INSTALL}")
    return Path(next(iter(spec.submodule_search_locations))) / "data" / name
