"""Streaming Paraformer as a pure function: ``step(network, shape, features, state) -> (hypothesis, new state)``.

One step is what FunASR's ``ParaformerStreaming.generate_chunk`` does for one chunk: the encoder over the overlap
with the chunk before and the new rows, continuous integrate-and-fire (CIF) over its weights, and the decoder for
every character that fired. A state is never changed, so a tail that may still change is decoded by calling ``step``
and dropping the state that it returns.

The matrices are multiplied elsewhere: a ``Network`` is one engine's way to run the encoder and the decoder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple, Protocol, Sequence

import numpy as np

from common.engines.geometry import Geometry
from common.engines.seam import Hypothesis, best_of
from common.settings.services import ModelConfig
from common.units import LFR_FRAME_SAMPLES


@dataclass(frozen=True)
class Shape:
    """How the stream is cut: FunASR's ``chunk_size`` in rows of 60 ms, and the look-backs in chunks."""

    left: int
    chunk: int
    right: int
    encoder_look_back: int
    decoder_look_back: int

    @classmethod
    def of(cls, config: ModelConfig) -> Shape:
        return cls(*config.chunk_size, config.encoder_chunk_look_back, config.decoder_chunk_look_back)

    @property
    def overlap(self) -> int:
        """Rows that a step computes again."""
        return self.left + self.right

    @property
    def encoder_rows(self) -> int:
        """Rows before the overlap whose keys and values the encoder still attends to."""
        return self.encoder_look_back * self.chunk

    @property
    def decoder_rows(self) -> int:
        return self.decoder_look_back * self.chunk


class Encoded(NamedTuple):
    """``hidden`` (rows, size), CIF ``weights`` (rows,), and a ``block`` of keys and values: (layers, 2, heads,
    rows, d) in an array type of the engine's own."""

    hidden: np.ndarray
    weights: np.ndarray
    block: Any


class Decoded(NamedTuple):
    """``log_probs`` (characters, vocabulary); the decoder's ``memory`` and what was ``attended`` in an array type of
    the engine's own."""

    log_probs: np.ndarray
    memory: Any
    attended: Any


class Network(Protocol):
    """The layers of the model. Pure: what is handed in is not changed, and what comes out is not changed later."""

    geometry: Geometry

    def encode(self, rows: np.ndarray, blocks: Sequence[Any], look_back: int) -> Encoded:
        """``rows`` (overlap and new, inputs), scaled and with positions; they attend to themselves and to the last
        ``look_back`` rows of ``blocks``."""

    def decode(self, fired: np.ndarray, hidden: np.ndarray, memory: Any, attended: Any, look_back: int) -> Decoded:
        """``fired`` (characters, size) attend to ``hidden`` (rows, size) and to what was ``attended`` before, of
        which ``look_back`` rows are kept; ``memory`` and ``attended`` are None at the beginning."""


@dataclass(frozen=True)
class State:
    """Everything one utterance leaves to its next step. Never changed in place."""

    position: int  # rows heard
    overlap: np.ndarray  # (left + right, inputs): rows that the next step computes again
    blocks: tuple[Any, ...]  # encoder keys and values, one block a step
    fire_weight: np.float32  # integrated since the last fire
    fire_vector: np.ndarray  # (size,): mean of the hidden vectors since, weighted
    memory: Any = None
    attended: Any = None


def first_state(geometry: Geometry, shape: Shape) -> State:
    """Before anything was heard."""
    return State(
        position=0,
        overlap=np.zeros((shape.overlap, geometry.inputs), dtype=np.float32),
        blocks=(),
        fire_weight=np.float32(0),
        fire_vector=np.zeros(geometry.size, dtype=np.float32),
    )


