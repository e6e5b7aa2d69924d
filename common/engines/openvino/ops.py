"""What the layers are made of, as nodes of an OpenVINO graph (see layers.Ops)."""

from __future__ import annotations

import functools
from typing import Any, Sequence

import numpy as np

from common.engines.geometry import EPSILON
from common.engines.openvino.package import openvino

opset = openvino().opset13


def add(one: Any, other: Any) -> Any:
    return opset.add(one, other)


def multiply(one: Any, other: Any) -> Any:
    return opset.multiply(one, np.float32(other) if isinstance(other, float) else other)


def linear(x: Any, weight: Any, bias: Any | None) -> Any:
    product = opset.matmul(x, weight, False, True)
    return product if bias is None else opset.add(product, bias)


def layer_norm(x: Any, gain: Any, bias: Any) -> Any:
    return opset.add(opset.multiply(opset.mvn(x, _integers(-1), True, EPSILON, "inside_sqrt"), gain), bias)


def matmul(one: Any, other: Any, transposed: bool = False) -> Any:
    return opset.matmul(one, other, False, transposed)


def softmax(x: Any) -> Any:
    return opset.softmax(x, -1)


def log_softmax(x: Any) -> Any:
    return opset.log_softmax(x, -1)


def relu(x: Any) -> Any:
    return opset.relu(x)


def sigmoid(x: Any) -> Any:
    return opset.sigmoid(x)


def convolution(x: Any, kernel: Any, past: int, future: int) -> Any:
    outputs, inputs, width = kernel.get_output_shape(0)
    channels = opset.unsqueeze(transpose(x, (1, 0)), _integers(0))
    if inputs == 1:
        by_channel = reshape(kernel, (outputs, 1, 1, width))
        summed = opset.group_convolution(channels, by_channel, [1], [past], [future], [1])
    else:
        summed = opset.convolution(channels, kernel, [1], [past], [future], [1])
    return transpose(opset.squeeze(summed, _integers(0)), (1, 0))


def split(x: Any, parts: int, axis: int) -> Sequence[Any]:
    return opset.split(x, opset.constant(np.int64(axis)), parts).outputs()  # type: ignore[no-any-return]


def concat(arrays: Sequence[Any], axis: int) -> Any:
    return opset.concat(list(arrays), axis)


def transpose(x: Any, order: Sequence[int]) -> Any:
    return opset.transpose(x, _integers(*order))


def reshape(x: Any, shape: Sequence[int]) -> Any:
    return opset.reshape(x, _integers(*shape), False)


@functools.lru_cache(maxsize=None)
def _integers(*values: int) -> Any:
    """One constant for all places that need it: a graph has thousands."""
    return opset.constant(np.array(values, dtype=np.int64))
