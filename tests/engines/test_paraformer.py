"""The streaming network as a pure function: what it is handed is never changed."""

from __future__ import annotations

import copy
import functools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.engines.choose import load_engine
from common.engines.geometry import Geometry
from common.engines.model_folder import read_folder
from common.engines.paraformer_session import ParaformerEngine
from common.engines.streaming_step import Shape, State, first_state, integrate, positions, step
from common.settings.flags import DEMO_MODEL
from common.settings.services import StreamingConfig

SHAPE = Shape(5, 10, 5, encoder_look_back=4, decoder_look_back=1)


@pytest.fixture(scope="module")
def engine() -> ParaformerEngine:
    return load_engine(StreamingConfig(model_dir=str(DEMO_MODEL), device="cpu", threads=1, engine="torch"))


def rows(seed: int, count: int, geometry: Geometry) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, geometry.inputs)).astype(np.float32)


def after_some_chunks(engine: ParaformerEngine) -> State:
    state = first_state(engine.network.geometry, SHAPE)
    for number in range(5):
        _, state = step(engine.network, SHAPE, rows(number, 10, engine.network.geometry), state)
    return state


@pytest.mark.parametrize("is_final", [False, True])
def test_a_step_leaves_the_state_it_was_given_as_it_was(engine: ParaformerEngine, is_final: bool) -> None:
    state = after_some_chunks(engine)
    before = copy.deepcopy(state)
    first = step(engine.network, SHAPE, rows(9, 10, engine.network.geometry), state, is_final)
    again = step(engine.network, SHAPE, rows(9, 10, engine.network.geometry), state, is_final)
    assert first[0] == again[0]
    for name in ("overlap", "fire_vector", "memory", "attended", "position", "fire_weight"):
        np.testing.assert_array_equal(getattr(state, name), getattr(before, name))
    for block, old in zip(state.blocks, before.blocks):
        np.testing.assert_array_equal(block, old)


def test_a_state_does_not_grow_with_the_utterance(engine: ParaformerEngine) -> None:
    state = after_some_chunks(engine)
    _, later = step(engine.network, SHAPE, rows(9, 10, engine.network.geometry), state)
    assert [block.shape for block in later.blocks] == [block.shape for block in state.blocks]
    assert (later.memory.shape, later.attended.shape) == (state.memory.shape, state.attended.shape)


def test_a_character_fires_where_the_weights_reach_the_threshold() -> None:
    geometry = geometry_of_the_demo()
    hidden = np.arange(4, dtype=np.float32)[:, None] * np.ones(geometry.size, dtype=np.float32)
    weights = np.array([0.5, 0.25, 0.75, 0.25], dtype=np.float32)
    fires = integrate(hidden, weights, first_state(geometry, SHAPE), geometry, is_final=False)
    assert [vector[0] for vector in fires.vectors] == [0.5 * 0 + 0.25 * 1 + 0.25 * 2]
    assert fires.weight == 0.75
    assert fires.vector[0] == pytest.approx((0.5 * 2 + 0.25 * 3) / 0.75)


def test_what_is_left_over_fires_at_the_end_if_it_is_enough() -> None:
    geometry = geometry_of_the_demo()
    hidden = np.ones((1, geometry.size), dtype=np.float32)
    for weight, fired in ((0.5, 0), (0.56, 1)):  # with the tail's 0.45
        weights = np.array([weight], dtype=np.float32)
        fires = integrate(hidden, weights, first_state(geometry, SHAPE), geometry, is_final=True)
        assert len(fires.vectors) == fired


def test_a_left_over_that_rounds_to_the_threshold_fires_at_the_next_row_though_that_weighs_nothing() -> None:
    geometry = geometry_of_the_demo()
    almost = np.nextafter(np.float32(1), np.float32(0))
    weights = np.array([almost, 1.0, 0.0, 0.25], dtype=np.float32)
    fires = integrate(np.ones((4, geometry.size), np.float32), weights, first_state(geometry, SHAPE), geometry, False)
    assert len(fires.vectors) == 2 and fires.places == pytest.approx([1, 2], abs=1e-6)
    assert fires.weight == 0.25


ALMOST = [float(np.nextafter(np.float32(edge), np.float32(0))) for edge in (1.0, 0.5, 0.45, 0.25)]
cif_weights = st.lists(
    st.one_of(st.floats(0, 1, width=32), st.sampled_from([0.0, 1.0, 0.5, 0.25, 1e-45, 1e-38, *ALMOST])), max_size=40
)


@given(st.lists(cif_weights, max_size=4), st.sampled_from([1.0, 0.5, 0.95, 0.3]), st.booleans())
def test_whatever_the_weights_fires_are_finite_in_order_and_lose_no_weight(
    chunks: list[list[float]], threshold: float, is_final: bool
) -> None:
    geometry = replace(geometry_of_the_demo(), fire_threshold=threshold, size=2)
    state, fired, total = first_state(geometry, SHAPE), 0, 0.0
    for number, chunk in enumerate(chunks):
        weights, hidden = np.array(chunk, dtype=np.float32), np.ones((len(chunk), 2), dtype=np.float32)
        ends = is_final and number == len(chunks) - 1
        with np.errstate(all="raise", under="ignore"):
            fires = integrate(hidden, weights, state, geometry, ends)
        assert np.isfinite([*fires.places, fires.weight, *fires.vector, *np.ravel(fires.vectors)]).all()
        assert fires.places == sorted(fires.places)
        assert all(-1 <= place <= len(chunk) + 1 for place in fires.places)
        fired += len(fires.vectors)
        total += float(weights.sum(dtype=np.float64)) + (geometry.tail_weight if ends else 0.0)
        assert fired * threshold + fires.weight == pytest.approx(total, abs=1e-4)
        for vector in [] if ends else fires.vectors:  # of hidden vectors that are 1 the weighted sum is the threshold
            assert vector == pytest.approx(threshold, abs=1e-5)
        state = replace(state, fire_weight=fires.weight, fire_vector=fires.vector)


def test_positions_are_those_of_funasr() -> None:
    import torch
    from funasr.models.transformer.embedding import StreamSinusoidalPositionEncoder

    encoder = StreamSinusoidalPositionEncoder()
    wanted = encoder(torch.zeros(1, 30, 560), {"start_idx": 300})[0].numpy()
    np.testing.assert_allclose(positions(300, 30, 560), wanted, atol=2e-4)


@functools.lru_cache(maxsize=None)
def geometry_of_the_demo() -> Geometry:
    files = read_folder(DEMO_MODEL)
    return Geometry.of(files.config, len(files.tokens))
