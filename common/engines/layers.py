"""The layers of streaming Paraformer, described here and nowhere else: names and order are the checkpoint's.

Sources: FunASR's scama/encoder.py (SANMEncoderChunkOpt), sanm/attention.py, paraformer/decoder.py
(ParaformerSANMDecoder), paraformer/cif_predictor.py (CifPredictorV2), all in evaluation. No batch: one stream.

With torch_ops a call computes at once; with openvino/ops the calls build a graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Protocol, Sequence

from common.engines.geometry import Geometry

Array = Any  # a torch tensor, or an OpenVINO node or one of its outputs


class Ops(Protocol):
    """What the layers are made of. Axes and orders are numpy's."""

    def add(self, one: Array, other: Array) -> Array:
        """Broadcast, as numpy does."""

    def multiply(self, one: Array, other: Array | float) -> Array:
        """Broadcast, as numpy does."""

    def linear(self, x: Array, weight: Array, bias: Array | None) -> Array:
        """x (rows, inputs), weight (outputs, inputs), bias (outputs,) -> (rows, outputs)."""

    def layer_norm(self, x: Array, gain: Array, bias: Array) -> Array:
        """Over the last axis."""

    def matmul(self, one: Array, other: Array, transposed: bool = False) -> Array:
        """``other`` with its last two axes exchanged if ``transposed``."""

    def softmax(self, x: Array) -> Array:
        """Over the last axis."""

    def log_softmax(self, x: Array) -> Array:
        """Over the last axis."""

    def relu(self, x: Array) -> Array:
        """max(x, 0)."""

    def sigmoid(self, x: Array) -> Array:
        """1 / (1 + exp(-x))."""

    def convolution(self, x: Array, kernel: Array, past: int, future: int) -> Array:
        """Along the rows, with ``past`` rows of zeros before and ``future`` after them: x (rows, inputs), kernel
        (outputs, inputs, width) -> (rows + past + future + 1 - width, outputs); (inputs, 1, width) is depthwise."""

    def split(self, x: Array, parts: int, axis: int) -> Sequence[Array]:
        """Into parts of the same size."""

    def concat(self, arrays: Sequence[Array], axis: int) -> Array:
        """One after the other."""

    def transpose(self, x: Array, order: Sequence[int]) -> Array:
        """Its axes in this order."""

    def reshape(self, x: Array, shape: Sequence[int]) -> Array:
        """One axis may be -1: as long as the others leave it."""


