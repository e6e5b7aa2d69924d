"""Token for token what FunASR's own loop decodes, and no tentative tail changes it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest

from common.engines.choose import load_engine
from common.engines.seam import Engine
from common.settings.flags import DEMO_MODEL, StreamingConfig
from common.units import LFR_FRAME_SAMPLES
from tests.audio import recordings_of_many_lengths
from tools.random_model.make_random_model import make
from tools.verify.funasr_loop import NEAR_TIE, FunasrLoop, padded_as_finish_does

CHUNK_SIZES = [(0, 10, 5), (0, 8, 4), (5, 10, 5)]
LOOK_BACKS = [(4, 1), (0, 0)]
RECORDINGS = 34
SAME_LOG_PROB = 1e-3
REAL_GEOMETRY = Path(__file__).resolve().parents[2] / ".cache" / "random-model"

ENGINES = [
    pytest.param(("demo", "funasr"), id="demo-model-funasr"),
    pytest.param(("demo", "torch"), id="demo-model-torch"),
    pytest.param(("random", "funasr"), id="random-weights-real-geometry-funasr", marks=pytest.mark.full),
    pytest.param(("random", "torch"), id="random-weights-real-geometry-torch", marks=pytest.mark.full),
]


@dataclass(frozen=True)
class Pair:
    """An engine and FunASR's own loop on the same model."""

    engine: Any
    reference: FunasrLoop

    def view(self, **settings: Any) -> Engine:
        """The engine with other settings, its model loaded once."""
        return self.engine.configured(StreamingConfig(**settings))


@pytest.fixture(scope="module", params=ENGINES)
def pair(request: pytest.FixtureRequest) -> Iterator[Pair]:
    model, engine = request.param
    folder = DEMO_MODEL if model == "demo" else make(REAL_GEOMETRY)
    threads = 1 if model == "demo" else 2
    config = StreamingConfig(model_dir=str(folder), device="cpu", engine=engine, threads=threads)
    yield Pair(load_engine(config), FunasrLoop(folder))


def decode(engine: Engine, samples: np.ndarray, seed: int = 0, peek_chance: float = 0.0) -> Any:
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
    pair: Pair, chunk_size: tuple[int, int, int], look_backs: tuple[int, int]
) -> None:
    engine = pair.view(
        chunk_size=chunk_size, encoder_chunk_look_back=look_backs[0], decoder_chunk_look_back=look_backs[1]
    )
    compared = near_ties = 0
    for number, samples in enumerate(recordings_of_many_lengths(RECORDINGS)):
        expected = pair.reference.decode(padded_as_finish_does(samples, chunk_size[1] * 960), chunk_size, look_backs)
        hypothesis = decode(engine, samples, seed=number)
        tokens = [engine.token_list[token] for token in hypothesis.tokens]
        assert len(tokens) == len(expected.tokens)
        for token, wanted, margin in zip(tokens, expected.tokens, expected.margins):
            near_ties += token != wanted
            assert token == wanted or margin < NEAR_TIE
        assert np.allclose(hypothesis.log_probs, expected.log_probs, atol=SAME_LOG_PROB)
        compared += len(tokens)
    print(f"{compared} tokens compared, {near_ties} near ties differ")
    assert compared > 50  # something was compared


def test_a_peek_never_changes_what_is_committed(pair: Pair) -> None:
    engine = pair.view()
    for number, samples in enumerate(recordings_of_many_lengths(RECORDINGS)[::3]):
        with_peeks = decode(engine, samples, seed=number, peek_chance=0.7)
        assert with_peeks == decode(engine, samples, seed=number)


def test_fires_are_in_order_and_none_fires_before_or_after_the_sound(pair: Pair) -> None:
    engine = pair.view()
    for samples in recordings_of_many_lengths(RECORDINGS)[::5]:
        hypothesis = decode(engine, samples)
        assert len(hypothesis.fires) == len(hypothesis.tokens)
        assert all(earlier < later for earlier, later in zip(hypothesis.fires, hypothesis.fires[1:]))
        assert all(0 <= fire <= len(samples) + 2 * LFR_FRAME_SAMPLES for fire in hypothesis.fires)


def test_a_session_that_heard_nothing_says_nothing(pair: Pair) -> None:
    session = pair.view().session()
    assert session.peek().tokens == ()
    assert session.finish().tokens == ()
