"""The numbers of a model as OpenVINO reads them: in a file that it maps, where each tensor has its place.

In single precision that file is model.pt itself. Int8 is a file of our own: every large matrix in eight bits with one
scale a row of outputs, by which its product is multiplied, and the rest as it is.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Callable, Mapping, NamedTuple

import numpy as np

from common.engines.checkpoint import Checkpoint, Stored
from common.engines.openvino.package import openvino

SMALLEST_MATRIX = 4096  # numbers: below it eight bits save nothing
SCALE = "/scale"  # behind a matrix's name
ALIGNED = 64  # bytes
PRECISIONS = {"i8": "I8", "f32": "FP32"}  # what a port calls a type


class Place(NamedTuple):
    kind: str  # i8 or f32
    shape: tuple[int, ...]
    offset: int  # bytes

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * (1 if self.kind == "i8" else 4)


@dataclass(frozen=True)
class Weights:
    """``numbers`` (bytes,) uint8: a mapped file, ``path``, or memory where there is none. Nothing is written to it."""

    places: Mapping[str, Place]
    numbers: np.ndarray
    path: Path | None

    @classmethod
    def mapped(cls, places: Mapping[str, Place], path: Path) -> Weights:
        return cls(places, np.memmap(path, np.uint8, mode="c"), path)  # OpenVINO takes none that is read-only

    @classmethod
    def in_memory(
        cls, checkpoint: Mapping[str, np.ndarray], places: Mapping[str, Place], done: Callable[[float], None]
    ) -> Weights:
        """What ``write`` writes."""
        file = io.BytesIO()
        write(checkpoint, places, file, done)
        return cls(places, np.frombuffer(file.getbuffer(), np.uint8), None)

    def nodes(self) -> dict[str, Any]:
        """A node for each tensor by its name in the checkpoint, in single precision whatever is stored.

        They come out of a model that is read, so that they know their place: a compiled graph can be exported without
        them. ``self`` must outlive them.
        """
        package = openvino()
        tensor = package.Tensor(self.numbers, shared_memory=True)
        model = package.Core().read_model(_constants(self.places).encode(), tensor)
        found = {node.get_friendly_name(): node for node in model.get_ops() if node.get_type_name() == "Constant"}
        opset = package.opset13

        def node(name: str) -> Any:
            scale = found.get(name + SCALE)
            return found[name] if scale is None else opset.multiply(opset.convert(found[name], "f32"), scale)

        return {name: node(name) for name in found if not name.endswith(SCALE)}


def _constants(places: Mapping[str, Place]) -> str:
    """OpenVINO's own format for a model, version 11, with nothing in it but these tensors."""
    layers, edges = [], []
    for number, (name, place) in enumerate(places.items()):
        constant, result = 2 * number, 2 * number + 1
        shape = ",".join(map(str, place.shape))
        sides = "".join(f"<dim>{side}</dim>" for side in place.shape)
        port = f'<port id="0" precision="{PRECISIONS[place.kind]}">{sides}</port>'
        where = f'element_type="{place.kind}" shape="{shape}" offset="{place.offset}" size="{place.nbytes}"'
        layers.append(
            f'<layer id="{constant}" name="{name}" type="Const" version="opset1">'
            f"<data {where}/><output>{port}</output></layer>"
            f'<layer id="{result}" name="{name}/result" type="Result" version="opset1"><input>{port}</input></layer>'
        )
        edges.append(f'<edge from-layer="{constant}" from-port="0" to-layer="{result}" to-port="0"/>')
    return (
        '<?xml version="1.0"?><net name="weights" version="11">'
        f"<layers>{''.join(layers)}</layers><edges>{''.join(edges)}</edges></net>"
    )


def where_they_are(checkpoint: Checkpoint) -> dict[str, Place] | None:
    """The places in model.pt, or None if it holds them in another type or order."""
    places = {}
    for name, stored in checkpoint.stored.items():
        if not isinstance(stored, Stored) or not stored.is_plain:
            return None
        places[name] = Place("f32", stored.shape, stored.offset)
    return places


def laid_out(shapes: Mapping[str, tuple[int, ...]], int8: bool) -> dict[str, Place]:
    """The places in a file of our own."""
    places: dict[str, Place] = {}
    end = 0
    for name, shape in shapes.items():
        small = int8 and len(shape) == 2 and math.prod(shape) >= SMALLEST_MATRIX
        parts = {name: ("i8", shape), name + SCALE: ("f32", (shape[0], 1))} if small else {name: ("f32", shape)}
        for part, (kind, size) in parts.items():
            places[part] = Place(kind, size, -(-end // ALIGNED) * ALIGNED)
            end = places[part].offset + places[part].nbytes
    return places


def write(
    checkpoint: Mapping[str, np.ndarray],
    places: Mapping[str, Place],
    file: BinaryIO,
    done: Callable[[float], None],
) -> None:
    """Write the tensors to their places, one after the other; ``done`` is told which part is written.

    Raises FatalError ``model_load_failed`` for a number that is not finite.
    """
    total = sum(place.nbytes for place in places.values())
    for name, array in checkpoint.items():
        parts = {name: array.astype(np.float32, copy=False)}
        if places[name].kind == "i8":
            small, scales = quantised(array)
            parts = {name: small, name + SCALE: scales}
        for part, numbers in parts.items():
            file.write(bytes(places[part].offset - file.tell()))
            file.write(np.ascontiguousarray(numbers).data)
        done(file.tell() / max(total, 1))


def row_scales(matrix: np.ndarray) -> np.ndarray:
    """(outputs, inputs) -> (outputs, 1): what one step of eight bits is worth."""
    return np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-8) / 127.0  # type: ignore[no-any-return]


def quantised(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(outputs, inputs) float32 -> the same in int8, and the scales (outputs, 1)."""
    scales = row_scales(matrix)
    return np.clip(np.round(matrix / scales), -127, 127).astype(np.int8), scales.astype(np.float32)