@dataclass(frozen=True)
class Layers:
    """The two halves of the network, over ``weights`` by their names in the checkpoint."""

    ops: Ops
    weights: Mapping[str, Array]
    geometry: Geometry

    def encoder(
        self, rows: Array, blocks: Sequence[Array], mask: Array | None = None, real: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """rows (n, inputs), blocks of (layers, 2, heads, look-back rows, d), oldest first -> hidden (n, size), CIF
        weights (n,), own keys and values (layers, 2, heads, n, d).

        With padding after the real rows, ``mask`` (look-back and own rows,) is added to the attention's scores and
        ``real`` (n, 1) is 1 for real rows, 0 for padding.
        """
        ops, count = self.ops, self.geometry.encoder_layers
        # Splitting a block once gives a far smaller graph than taking each layer out of it by an index.
        parts = [ops.split(self._flat(block, count), 2 * count, 0) for block in blocks]
        own: list[Array] = []
        x = rows
        for index in range(count):
            name = "encoder.encoders0.0" if index == 0 else f"encoder.encoders.{index - 1}"
            seen = [part[2 * index : 2 * index + 2] for part in parts]
            residual = index > 0 or self.geometry.inputs == self.geometry.size
            x, pair = self._encoder_layer(name, x, seen, mask, real, residual)
            own += pair
        hidden = self._normalised("encoder.after_norm", x)
        weights = self._fire_weights(hidden if real is None else ops.multiply(hidden, real))
        return hidden, weights, self._deep(ops.concat(own, 0), count)

    def decoder(
        self, fired: Array, hidden: Array, memory: Array, cached: Array | None, mask: Array | None = None
    ) -> tuple[Array, Array, Array]:
        """fired (characters, size), hidden (rows, size), memory (layers, kernel - 1, size), cached (layers, 2, heads,
        look-back rows, d) -> log-posteriors (characters, vocabulary), rows through the memories (layers, characters,
        size), own keys and values (layers, 2, heads, rows, d)."""
        ops, geometry = self.ops, self.geometry
        count, size = geometry.decoder_layers, geometry.size
        memories = [ops.reshape(part, (-1, size)) for part in ops.split(memory, count, 0)]
        parts = [] if cached is None else ops.split(self._flat(cached, count), 2 * count, 0)
        x, through, own = fired, [], []
        for index in range(count):
            name = f"decoder.decoders.{index}"
            seen = [parts[2 * index : 2 * index + 2]] if parts else []
            x, remembered, pair = self._decoder_layer(name, x, hidden, memories[index], seen, mask)
            through.append(ops.reshape(remembered, (1, -1, size)))
            own += pair
        x = self._normalised("decoder.after_norm", self._decoder_feed_forward("decoder.decoders3.0", x))
        log_probs = ops.log_softmax(self._projected("decoder.output_layer", x))
        return log_probs, ops.concat(through, 0), self._deep(ops.concat(own, 0), count)

    def _encoder_layer(
        self,
        name: str,
        x: Array,
        blocks: Sequence[Sequence[Array]],
        mask: Array | None,
        real: Array | None,
        residual: bool,
    ) -> tuple[Array, list[Array]]:
        """One SAN-M layer: x (rows, size), blocks of keys and values, (1, heads, look-back rows, d) each -> x and its
        own keys and values, (1, heads, rows, d) each."""
        ops, width = self.ops, self.geometry.encoder_kernel
        joined = self._projected(f"{name}.self_attn.linear_q_k_v", self._normalised(f"{name}.norm1", x))
        query, key, value = ops.split(joined, 3, 1)
        if real is not None:
            value = ops.multiply(value, real)
        own = [self._heads(key), self._heads(value)]
        mixed = self._attention(f"{name}.self_attn.linear_out", query, [*blocks, own], mask)
        past = (width - 1) // 2
        kernel = self.weights[f"{name}.self_attn.fsmn_block.weight"]
        mixed = ops.add(mixed, ops.add(ops.convolution(value, kernel, past, width - 1 - past), value))
        x = ops.add(x, mixed) if residual else mixed
        hidden = ops.relu(self._projected(f"{name}.feed_forward.w_1", self._normalised(f"{name}.norm2", x)))
        return ops.add(x, self._projected(f"{name}.feed_forward.w_2", hidden)), own

    def _decoder_layer(
        self, name: str, x: Array, hidden: Array, memory: Array, seen: Sequence[Sequence[Array]], mask: Array | None
    ) -> tuple[Array, Array, list[Array]]:
        """x (characters, size), hidden (rows, size), memory (kernel - 1, size) -> x, the rows that went through the
        FSMN memory, own keys and values, (1, heads, rows, d) each."""
        ops = self.ops
        remembered = self._normalised(f"{name}.norm2", self._decoder_feed_forward(name, x))
        kernel = self.weights[f"{name}.self_attn.fsmn_block.weight"]
        x = ops.add(x, ops.add(ops.convolution(ops.concat([memory, remembered], 0), kernel, 0, 0), remembered))
        query = self._projected(f"{name}.src_attn.linear_q", self._normalised(f"{name}.norm3", x))
        key, value = ops.split(self._projected(f"{name}.src_attn.linear_k_v", hidden), 2, 1)
        own = [self._heads(key), self._heads(value)]
        mixed = self._attention(f"{name}.src_attn.linear_out", query, [*seen, own], mask)
        return ops.add(x, mixed), remembered, own

    def _attention(self, out: str, query: Array, blocks: Sequence[Sequence[Array]], mask: Array | None) -> Array:
        """query (rows, size), blocks of keys and values, (1, heads, n, d) each -> (rows, size) through ``out``.
        ``mask`` (all n,) is added to the scores."""
        ops = self.ops
        # Keys and values are joined apart: copying both together, or all layers at once, costs more than the joining.
        keys, values = (ops.concat([block[part] for block in blocks], 2) for part in (0, 1))
        # Scaled only here: OpenVINO merges a factor right after a matrix into that, which then is not int8.
        query = ops.multiply(self._heads(query), self._depth**-0.5)
        scores = ops.matmul(query, keys, transposed=True)
        if mask is not None:
            scores = ops.add(scores, mask)
        mixed = ops.transpose(ops.matmul(ops.softmax(scores), values), (0, 2, 1, 3))
        return self._projected(out, ops.reshape(mixed, (-1, self.geometry.size)))

    def _fire_weights(self, hidden: Array) -> Array:
        """The CIF weight of each row: (n, size) -> (n,)."""
        ops, name = self.ops, "predictor.cif_conv1d"
        context = ops.convolution(hidden, self.weights[f"{name}.weight"], 1, 1)
        context = ops.relu(ops.add(context, self.weights[f"{name}.bias"]))
        return ops.reshape(ops.sigmoid(self._projected("predictor.cif_output", context)), (-1,))

    def _decoder_feed_forward(self, name: str, x: Array) -> Array:
        hidden = self.ops.relu(self._projected(f"{name}.feed_forward.w_1", self._normalised(f"{name}.norm1", x)))
        return self._projected(f"{name}.feed_forward.w_2", self._normalised(f"{name}.feed_forward.norm", hidden))

    def _normalised(self, name: str, x: Array) -> Array:
        return self.ops.layer_norm(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"])

    def _projected(self, name: str, x: Array) -> Array:
        return self.ops.linear(x, self.weights[f"{name}.weight"], self.weights.get(f"{name}.bias"))

    @property
    def _depth(self) -> int:
        """Numbers in a key or value of one head."""
        return self.geometry.size // self.geometry.heads

    def _heads(self, x: Array) -> Array:
        """(rows, size) -> (1, heads, rows, d)."""
        parted = self.ops.reshape(x, (1, -1, self.geometry.heads, self._depth))
        return self.ops.transpose(parted, (0, 2, 1, 3))

    def _flat(self, block: Array, layers: int) -> Array:
        """(layers, 2, heads, n, d) -> (layers * 2, heads, n, d)."""
        return self.ops.reshape(block, (2 * layers, self.geometry.heads, -1, self._depth))

    def _deep(self, block: Array, layers: int) -> Array:
        """(layers * 2, heads, n, d) -> (layers, 2, heads, n, d)."""
        return self.ops.reshape(block, (layers, 2, self.geometry.heads, -1, self._depth))
