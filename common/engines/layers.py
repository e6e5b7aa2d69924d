"""The layers of streaming Paraformer as pure functions of torch tensors: names and order are the checkpoint's.

Sources: FunASR's scama/encoder.py (SANMEncoderChunkOpt), sanm/attention.py, paraformer/decoder.py
(ParaformerSANMDecoder), paraformer/cif_predictor.py (CifPredictorV2), all in evaluation. No batch: one stream.
"""

from __future__ import annotations

from typing import Mapping, Sequence

import torch
from torch import Tensor
from torch.nn.functional import conv1d, layer_norm, linear, relu, softmax

Weights = Mapping[str, Tensor]
EPSILON = 1e-12  # of every layer normalisation (transformer/layer_norm.py)


def normalised(weights: Weights, name: str, x: Tensor) -> Tensor:
    gain = weights[f"{name}.weight"]
    return layer_norm(x, (gain.shape[0],), gain, weights[f"{name}.bias"], EPSILON)


def projected(weights: Weights, name: str, x: Tensor) -> Tensor:
    return linear(x, weights[f"{name}.weight"], weights.get(f"{name}.bias"))


def split_heads(x: Tensor, heads: int) -> Tensor:
    """(rows, size) -> (heads, rows, size / heads)."""
    return x.reshape(x.shape[0], heads, -1).transpose(0, 1)


def attention(query: Tensor, keys: Tensor, values: Tensor, mask: Tensor | None) -> Tensor:
    """(heads, rows, d), (heads, keys, d) twice -> (rows, heads * d). ``mask`` (keys,) is added to the scores."""
    scores = torch.matmul(query * query.shape[-1] ** -0.5, keys.transpose(1, 2))
    if mask is not None:
        scores = scores + mask
    mixed = torch.matmul(softmax(scores, dim=-1), values)
    return mixed.transpose(0, 1).reshape(query.shape[1], -1)


def memory_of(kernel: Tensor, x: Tensor, past: int, future: int) -> Tensor:
    """FSMN: every row plus a weighted sum of its neighbours, channel by channel; (rows, size) -> the same less
    ``kernel - 1 - past - future`` rows. ``past`` and ``future`` rows of zeros are put around it."""
    padded = torch.nn.functional.pad(x.transpose(0, 1)[None], (past, future))
    return conv1d(padded, kernel, groups=kernel.shape[0])[0].transpose(0, 1)


def encoder_layer(
    weights: Weights,
    name: str,
    heads: int,
    x: Tensor,
    blocks: Sequence[Sequence[Tensor]],
    mask: Tensor | None,
    real: Tensor | None,
) -> tuple[Tensor, tuple[Tensor, Tensor]]:
    """One SAN-M layer: x (rows, size), blocks of keys and values, (1, heads, look-back rows, d) each -> x and its own
    keys and values.

    With padding behind the real rows, ``mask`` (look-back and own rows,) is added to the attention's scores and
    ``real`` (rows, 1) is 1 for real rows, 0 for padding.
    """
    kernel = weights[f"{name}.self_attn.fsmn_block.weight"]
    size = kernel.shape[0]
    query, key, value = torch.split(
        projected(weights, f"{name}.self_attn.linear_q_k_v", normalised(weights, f"{name}.norm1", x)), size, dim=-1
    )
    if real is not None:
        value = value * real
    own = split_heads(key, heads)[None], split_heads(value, heads)[None]
    # Keys and values each joined once: a copy of both together, or of all layers, costs more than the joining.
    keys, values = (torch.cat([*(block[part] for block in blocks), own[part]], dim=2)[0] for part in (0, 1))
    reach = (kernel.shape[2] - 1) // 2
    mixed = projected(
        weights,
        f"{name}.self_attn.linear_out",
        attention(split_heads(query, heads), keys, values, mask),
    )
    mixed = mixed + (memory_of(kernel, value, reach, kernel.shape[2] - 1 - reach) + value)
    x = x + mixed if x.shape[1] == size else mixed
    hidden = relu(projected(weights, f"{name}.feed_forward.w_1", normalised(weights, f"{name}.norm2", x)))
    return x + projected(weights, f"{name}.feed_forward.w_2", hidden), own


