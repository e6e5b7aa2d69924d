"""The network in torch, single precision, on any device."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

import numpy as np
import torch

from common.engines.features import Frontend
from common.engines.geometry import Geometry
from common.engines.layers import decoder, encoder
from common.engines.model_folder import ModelFiles
from common.engines.paraformer_session import ParaformerEngine
from common.engines.streaming_step import Decoded, Encoded, Shape
from common.settings.flags import ModelConfig


def tensors_of(weights: Mapping[str, np.ndarray]) -> dict[str, torch.Tensor]:
    return {name: torch.from_numpy(array) for name, array in weights.items()}


class TorchNetwork:
    """Layers on ``device``; blocks, memory and attended are tensors there."""

    def __init__(self, geometry: Geometry, weights: Mapping[str, np.ndarray], device: str) -> None:
        self.geometry = geometry
        self._device = device
        self._weights = {name: tensor.to(device) for name, tensor in tensors_of(weights).items()}

    @torch.inference_mode()
    def encode(self, rows: np.ndarray, blocks: Sequence[Any], look_back: int) -> Encoded:
        geometry = self.geometry
        seen = [torch.cat(list(blocks), dim=3)[:, :, :, -look_back:]] if look_back else []
        hidden, weights, own = encoder(self._weights, geometry.encoder_layers, geometry.heads, self._tensor(rows), seen)
        return Encoded(hidden.cpu().numpy(), weights.cpu().numpy(), own)

    @torch.inference_mode()
    def decode(self, fired: np.ndarray, hidden: np.ndarray, memory: Any, attended: Any, look_back: int) -> Decoded:
        geometry = self.geometry
        if memory is None:
            memory = self._tensor(np.zeros((geometry.decoder_layers, geometry.kernel - 1, geometry.size), np.float32))
        log_probs, through, own = decoder(
            self._weights,
            geometry.decoder_layers,
            geometry.heads,
            self._tensor(fired),
            self._tensor(hidden),
            memory,
            attended,
        )
        memory = torch.cat([memory, through], dim=1)[:, -(geometry.kernel - 1) :]
        if look_back:
            own = own if attended is None else torch.cat([attended, own], dim=3)
            attended = own[:, :, :, -look_back:]
        return Decoded(log_probs.cpu().numpy(), memory, attended)

    def _tensor(self, array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self._device)


def load_torch(
    config: ModelConfig, files: ModelFiles, geometry: Geometry, weights: Mapping[str, np.ndarray], device: str
) -> ParaformerEngine:
    """The network on ``device``, warmed up by one real inference."""
    torch.set_num_threads(config.threads)
    network = TorchNetwork(geometry, weights, device)
    frontend = Frontend.read(files.config["frontend_conf"], files.path("am.mvn"))
    engine = ParaformerEngine(network, frontend, Shape.of(config), files.tokens)
    engine.warm_up()
    return engine
