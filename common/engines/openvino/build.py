"""Makes the graphs of openvino_engine from a checkpoint. Needs torch; done once a model, version and setting."""

from __future__ import annotations

import difflib
import logging
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from common.engines.checkpoint import checked_state
from common.engines.geometry import Geometry, tensor_shapes
from common.engines.layers import Weights, decoder, encoder
from common.engines.model_folder import ModelFiles
from common.engines.openvino.int8_weights import compress
from common.engines.openvino.network import CHARACTERS, DECODER, ENCODER, block_count, engine_from, settings
from common.engines.quiet import without_digital_silence
from common.engines.seam import Engine
from common.engines.streaming_step import Shape
from common.engines.torch_engine import load_torch, tensors_of
from common.settings.flags import DEMO_SPEECH, ModelConfig

log = logging.getLogger(__name__)

LONGEST = 10 * 16000  # samples decoded as one utterance


class EncoderGraph(torch.nn.Module):
    """rows, mask, real and the blocks, oldest first -> hidden, CIF weights, own keys and values."""

    def __init__(self, geometry: Geometry, weights: Weights) -> None:
        super().__init__()
        self._geometry, self._weights = geometry, weights

    def forward(self, rows: Tensor, mask: Tensor, real: Tensor, *blocks: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        geometry = self._geometry
        return encoder(self._weights, geometry.encoder_layers, geometry.heads, rows, blocks, mask, real)


class DecoderGraph(torch.nn.Module):
    """fired, hidden, memory, mask and what was attended -> as layers.decoder returns."""

    def __init__(self, geometry: Geometry, weights: Weights) -> None:
        super().__init__()
        self._geometry, self._weights = geometry, weights

    def forward(
        self, fired: Tensor, hidden: Tensor, memory: Tensor, mask: Tensor, *cached: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        geometry = self._geometry
        seen = cached[0] if cached else None
        return decoder(self._weights, geometry.decoder_layers, geometry.heads, fired, hidden, memory, seen, mask)


def build(files: ModelFiles, geometry: Geometry, config: ModelConfig, folder: Path) -> dict[str, Any]:
    """Write both compiled graphs to ``folder``; returns what its entry says of them.

    Raises FatalError ``model_load_failed`` for the checkpoint.
    """
    shape, weights = Shape.of(config), checked_state(files.path("model.pt"), tensor_shapes(geometry))
    write_graphs(geometry, shape, tensors_of(weights), folder, config.threads)
    engine = engine_from(folder, files, geometry, shape, config.threads)
    reference = load_torch(config, files, geometry, weights, "cpu")
    same, total = agreement(engine, reference)
    log.info("int8 gives %d of the %d tokens of single precision on the bundled speech", same, total)
    return {"agreement": same / total if total else 1.0, "warm_up": engine.warm_up().tolist()}


def agreement(engine: Engine, reference: Engine) -> tuple[int, int]:
    """Tokens of ``reference`` on the bundled speech that ``engine`` gives too, and how many there are."""
    import soundfile

    same = total = 0
    for path in sorted([*DEMO_SPEECH.parent.glob("*.wav"), DEMO_SPEECH]):
        for samples in soundfile.blocks(str(path), blocksize=LONGEST, dtype="float32"):
            wanted, found = (decoded(each, samples) for each in (reference, engine))
            matcher = difflib.SequenceMatcher(None, wanted, found, autojunk=False)
            same += sum(block.size for block in matcher.get_matching_blocks())
            total += len(wanted)
    return same, total


def decoded(engine: Engine, samples: np.ndarray) -> list[int]:
    session = engine.session()
    session.accept(without_digital_silence(samples, 0))
    return list(session.finish().tokens)


def write_graphs(geometry: Geometry, shape: Shape, weights: Weights, folder: Path, threads: int) -> None:
    rows = shape.left + shape.chunk + shape.right
    block_rows, blocks = shape.left + shape.chunk, block_count(shape)
    depth = geometry.size // geometry.heads
    block = torch.zeros(geometry.encoder_layers, 2, geometry.heads, block_rows, depth)
    mask = torch.zeros(blocks * block_rows + rows)
    inputs = [torch.zeros(rows, geometry.inputs), mask, torch.ones(rows, 1), *[block] * blocks]
    names = ["rows", "mask", "real", *(f"block{index}" for index in range(blocks))]
    compile_graph(EncoderGraph(geometry, weights), inputs, names, folder / ENCODER, threads)
    seen = [torch.zeros(geometry.decoder_layers, 2, geometry.heads, shape.decoder_rows, depth)]
    inputs = [
        torch.zeros(CHARACTERS, geometry.size),
        torch.zeros(rows, geometry.size),
        torch.zeros(geometry.decoder_layers, geometry.kernel - 1, geometry.size),
        torch.zeros(shape.decoder_rows + rows),
        *(seen if shape.decoder_rows else []),
    ]
    names = ["fired", "hidden", "memory", "mask", "cached"][: len(inputs)]
    compile_graph(DecoderGraph(geometry, weights), inputs, names, folder / DECODER, threads)


def compile_graph(module: torch.nn.Module, inputs: list[Tensor], names: list[str], path: Path, threads: int) -> None:
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # a local service phones nobody
    import openvino

    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that shapes become constants is meant: they are fixed
        traced = torch.jit.trace(module.eval(), tuple(inputs), check_trace=False)
        model = openvino.convert_model(traced, example_input=tuple(inputs))
    model.reshape({port: tuple(value.shape) for port, value in zip(model.inputs, inputs)})
    for port, name in zip(model.inputs, names):
        port.get_tensor().set_names({name})
    compress(model)
    graph = path.with_suffix(".xml")
    openvino.save_model(model, str(graph), compress_to_fp16=False)  # and the weights beside it
    compiled = openvino.Core().compile_model(str(graph), "CPU", settings(threads))
    path.write_bytes(compiled.export_model().getvalue())
    graph.unlink()
