"""Token for token what FunASR's own loop decodes, and no tentative tail changes it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest

from common.audio.quiet import quiet_noise
from common.config import DEMO_MODEL, StreamingConfig
from common.funasr_engine import FunasrEngine, load_engine
from tests.audio import recordings_of_many_lengths
from tests.engine.reference import FunasrLoop
from tools.make_random_model import make

CHUNK_SIZES = [(0, 10, 5), (0, 8, 4), (5, 10, 5)]
LOOK_BACKS = [(4, 1), (0, 0)]
RECORDINGS = 34
NEAR_TIE = 1e-3  # log-probability: below this lead, rounding may choose the other token
SAME_LOG_PROB = 1e-3
REAL_GEOMETRY = Path(__file__).resolve().parents[2] / ".cache" / "random-model"

geometries = [
    pytest.param("demo", id="demo-model"),
    pytest.param("random", id="random-weights-real-geometry", marks=pytest.mark.full),
]


@pytest.fixture(scope="module", params=geometries)
def models(request: pytest.FixtureRequest) -> Iterator[tuple[FunasrEngine, FunasrLoop]]:
    folder = DEMO_MODEL if request.param == "demo" else make(REAL_GEOMETRY)
    yield load_engine(StreamingConfig(model_dir=str(folder), device="cpu")), FunasrLoop(folder)


def padded_as_finish_does(samples: np.ndarray, stride: int) -> np.ndarray:
    """FunASR ignores a last piece under 960 samples; our sessions fill it up with quiet noise instead."""
    missing = max(0, 960 - len(samples) % stride)
    return np.concatenate([samples, quiet_noise(len(samples), missing)])


def decode(engine: FunasrEngine, samples: np.ndarray, seed: int = 0, peek_chance: float = 0.0) -> Any:
    """The session's hypothesis, the samples handed over in random blocks, with peeks in between."""
    rng = np.random.default_rng(seed)
    session = engine.session()
    position = 0
    while position < len(samples):
        block = int(rng.integers(1, 5000))
        session.accept(samples[position : position + block])
        position += block
        if rng.random() < peek_chance:
            session.peek()
    return session.finish()


@pytest.mark.parametrize("look_backs", LOOK_BACKS, ids=str)
@pytest.mark.parametrize("chunk_size", CHUNK_SIZES, ids=str)
def test_a_session_decodes_token_for_token_what_funasr_decodes(
    models: tuple[FunasrEngine, FunasrLoop], chunk_size: tuple[int, int, int], look_backs: tuple[int, int]
) -> None:
    engine, reference = models
    view = engine.configured(
        StreamingConfig(
            chunk_size=chunk_size, encoder_chunk_look_back=look_backs[0], decoder_chunk_look_back=look_backs[1]
        )
    )
    compared = near_ties = 0
    for number, samples in enumerate(recordings_of_many_lengths(RECORDINGS)):
        expected = reference.decode(padded_as_finish_does(samples, chunk_size[1] * 960), chunk_size, look_backs)
        hypothesis = decode(view, samples, seed=number)
        tokens = [engine.token_list[token] for token in hypothesis.tokens]
        assert len(tokens) == len(expected.tokens)
        for token, wanted, margin in zip(tokens, expected.tokens, expected.margins):
            near_ties += token != wanted
            assert token == wanted or margin < NEAR_TIE
        assert np.allclose(hypothesis.log_probs, expected.log_probs, atol=SAME_LOG_PROB)
        compared += len(tokens)
    print(f"{compared} tokens compared, {near_ties} near ties differ")
    assert compared > 50  # something was compared


def test_a_peek_never_changes_what_is_committed(models: tuple[FunasrEngine, FunasrLoop]) -> None:
    engine, _ = models
    for number, samples in enumerate(recordings_of_many_lengths(RECORDINGS)[::3]):
        with_peeks = decode(engine, samples, seed=number, peek_chance=0.7)
        assert with_peeks == decode(engine, samples, seed=number)


def test_a_session_that_heard_nothing_says_nothing(models: tuple[FunasrEngine, FunasrLoop]) -> None:
    session = models[0].session()
    assert session.peek().tokens == ()
    assert session.finish().tokens == ()
