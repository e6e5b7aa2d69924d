"""The network in torch, single precision, on any device."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import numpy as np
import torch

import common.engines.torch_ops as torch_ops
from common.engines.checkpoint import checked_state
from common.engines.features import Frontend
from common.engines.geometry import Geometry, tensor_shapes
from common.engines.layers import Layers
from common.engines.model_folder import ModelFiles, failed
from common.engines.paraformer_session import ParaformerEngine
from common.engines.streaming_step import Decoded, Encoded, Shape
from common.settings.services import ModelConfig


class TorchNetwork:
    """Layers on ``device``; blocks, memory and attended are tensors there."""

    def __init__(self, geometry: Geometry, weights: Mapping[str, np.ndarray], device: str) -> None:
        self.geometry = geometry
        self._device = device
        tensors = {name: torch.from_numpy(array).to(device) for name, array in weights.items()}
        self._layers = Layers(torch_ops, tensors, geometry)

    @torch.inference_mode()
    def encode(self, rows: np.ndarray, blocks: Sequence[Any], look_back: int) -> Encoded:
        seen = [torch.cat(list(blocks), dim=3)[:, :, :, -look_back:]] if look_back else []
        hidden, weights, own = self._layers.encoder(self._tensor(rows), seen)
        return Encoded(hidden.cpu().numpy(), weights.cpu().numpy(), own)

    @torch.inference_mode()
    def decode(self, fired: np.ndarray, hidden: np.ndarray, memory: Any, attended: Any, look_back: int) -> Decoded:
        geometry = self.geometry
        if memory is None:
            memory = self._tensor(np.zeros((geometry.decoder_layers, geometry.kernel - 1, geometry.size), np.float32))
        log_probs, through, own = self._layers.decoder(self._tensor(fired), self._tensor(hidden), memory, attended)
        memory = torch.cat([memory, through], dim=1)[:, -(geometry.kernel - 1) :]
        if look_back:
            own = own if attended is None else torch.cat([attended, own], dim=3)
            attended = own[:, :, :, -look_back:]
        return Decoded(log_probs.cpu().numpy(), memory, attended)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def load_torch(config: ModelConfig, files: ModelFiles, geometry: Geometry, device: str) -> ParaformerEngine:
    """The network on ``device``, warmed up by one real inference. Raises FatalError ``model_load_failed``."""
    torch.set_num_threads(config.threads)
    weights = checked_state(files.path("model.pt"), tensor_shapes(geometry))
    network = TorchNetwork(geometry, weights, device)
    frontend = Frontend.read(files.config["frontend_conf"], files.path("am.mvn"))
    engine = ParaformerEngine(network, frontend, Shape.of(config), files.tokens)
    if not np.isfinite(engine.warm_up()).all():
        raise failed(ValueError(f"{files.folder} computes numbers that are not finite"))
    return engine