def encoder(
    weights: Weights,
    layers: int,
    heads: int,
    rows: Tensor,
    blocks: Sequence[Tensor],
    mask: Tensor | None = None,
    real: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """rows (n, inputs), blocks of (layers, 2, heads, look-back rows, d), oldest first -> hidden (n, size), CIF
    weights (n,), own keys and values (layers, 2, heads, n, d)."""
    # One split of a block makes a graph with far fewer operations, and so a smaller one, than an index a layer.
    parts = [torch.split(block.flatten(0, 1), 1) for block in blocks]
    own: list[Tensor] = []
    x = rows
    for index in range(layers):
        name = "encoder.encoders0.0" if index == 0 else f"encoder.encoders.{index - 1}"
        seen = [part[2 * index : 2 * index + 2] for part in parts]
        x, block = encoder_layer(weights, name, heads, x, seen, mask, real)
        own += block
    hidden = normalised(weights, "encoder.after_norm", x)
    joined = torch.cat(own).unflatten(0, (layers, 2))
    return hidden, fire_weights(weights, hidden if real is None else hidden * real), joined


def fire_weights(weights: Weights, hidden: Tensor) -> Tensor:
    """The CIF weight of each row: (n, size) -> (n,)."""
    context = torch.nn.functional.pad(hidden.transpose(0, 1)[None], (1, 1))
    name = "predictor.cif_conv1d"
    context = relu(conv1d(context, weights[f"{name}.weight"], weights[f"{name}.bias"]))[0].transpose(0, 1)
    return torch.sigmoid(projected(weights, "predictor.cif_output", context))[:, 0]


def decoder_feed_forward(weights: Weights, name: str, x: Tensor) -> Tensor:
    hidden = relu(projected(weights, f"{name}.feed_forward.w_1", normalised(weights, f"{name}.norm1", x)))
    return projected(weights, f"{name}.feed_forward.w_2", normalised(weights, f"{name}.feed_forward.norm", hidden))


def decoder_layer(
    weights: Weights,
    name: str,
    heads: int,
    x: Tensor,
    hidden: Tensor,
    memory: Tensor,
    cached: Tensor | None,
    mask: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    """x (characters, size), hidden (rows, size), memory (kernel - 1, size) -> x, the rows that went through the
    FSMN memory, own keys and values (2, heads, rows, d)."""
    remembered = normalised(weights, f"{name}.norm2", decoder_feed_forward(weights, name, x))
    kernel = weights[f"{name}.self_attn.fsmn_block.weight"]
    x = x + memory_of(kernel, torch.cat([memory, remembered]), 0, 0) + remembered
    query = projected(weights, f"{name}.src_attn.linear_q", normalised(weights, f"{name}.norm3", x))
    key, value = torch.chunk(projected(weights, f"{name}.src_attn.linear_k_v", hidden), 2, dim=-1)
    own = torch.stack([split_heads(key, heads), split_heads(value, heads)])
    seen = own if cached is None else torch.cat([cached, own], dim=2)
    mixed = attention(split_heads(query, heads), seen[0], seen[1], mask)
    return x + projected(weights, f"{name}.src_attn.linear_out", mixed), remembered, own


def decoder(
    weights: Weights,
    layers: int,
    heads: int,
    fired: Tensor,
    hidden: Tensor,
    memory: Tensor,
    cached: Tensor | None,
    mask: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """fired (characters, size), hidden (rows, size), memory (layers, kernel - 1, size), cached (layers, 2, heads,
    look-back rows, d) -> log-posteriors (characters, vocabulary), rows through the memories (layers, characters,
    size), own keys and values (layers, 2, heads, rows, d)."""
    x, through, own = fired, [], []
    for index in range(layers):
        x, remembered, block = decoder_layer(
            weights,
            f"decoder.decoders.{index}",
            heads,
            x,
            hidden,
            memory[index],
            None if cached is None else cached[index],
            mask,
        )
        through.append(remembered)
        own.append(block)
    x = normalised(weights, "decoder.after_norm", decoder_feed_forward(weights, "decoder.decoders3.0", x))
    log_probs = torch.log_softmax(projected(weights, "decoder.output_layer", x), dim=-1)
    return log_probs, torch.stack(through), torch.stack(own)
