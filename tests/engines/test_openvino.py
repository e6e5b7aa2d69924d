"""The int8 engine: the same text as single precision, built once, mended when damaged, safe when two start at once."""

from __future__ import annotations

import logging
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.engines.cache_folder import cache_root
from common.engines.openvino.cache import entry_of
from common.engines.streaming_step import Shape, first_state, step
from common.settings.flags import DEMO_MODEL, DEMO_SPEECH, StreamingConfig
from tests.audio import ROOT, read
from tests.engines.test_equality import REAL_GEOMETRY
from tools.random_model.make_random_model import make

pytest.importorskip("openvino", reason="OpenVINO needs Python 3.10 or newer")

CONFIG = StreamingConfig(model_dir=str(DEMO_MODEL), device="cpu", threads=1, engine="openvino")
LOADS = (
    "import sys; sys.path.insert(0, sys.argv[1])\n"
    "from common.settings.flags import StreamingConfig\n"
    "from common.engines.choose import load_engine\n"
    "from common.speech.vad import load_vad\n"
    "engine = load_engine(StreamingConfig(model_dir=sys.argv[2], device='cpu', threads=1, engine='auto'))\n"
    "load_vad()\n"
    "print(type(engine.network).__name__, 'torch' in sys.modules, 'funasr' in sys.modules)\n"
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_root()


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the engine of CONFIG in it; what int8 changes is compared elsewhere, and takes long."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(home))
        patch.setattr("common.engines.openvino.build.agreement", lambda *_: (1, 1))
        text_of(CONFIG)
        return home


def entries(cache: Path) -> list[Path]:
    return [path for path in cache.iterdir() if entry_of(path) is not None]


def loads_in_a_process() -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", LOADS, str(ROOT), str(DEMO_MODEL)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE)


def text_of(config: StreamingConfig) -> list[int]:
    from common.engines.choose import load_engine
    from common.engines.openvino.build import decoded

    return decoded(load_engine(config), read(DEMO_SPEECH)[: 20 * 16000])


@pytest.mark.parametrize("chunk_size", [(0, 10, 5), (0, 8, 4), (5, 10, 5)], ids=str)
def test_int8_gives_the_tokens_of_single_precision(cache: Path, chunk_size: tuple[int, int, int]) -> None:
    from common.engines.choose import load_engine

    load_engine(replace(CONFIG, chunk_size=chunk_size))
    [folder] = entries(cache)
    assert entry_of(folder)["agreement"] >= 0.99


@pytest.mark.full
@pytest.mark.parametrize("look_backs", [(0, 0), (1, 3)], ids=str)
def test_other_look_backs_are_other_graphs_that_decode_the_same(cache: Path, look_backs: tuple[int, int]) -> None:
    """The demo model was trained at 4 and 1: without its context more is a near tie."""
    from common.engines.choose import load_engine

    load_engine(replace(CONFIG, encoder_chunk_look_back=look_backs[0], decoder_chunk_look_back=look_backs[1]))
    [folder] = entries(cache)
    assert entry_of(folder)["agreement"] >= 0.96


@pytest.mark.parametrize("model", ["demo", pytest.param("random-weights-real-geometry", marks=pytest.mark.full)])
def test_both_halves_compute_what_single_precision_computes(tmp_path: Path, model: str) -> None:
    """Of random weights every token is a near tie, so the numbers are compared, not the tokens."""
    from common.engines.checkpoint import checked_state
    from common.engines.choose import geometry_of
    from common.engines.geometry import tensor_shapes
    from common.engines.model_folder import read_folder
    from common.engines.openvino.build import write_graphs
    from common.engines.openvino.network import OpenvinoNetwork
    from common.engines.torch_engine import TorchNetwork, tensors_of

    files = read_folder(DEMO_MODEL if model == "demo" else make(REAL_GEOMETRY))
    geometry = geometry_of(files)
    weights = checked_state(files.path("model.pt"), tensor_shapes(geometry))
    shape = Shape(5, 10, 5, 4, 1)
    write_graphs(geometry, shape, tensors_of(weights), tmp_path, threads=1)
    networks = (TorchNetwork(geometry, weights, "cpu"), OpenvinoNetwork(geometry, shape, tmp_path, 1))
    states = [first_state(geometry, shape)] * 2
    for number in range(5):  # the keys and values of the last three are attended to
        rows = np.random.default_rng(number).normal(size=(10, geometry.inputs)).astype(np.float32)
        states = [step(network, shape, rows, state)[1] for network, state in zip(networks, states)]
    rows = np.random.default_rng(9).normal(size=(20, geometry.inputs)).astype(np.float32) * geometry.size**0.5
    wanted, found = (network.encode(rows, state.blocks, 40) for network, state in zip(networks, states))
    assert np.linalg.norm(found.hidden - wanted.hidden) < 0.05 * np.linalg.norm(wanted.hidden)
    assert np.abs(found.weights - wanted.weights).max() < 0.05
    wanted, found = (network.decode(wanted.hidden[:4], wanted.hidden, None, None, 10) for network in networks)
    assert np.median(np.abs(found.log_probs - wanted.log_probs)) < 0.3


def test_a_second_start_builds_nothing_and_imports_no_torch(cache: Path) -> None:
    first, second = (loads_in_a_process().communicate()[0].decode().split() for _ in range(2))
    assert first == ["OpenvinoNetwork", "True", "False"]
    assert second == ["OpenvinoNetwork", "False", "False"]
    assert len(entries(cache)) == 1


def test_two_that_start_at_once_share_one_entry(cache: Path) -> None:
    processes = [loads_in_a_process() for _ in range(2)]
    assert [process.communicate()[0].split()[0] for process in processes] == [b"OpenvinoNetwork"] * 2
    assert len(entries(cache)) == 1
    assert not list(cache.glob(".building-*"))


@pytest.mark.parametrize("name", ["encoder.blob", "encoder.bin"])
@pytest.mark.parametrize("damage", ["truncated", "overwritten", "missing"])
def test_a_damaged_entry_is_made_again(
    cache: Path,
    prepared: Path,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    damage: str,
    name: str,
) -> None:
    monkeypatch.setattr("common.engines.openvino.build.agreement", lambda *_: (1, 1))
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    with caplog.at_level(logging.WARNING):
        wanted = text_of(CONFIG)
    assert "made again" not in caplog.text
    [folder] = entries(cache)
    blob = folder / name
    content = blob.read_bytes()
    if damage == "missing":
        blob.unlink()
    else:
        blob.write_bytes(content[:5000] if damage == "truncated" else bytes(len(content)))
    with caplog.at_level(logging.WARNING):
        assert text_of(CONFIG) == wanted
    assert "made again" in caplog.text


def test_the_cache_is_for_the_user_alone(prepared: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(prepared))
    assert cache_root().stat().st_mode & 0o077 == 0


def test_auto_takes_single_precision_where_int8_is_another_text(
    cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from common.engines.choose import load_engine
    from common.engines.openvino import build as openvino_build
    from common.engines.torch_engine import TorchNetwork

    coarse = lambda matrix: np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-8) / 3.0  # noqa: E731
    monkeypatch.setattr(openvino_build, "row_scales", coarse)
    with caplog.at_level(logging.WARNING):
        engine = load_engine(replace(CONFIG, engine="auto"))
    assert isinstance(engine.network, TorchNetwork)
    assert "torch decodes" in caplog.text
