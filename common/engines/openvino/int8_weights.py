"""Int8 weights: every large matrix of a graph in eight bits, with one scale a row of outputs."""

from __future__ import annotations

from typing import Any

import numpy as np

SMALLEST_MATRIX = 4096  # numbers: below it eight bits save nothing


def row_scales(matrix: np.ndarray) -> np.ndarray:
    """(outputs, inputs) -> (outputs, 1): what one step of eight bits is worth."""
    return np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-8) / 127.0  # type: ignore[no-any-return]


def compress(model: Any) -> None:
    """Every large matrix as int8 with one scale a row of outputs, which its MatMul multiplies by."""
    from openvino import Type, opset13

    for node in model.get_ordered_ops():
        if node.get_type_name() != "MatMul":
            continue
        constant = node.input_value(1).get_node()
        if constant.get_type_name() != "Constant" or constant.get_element_type() != Type.f32:
            continue
        matrix = constant.get_data()
        if matrix.ndim != 2 or matrix.size < SMALLEST_MATRIX:
            continue
        scale = row_scales(matrix) if node.get_transpose_b() else row_scales(matrix.T).T
        small = np.clip(np.round(matrix / scale), -127, 127).astype(np.int8)
        wide = opset13.convert(opset13.constant(small), Type.f32)
        scaled = opset13.multiply(wide, opset13.constant(scale.astype(np.float32)))
        node.input(1).replace_source_output(scaled.output(0))
