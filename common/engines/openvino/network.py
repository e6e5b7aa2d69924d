"""The network in OpenVINO, one compiled graph for each half.

A graph has fixed shapes: rows that are missing (a last piece, a young utterance) are padding that the attention's
mask and the FSMN memories leave out.
"""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from common.engines.geometry import Geometry
from common.engines.openvino.graphs import CHARACTERS, Request, block_count
from common.engines.streaming_step import Decoded, Encoded, Shape

NOT_SEEN = np.float32(-1e9)  # added to an attention score: exp of it is 0


class OpenvinoNetwork:
    """Blocks, memory and attended are numpy arrays."""

    def __init__(self, geometry: Geometry, shape: Shape, encoder: Request, decoder: Request) -> None:
        self.geometry = geometry
        self._rows = shape.left + shape.chunk + shape.right
        self._block_rows = shape.left + shape.chunk
        self._blocks = block_count(shape)
        self._encoder = encoder
        self._decoder = decoder
        depth = geometry.size // geometry.heads
        self._no_block = np.zeros((geometry.encoder_layers, 2, geometry.heads, self._block_rows, depth), np.float32)
        self._no_memory = np.zeros((geometry.decoder_layers, geometry.kernel - 1, geometry.size), np.float32)
        self._no_attended = np.zeros(
            (geometry.decoder_layers, 2, geometry.heads, shape.decoder_rows, depth), np.float32
        )

    def encode(self, rows: np.ndarray, blocks: Sequence[Any], look_back: int) -> Encoded:
        count = len(rows)
        missing = self._rows - count
        cached = self._blocks * self._block_rows
        mask = np.zeros(cached + self._rows, dtype=np.float32)
        mask[: cached - look_back] = NOT_SEEN
        mask[cached + count :] = NOT_SEEN
        real = np.ones((self._rows, 1), dtype=np.float32)
        real[count:] = 0.0
        inputs = {"rows": np.pad(rows, ((0, missing), (0, 0))), "mask": mask, "real": real}
        padded = [self._no_block] * (self._blocks - len(blocks)) + list(blocks)
        inputs.update({f"block{index}": block for index, block in enumerate(padded)})
        hidden, weights, own = self._encoder.infer(inputs)
        block = own[:, :, :, : self._block_rows]  # copied: a view would keep all rows
        return Encoded(hidden[:count].copy(), weights[:count].copy(), block.copy())

    def decode(self, fired: np.ndarray, hidden: np.ndarray, memory: Any, attended: Any, look_back: int) -> Decoded:
        count = len(hidden)
        memory = self._no_memory if memory is None else memory
        seen = self._no_attended if attended is None else attended
        mask = np.zeros(look_back + self._rows, dtype=np.float32)
        mask[: look_back - seen.shape[3] if attended is not None else look_back] = NOT_SEEN
        mask[look_back + count :] = NOT_SEEN
        if seen.shape[3] < look_back:
            seen = np.concatenate([self._no_attended[:, :, :, seen.shape[3] :], seen], axis=3)
        padded = np.pad(hidden, ((0, self._rows - count), (0, 0)))
        found: list[np.ndarray] = []
        own: np.ndarray | None = None
        for start in range(0, len(fired), CHARACTERS):
            some = fired[start : start + CHARACTERS]
            inputs = {"hidden": padded, "memory": memory, "mask": mask, "cached": seen}
            inputs["fired"] = np.pad(some, ((0, CHARACTERS - len(some)), (0, 0)))
            log_probs, through, own = self._decoder.infer(inputs)
            memory = np.concatenate([memory, through[:, : len(some)]], axis=1)[:, -(self.geometry.kernel - 1) :]
            found.append(log_probs[: len(some)].copy())
        if look_back and own is not None:
            own = own[:, :, :, :count]
            joined = own if attended is None else np.concatenate([attended, own], axis=3)
            attended = joined[:, :, :, -look_back:].copy()
        return Decoded(np.concatenate(found), memory, attended)