def step(
    network: Network, shape: Shape, features: np.ndarray, state: State, is_final: bool = False
) -> tuple[Hypothesis, State]:
    """Decode the next rows of features (new rows, inputs). No rows come after a final step: the look-ahead counts
    too, and what has been integrated may fire a last character."""
    geometry = network.geometry
    rows = features * np.float32(geometry.size**0.5) + positions(state.position, len(features), geometry.inputs)
    rows = np.concatenate([state.overlap, rows])
    encoded = network.encode(rows, state.blocks, _look_back(state, shape))
    weights = encoded.weights.copy()
    weights[: shape.left] = 0.0
    if not is_final:
        weights[shape.left + shape.chunk :] = 0.0
    fires = integrate(encoded.hidden, weights, state, geometry, is_final)
    state = replace(
        state,
        position=state.position + len(features),
        overlap=rows[len(rows) - shape.overlap :],
        blocks=_kept(state.blocks, encoded.block[:, :, :, : shape.left + shape.chunk], shape),
        fire_weight=fires.weight,
        fire_vector=fires.vector,
    )
    if not fires.vectors:
        return Hypothesis(), state
    fired = np.stack(fires.vectors)
    decoded = network.decode(fired, encoded.hidden, state.memory, state.attended, shape.decoder_rows)
    first_row = state.position - len(rows)
    samples = [max(0, int((first_row + place) * LFR_FRAME_SAMPLES)) for place in fires.places]
    return best_of(decoded.log_probs, samples), replace(state, memory=decoded.memory, attended=decoded.attended)


def _kept(blocks: tuple[Any, ...], block: Any, shape: Shape) -> tuple[Any, ...]:
    """The newest blocks that together hold the rows to look back to. A block holds left + chunk rows: the overlap
    on the left is among the cached keys and values as well (sanm/attention.py:346)."""
    count = -(-shape.encoder_rows // (shape.left + shape.chunk))
    return (*blocks, block)[-count:] if count else ()


def _look_back(state: State, shape: Shape) -> int:
    """Rows before the overlap that are attended to. FunASR cuts its cache to size from the second chunk on."""
    in_a_block = shape.left + shape.chunk
    if state.position <= shape.chunk:
        return len(state.blocks) * in_a_block
    return min(len(state.blocks) * in_a_block, shape.encoder_rows)


def positions(first: int, count: int, size: int) -> np.ndarray:
    """Sinusoidal position encoding of rows ``first`` … (count, size), as FunASR counts: from 1, sines then cosines
    (transformer/embedding.py, StreamSinusoidalPositionEncoder)."""
    step_of = np.log(np.float32(10000)) / np.float32(size / 2 - 1)
    rates = np.exp(np.arange(size // 2, dtype=np.float32) * -step_of)
    angles = np.arange(first + 1, first + count + 1, dtype=np.float32)[:, None] * rates[None, :]
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=1)


class Fires(NamedTuple):
    """``vectors``: one (size,) for each character, and ``places``: the row in which each fired, with its
    fraction; ``weight`` and mean ``vector`` of what is left over."""

    vectors: list[np.ndarray]
    places: list[float]
    weight: np.float32
    vector: np.ndarray


def integrate(hidden: np.ndarray, weights: np.ndarray, state: State, geometry: Geometry, is_final: bool) -> Fires:
    """Continuous integrate-and-fire (https://arxiv.org/abs/1905.11235), as ``CifPredictorV2.forward_chunk``: a
    character is the sum of the hidden vectors under weights that add up to the threshold."""
    threshold = np.float32(geometry.fire_threshold)
    hidden = np.concatenate([state.fire_vector[None], hidden])
    weights = np.concatenate([[state.fire_weight], weights]).astype(np.float32)
    if is_final:
        hidden = np.concatenate([hidden, np.zeros_like(hidden[:1])])
        weights = np.append(weights, np.float32(geometry.tail_weight))
    vectors: list[np.ndarray] = []
    places: list[float] = []
    total, vector = np.float32(0), np.zeros_like(hidden[0])
    for index, (weight, row) in enumerate(zip(weights, hidden), start=-1):  # row -1: what was left over before
        if weight + total < threshold:
            total += weight
            vector = vector + weight * row
        else:
            vectors.append(vector + (threshold - total) * row)
            places.append(index + _share(threshold - total, weight))
            total = total + weight - threshold
            vector = total * row
    return Fires(vectors, places, total, vector / total if total > 0 else vector)


def _share(missing: np.float32, weight: np.float32) -> float:
    """Which part of a row of this ``weight`` passes before the ``missing`` weight is reached. If what was left over
    rounded to the threshold, nothing is missing: the row fires at its beginning, even if its weight is 0."""
    return min(1.0, float(missing / weight)) if missing > 0 else 0.0
