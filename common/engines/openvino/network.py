"""The network in OpenVINO: int8 weights, activations quantised as they come, one compiled graph for each half.

A graph has fixed shapes: rows that are missing (a last piece, a young utterance) are padding that the attention's
mask and the FSMN memories leave out. Building needs torch; running a built one imports none.
"""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from common.engines.features import Frontend
from common.engines.geometry import Geometry
from common.engines.memory import give_back_what_is_free, read_once
from common.engines.model_folder import ModelFiles
from common.engines.paraformer_session import ParaformerEngine
from common.engines.streaming_step import Decoded, Encoded, Shape

NOT_SEEN = np.float32(-1e9)  # added to an attention score: exp of it is 0
CHARACTERS = 8  # rows of the decoder's graph; more characters at once take several runs
ENCODER, DECODER = "encoder.blob", "decoder.blob"


class OpenvinoNetwork:
    """Blocks, memory and attended are numpy arrays."""

    def __init__(self, geometry: Geometry, shape: Shape, folder: Path, threads: int) -> None:
        """Loads the graphs that ``build`` wrote to ``folder``. Raises whatever OpenVINO raises for a damaged one."""
        self.geometry = geometry
        self._rows = shape.left + shape.chunk + shape.right
        self._block_rows = shape.left + shape.chunk
        self._blocks = block_count(shape)
        self._encoder = load(folder / ENCODER, threads)
        self._decoder = load(folder / DECODER, threads)
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
        hidden, weights, own = self._run(self._encoder, inputs)
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
            log_probs, through, own = self._run(self._decoder, inputs)
            memory = np.concatenate([memory, through[:, : len(some)]], axis=1)[:, -(self.geometry.kernel - 1) :]
            found.append(log_probs[: len(some)].copy())
        if look_back and own is not None:
            own = own[:, :, :, :count]
            joined = own if attended is None else np.concatenate([attended, own], axis=3)
            attended = joined[:, :, :, -look_back:].copy()
        return Decoded(np.concatenate(found), memory, attended)

    @staticmethod
    def _run(request: Any, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Views of what the request holds: gone with its next run."""
        results: list[np.ndarray] = request.infer(
            {name: value for name, value in inputs.items() if name in request.names}
        )
        return results


class Request:
    """One compiled graph and the names of its inputs."""

    def __init__(self, compiled: Any) -> None:
        self.names = {name for port in compiled.inputs for name in port.names}
        self._request = compiled.create_infer_request()

    def infer(self, inputs: dict[str, np.ndarray]) -> list[Any]:
        results = self._request.infer(inputs, share_inputs=True, share_outputs=True)
        return list(results.values())


def block_count(shape: Shape) -> int:
    return -(-shape.encoder_rows // (shape.left + shape.chunk))


def settings(threads: int) -> dict[str, Any]:
    return {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 512,
        "CACHE_MODE": "OPTIMIZE_SIZE",  # a blob without the weights
        "SNIPPETS_MODE": "DISABLE",  # it joins small operations: no faster here, and 60 MB of descriptions
    }


def load(path: Path, threads: int) -> Request:
    """The blob and the weights beside it, which stay a mapped file: weights inside the blob would be copied, 210 MB
    more of private memory. OpenVINO makes a packed copy of every matrix and reads the file no more."""
    import openvino

    weights = path.with_suffix(".bin")
    options = {**settings(threads), "WEIGHTS_PATH": str(weights)}
    with read_once(weights):  # and the blob as a stream: of a tensor all would be kept
        compiled = openvino.Core().import_model(io.BytesIO(path.read_bytes()), "CPU", options)
    request = Request(compiled)
    request.infer({port.get_any_name(): np.zeros(tuple(port.shape), np.float32) for port in compiled.inputs})
    give_back_what_is_free()  # the inputs that it had before the first run, too
    return request


def engine_from(folder: Path, files: ModelFiles, geometry: Geometry, shape: Shape, threads: int) -> ParaformerEngine:
    frontend = Frontend.read(files.config["frontend_conf"], files.path("am.mvn"))
    return ParaformerEngine(OpenvinoNetwork(geometry, shape, folder, threads), frontend, shape, files.tokens)
