"""The two graphs of the network: built from the layers and the weights, compiled, exported and loaded again."""

from __future__ import annotations

import contextlib
import io
from pathlib import Path
from typing import Any, ContextManager

import numpy as np

from common.engines.geometry import Geometry
from common.engines.layers import Layers
from common.engines.memory import give_back_what_is_free, read_once
from common.engines.openvino.package import openvino
from common.engines.openvino.weights import Weights
from common.engines.streaming_step import Shape

CHARACTERS = 8  # rows of the decoder's graph; more characters at once take several runs


def block_count(shape: Shape) -> int:
    """Blocks of keys and values that the encoder looks back to."""
    return -(-shape.encoder_rows // (shape.left + shape.chunk))


def settings(threads: int) -> dict[str, Any]:
    return {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "INFERENCE_PRECISION_HINT": "f32",
        "DYNAMIC_QUANTIZATION_GROUP_SIZE": 512,  # of int8 weights' activations, as they come
        "CACHE_MODE": "OPTIMIZE_SIZE",  # a blob without the weights
        "SNIPPETS_MODE": "DISABLE",  # it joins small operations: no faster here, and 60 MB of descriptions
    }


class Request:
    """One compiled graph, its inputs by name. ``keep``: what must live as long as it does."""

    def __init__(self, compiled: Any, keep: Any = None) -> None:
        self._keep = keep
        self._names = {name for port in compiled.inputs for name in port.names}
        self._request = compiled.create_infer_request()
        self.infer({port.get_any_name(): np.zeros(tuple(port.shape), np.float32) for port in compiled.inputs})
        give_back_what_is_free()  # the inputs that it had before the first run, too

    def infer(self, inputs: dict[str, np.ndarray]) -> list[np.ndarray]:
        """Views of what the request holds, gone with its next run. Inputs that the graph does not have are ignored."""
        inputs = {name: value for name, value in inputs.items() if name in self._names}
        results = self._request.infer(inputs, share_inputs=True, share_outputs=True)
        return list(results.values())


def models(geometry: Geometry, shape: Shape, weights: Weights) -> tuple[Any, Any]:
    """The encoder and the decoder, not yet compiled. Their nodes read ``weights``."""
    import common.engines.openvino.ops as ops

    package, layers = openvino(), Layers(ops, weights.nodes(), geometry)
    rows, block_rows, depth = shape.overlap + shape.chunk, shape.left + shape.chunk, geometry.size // geometry.heads
    blocks = block_count(shape)

    def parameter(name: str, *sides: int) -> Any:
        node = package.opset13.parameter(list(sides), np.float32, name=name)
        node.output(0).get_tensor().set_names({name})
        return node

    inputs = [
        parameter("rows", rows, geometry.inputs),
        *(
            parameter(f"block{index}", geometry.encoder_layers, 2, geometry.heads, block_rows, depth)
            for index in range(blocks)
        ),
        parameter("mask", blocks * block_rows + rows),
        parameter("real", rows, 1),
    ]
    encoder = package.Model(list(layers.encoder(inputs[0], inputs[1:-2], *inputs[-2:])), inputs, "encoder")
    cached = (geometry.decoder_layers, 2, geometry.heads, shape.decoder_rows, depth)
    inputs = [
        parameter("fired", CHARACTERS, geometry.size),
        parameter("hidden", rows, geometry.size),
        parameter("memory", geometry.decoder_layers, geometry.kernel - 1, geometry.size),
        parameter("mask", shape.decoder_rows + rows),
        *([parameter("cached", *cached)] if shape.decoder_rows else []),
    ]
    fired, hidden, memory, mask = inputs[:4]
    seen = inputs[4] if shape.decoder_rows else None
    decoder = package.Model(list(layers.decoder(fired, hidden, memory, seen, mask)), inputs, "decoder")
    return encoder, decoder


def compiled(geometry: Geometry, shape: Shape, weights: Weights, threads: int) -> list[Any]:
    """The encoder and the decoder. OpenVINO makes a packed copy of every matrix, and reads the file no more."""
    graphs = models(geometry, shape, weights)
    core = openvino().Core()
    with _read_once(weights.path):
        return [core.compile_model(graph, "CPU", settings(threads)) for graph in graphs]


def export(graph: Any, path: Path) -> None:
    """Write what ``load`` reads, which is small: the weights stay where they are."""
    path.write_bytes(graph.export_model().getvalue())


def load(path: Path, weights: Path, threads: int) -> Request:
    """The exported graph and the weights, which stay a mapped file: weights inside the blob would be copied, 210 MB
    more of private memory. Raises whatever OpenVINO raises for a damaged one."""
    options = {**settings(threads), "WEIGHTS_PATH": str(weights)}
    with read_once(weights):  # and the blob as a stream: of a tensor all would be kept
        return Request(openvino().Core().import_model(io.BytesIO(path.read_bytes()), "CPU", options))


def _read_once(path: Path | None) -> ContextManager[None]:
    return contextlib.nullcontext() if path is None else read_once(path)
