"""What the layers are made of, computed by torch (see layers.Ops)."""

from __future__ import annotations

from typing import Sequence

import torch
from torch import Tensor
from torch.nn import functional

from common.engines.geometry import EPSILON


def add(one: Tensor, other: Tensor) -> Tensor:
    return one + other


def multiply(one: Tensor, other: Tensor | float) -> Tensor:
    return one * other


def linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return functional.linear(x, weight, bias)


def layer_norm(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    return functional.layer_norm(x, (gain.shape[0],), gain, bias, EPSILON)


def matmul(one: Tensor, other: Tensor, transposed: bool = False) -> Tensor:
    return torch.matmul(one, other.transpose(-1, -2) if transposed else other)


def softmax(x: Tensor) -> Tensor:
    return torch.softmax(x, dim=-1)


def log_softmax(x: Tensor) -> Tensor:
    return torch.log_softmax(x, dim=-1)


def relu(x: Tensor) -> Tensor:
    return torch.relu(x)


def sigmoid(x: Tensor) -> Tensor:
    return torch.sigmoid(x)


def convolution(x: Tensor, kernel: Tensor, past: int, future: int) -> Tensor:
    padded = functional.pad(x.transpose(0, 1)[None], (past, future))
    return functional.conv1d(padded, kernel, groups=x.shape[1] // kernel.shape[1])[0].transpose(0, 1)


def split(x: Tensor, parts: int, axis: int) -> Sequence[Tensor]:
    return torch.chunk(x, parts, dim=axis)


def concat(arrays: Sequence[Tensor], axis: int) -> Tensor:
    return torch.cat(list(arrays), dim=axis)


def transpose(x: Tensor, order: Sequence[int]) -> Tensor:
    return x.permute(*order)


def reshape(x: Tensor, shape: Sequence[int]) -> Tensor:
    return x.reshape(*shape)
