"""Token for token what FunASR's own loop decodes, and no tentative tail changes it."""

from __future__ import annotations

import functools
import importlib.util
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Iterator

import numpy as np
import pytest

from common.engines.choose import load_engine
from common.engines.seam import Engine
from common.settings.flags import DEMO_MODEL
from common.settings.services import StreamingConfig
from common.units import LFR_FRAME_SAMPLES
from tests.audio import recordings_of_many_lengths
from tests.engines.small_models import configured
from tools.random_model.make_random_model import make
from tools.verify.funasr_loop import NEAR_TIE, Decoded, FunasrLoop, padded_as_finish_does

CHUNK_SIZES = [(0, 10, 5), (0, 8, 4), (5, 10, 5)]
LOOK_BACKS = [(4, 1), (0, 0)]
RECORDINGS = 34
SAME_LOG_PROB = 1e-3
REAL_GEOMETRY = Path(__file__).resolve().parents[2] / ".cache" / "random-model"

ENGINES = [
    *[pytest.param(("demo", engine), id=f"demo-model-{engine}") for engine in ("funasr", "torch", "openvino")],
    *[
        pytest.param(("random", engine), id=f"random-weights-real-geometry-{engine}", marks=pytest.mark.full)
        for engine in ("funasr", "torch", "openvino")
    ],
]


@dataclass(frozen=True)
class Pair:
    """An engine in single precision and FunASR's own loop on the same model."""

    config: StreamingConfig
    engine: Any

    def view(self, **settings: Any) -> Engine:
        """The engine with other settings, its model loaded once; OpenVINO's graphs are made for their settings."""
        config = replace(self.config, **settings)
        return load_engine(config) if config.engine == "openvino" else configured(self.engine, config)

    def by_funasr(self, number: int, chunk_size: tuple[int, int, int], look_backs: tuple[int, int]) -> Decoded:
        return by_funasr(str(self.config.model_dir), number, chunk_size, look_backs)


@functools.lru_cache(maxsize=None)
def funasr_loop(folder: str) -> FunasrLoop:
    return FunasrLoop(Path(folder), threads=1 if folder == str(DEMO_MODEL) else 2)


@functools.lru_cache(maxsize=None)
def by_funasr(folder: str, number: int, chunk_size: tuple[int, int, int], look_backs: tuple[int, int]) -> Decoded:
    """FunASR takes longest: what it decodes is compared with every engine."""
    samples = recordings()[number]
    return funasr_loop(folder).decode(padded_as_finish_does(samples, chunk_size[1] * 960), chunk_size, look_backs)


@functools.lru_cache(maxsize=None)
def recordings() -> list[np.ndarray]:
    return recordings_of_many_lengths(RECORDINGS)


@pytest.fixture(scope="module", params=ENGINES)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    model, engine = request.param
    if engine == "openvino" and importlib.util.find_spec("openvino") is None:
        pytest.skip("OpenVINO needs Python 3.10 or newer")
    folder = DEMO_MODEL if model == "demo" else make(REAL_GEOMETRY)
    threads = 1 if model == "demo" else 2
    settings = {"device": "cpu", "engine": engine, "precision": "float32", "threads": threads}
    config = StreamingConfig(model_dir=str(folder), **settings)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        yield Pair(config, load_engine(config))


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
    for number, samples in enumerate(recordings()):
        expected = pair.by_funasr(number, chunk_size, look_backs)
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
    for number, samples in enumerate(recordings()[::3]):
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
