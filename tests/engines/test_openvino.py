"""The engine on OpenVINO: the text of single precision, prepared once, mended when damaged, without torch."""

from __future__ import annotations

import ast
import importlib.util
import logging
import random
import re
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.engines.cache_folder import SHARED, cache_root
from common.engines.loading import Loading
from common.engines.streaming_step import Shape, first_state, step
from common.errors import FatalError
from common.settings.flags import DEMO_MODEL
from common.settings.services import StreamingConfig
from tests.audio import DEMO_SPEECH, ROOT, read
from tests.engines.test_equality import REAL_GEOMETRY
from tools.random_model.make_random_model import make

if importlib.util.find_spec("openvino") is None:
    pytest.skip("OpenVINO needs Python 3.10 or newer", allow_module_level=True)

CONFIG = StreamingConfig(model_dir=str(DEMO_MODEL), device="cpu", threads=1, engine="openvino", precision="int8")
LOADS = """
import logging, sys
sys.path.insert(0, sys.argv[1])
logging.basicConfig(level=logging.INFO, format="%(message)s")
from common.settings.services import StreamingConfig
from common.engines.choose import load_engine
from common.speech.vad import load_vad
engine = load_engine(StreamingConfig(model_dir=sys.argv[2], device="cpu", threads=1))
load_vad()
print(type(engine.network).__name__, engine.precision, *sorted({"torch", "funasr", "openvino_telemetry"} & set(
    name for name, module in sys.modules.items() if module is not None)))
"""


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_root()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """The verdict is made on two sentences; on as many as it takes in test_judge.py."""
    monkeypatch.setattr("common.engines.openvino.judge.LONGEST_SEC", 5.0)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache folder with the engine of CONFIG in it."""
    with pytest.MonkeyPatch.context() as patch:
        home = tmp_path_factory.mktemp("cache")
        patch.setenv("XDG_CACHE_HOME", str(home))
        text_of(CONFIG)
        return home


def entries(cache: Path, what: str = "") -> list[Path]:
    from common.engines.openvino.cache import entry_of

    found = {path: entry_of(path) for path in cache.iterdir()}
    return [path for path, entry in found.items() if entry is not None and what in entry["what"]]


def loads_in_a_process(**options: Any) -> subprocess.Popen[bytes]:
    arguments = [sys.executable, "-c", LOADS, str(ROOT), str(DEMO_MODEL)]
    return subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


def loaded(config: StreamingConfig, **options: Any) -> Any:
    from common.engines.choose import load_engine

    return load_engine(config, **options)


def text_of(config: StreamingConfig) -> tuple[int, ...]:
    from common.engines.openvino.judge import decoded

    return decoded(loaded(config), read(DEMO_SPEECH / "single01.wav")).tokens


def imported(tree: ast.AST) -> set[str]:
    nodes = list(ast.walk(tree))
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    texts = {node.args[0].value for node in nodes if isinstance(node, ast.Call) and node.args and _names_a_module(node)}
    return {name.split(".")[0] for name in names | texts}


def _names_a_module(call: ast.Call) -> bool:
    function = getattr(call.func, "id", getattr(call.func, "attr", ""))
    return function in ("import_module", "import_or_explain", "importorskip") and isinstance(call.args[0], ast.Constant)


def test_openvino_is_imported_in_one_place_which_keeps_its_telemetry_out() -> None:
    files = [path for path in ROOT.rglob("*.py") if not any(part.startswith(".") for part in path.parts)]
    importing = [path for path in files if "openvino" in imported(ast.parse(path.read_text(encoding="utf-8")))]
    assert [path.relative_to(ROOT).as_posix() for path in importing] == ["common/engines/openvino/package.py"]


@pytest.mark.parametrize("module", ["common.speech.vad", "common.doctor.probes", "common.engines.openvino.package"])
def test_openvino_telemetry_is_not_imported(module: str) -> None:
    """Each of these is the first to import OpenVINO in some process."""
    begin = {"vad": "load_vad()", "probes": "PROBES['openvino']('openvino')", "package": "openvino()"}
    code = f"from {module} import *; {begin[module.rsplit('.', 1)[1]]}\n"
    code += "import sys; print(sys.modules['openvino_telemetry'])"
    done = subprocess.run([sys.executable, "-c", code], cwd=str(ROOT), stdout=subprocess.PIPE, check=True, text=True)
    assert done.stdout == "None\n"


@pytest.mark.parametrize("chunk_size", [(0, 10, 5), (0, 8, 4), (5, 10, 5)], ids=str)
def test_int8_gives_the_tokens_of_single_precision(cache: Path, chunk_size: tuple[int, int, int]) -> None:
    from common.engines.openvino import judge

    config = replace(CONFIG, chunk_size=chunk_size)
    audio = list(judge.recordings())
    single, int8 = (
        [judge.decoded(engine, samples) for samples in audio]
        for engine in (loaded(replace(config, precision="float32")), loaded(config))
    )
    verdict = judge.compared(single, int8)
    assert verdict.accepted
    assert verdict.sure > 100


@pytest.mark.parametrize("precision", ["int8", "float32"])
@pytest.mark.parametrize("model", ["demo", pytest.param("random-weights-real-geometry", marks=pytest.mark.full)])
def test_both_halves_compute_what_torch_computes(model: str, precision: str) -> None:
    """Of random weights every token is a near tie, so the numbers are compared, not the tokens."""
    from common.engines.checkpoint import checked_state
    from common.engines.choose import geometry_of
    from common.engines.geometry import tensor_shapes
    from common.engines.model_folder import read_folder
    from common.engines.openvino import graphs
    from common.engines.openvino.network import OpenvinoNetwork
    from common.engines.openvino.weights import Weights, laid_out
    from common.engines.torch_engine import TorchNetwork

    files = read_folder(DEMO_MODEL if model == "demo" else make(REAL_GEOMETRY))
    geometry = geometry_of(files)
    checkpoint = checked_state(files.path("model.pt"), tensor_shapes(geometry))
    places = laid_out(tensor_shapes(geometry), int8=precision == "int8")
    weights = Weights.in_memory(checkpoint, places, lambda _: None)
    shape = Shape(5, 10, 5, 4, 1)
    requests = [graphs.Request(each, keep=weights) for each in graphs.compiled(geometry, shape, weights, 1)]
    networks = (TorchNetwork(geometry, checkpoint, "cpu"), OpenvinoNetwork(geometry, shape, *requests))
    states = [first_state(geometry, shape)] * 2
    for number in range(5):  # the keys and values of the last three are attended to
        rows = np.random.default_rng(number).normal(size=(10, geometry.inputs)).astype(np.float32)
        states = [step(network, shape, rows, state)[1] for network, state in zip(networks, states)]
    for count in (20, 13):  # all rows, and a last piece
        rows = np.random.default_rng(9).normal(size=(count, geometry.inputs)).astype(np.float32) * geometry.size**0.5
        wanted, found = (network.encode(rows, state.blocks, 40) for network, state in zip(networks, states))
        exact = precision == "float32"
        difference = np.linalg.norm(found.hidden - wanted.hidden) / np.linalg.norm(wanted.hidden)
        assert difference < (1e-4 if exact else 0.05)
        assert np.abs(found.weights - wanted.weights).max() < (1e-4 if exact else 0.05)
        fired = wanted.hidden[:9]  # more than the graph takes at once
        wanted, found = (network.decode(fired, wanted.hidden, None, None, 10) for network in networks)
        difference = np.abs(found.log_probs - wanted.log_probs)
        assert difference.max() < 1e-2 if exact else np.median(difference) < 0.3


def test_neither_a_first_nor_a_later_start_imports_torch_and_only_the_first_prepares(cache: Path) -> None:
    for start in ("first", "later"):
        stdout, log = loads_in_a_process().communicate()
        assert stdout.decode().split() == ["OpenvinoNetwork", "int8"]
        assert (b"preparing" in log) == (start == "first")
    assert len(entries(cache)) == 3  # weights, verdict, graphs


def test_ten_that_start_at_once_prepare_once_and_the_others_say_that_they_wait(cache: Path) -> None:
    processes = [loads_in_a_process() for _ in range(10)]
    logs = []
    for process in processes:
        stdout, log = process.communicate()
        assert stdout.decode().split() == ["OpenvinoNetwork", "int8"]
        logs.append(log)
    assert sum(b"preparing" in log and b"waiting" not in log for log in logs) == 1
    assert sum(log.count(b"(once)") for log in logs) == 2  # the model, and the graphs
    assert sum(b"waiting: another process" in log for log in logs) > 0
    assert len(entries(cache)) == 3
    assert not list(cache.glob(".building-*"))


@pytest.mark.full
def test_ten_that_start_at_once_and_half_of_which_are_killed_leave_five_services_and_nothing_else(cache: Path) -> None:
    choose = random.Random(0)
    processes = [loads_in_a_process() for _ in range(10)]
    for process in processes[::2]:
        time.sleep(choose.random())
        process.kill()
    outputs = [process.communicate()[0].decode().split() for process in processes]
    assert outputs[1::2] == [["OpenvinoNetwork", "int8"]] * 5
    loaded(replace(CONFIG, precision="auto"))  # the next start sweeps
    assert len(entries(cache)) == 3
    assert not list(cache.glob(".building-*"))


def test_another_setting_costs_graphs_and_nothing_else(
    cache: Path, short: None, caplog: pytest.LogCaptureFixture
) -> None:
    config = replace(CONFIG, precision="auto")
    loaded(config)
    [weights], [verdict] = entries(cache, "weights"), entries(cache, "verdict")
    state = (weights / "weights.bin").stat()
    others = [
        {"threads": 2},
        {"chunk_size": (0, 10, 5)},
        {"encoder_chunk_look_back": 0},
        {"decoder_chunk_look_back": 2},
    ]
    for number, other in enumerate(others, start=2):
        with caplog.at_level(logging.INFO):
            loaded(replace(config, **other))
        assert len(entries(cache, "graphs")) == number
    assert (weights / "weights.bin").stat().st_ino == state.st_ino
    assert (entries(cache, "weights"), entries(cache, "verdict")) == ([weights], [verdict])
    assert caplog.text.count("held against") == 0
    for folder in entries(cache, "graphs"):
        assert sum(path.stat().st_size for path in folder.iterdir()) < state.st_size


@pytest.mark.parametrize("verdict", ["{}", "null", '{"tokens": "many"}', '{"tokens": 5, "moved": [], "other": 1}'])
def test_a_verdict_that_cannot_be_read_is_made_again(cache: Path, short: None, verdict: str) -> None:
    config = replace(CONFIG, precision="auto")
    loaded(config)
    [folder] = entries(cache, "verdict")
    good = (folder / "entry.json").read_text()
    (folder / "entry.json").write_text(re.sub(r'"verdict": \{.*?\}', f'"verdict": {verdict}', good))
    assert loaded(config).precision == "int8"
    assert (folder / "entry.json").read_text() == good


def test_int8_that_is_asked_for_is_not_judged(cache: Path, prepared: Path) -> None:
    shutil.copytree(prepared, cache.parent, dirs_exist_ok=True)
    assert len(entries(cache, "verdict")) == 0
    assert loaded(CONFIG).precision == "int8"


def test_single_precision_keeps_no_copy_of_the_weights(cache: Path) -> None:
    assert loaded(replace(CONFIG, precision="float32")).precision == "float32"
    [folder] = entries(cache)
    assert sum(path.stat().st_size for path in folder.iterdir()) < (DEMO_MODEL / "model.pt").stat().st_size / 4


def half_precision(folder: Path) -> Path:
    """The demo model with numbers that OpenVINO cannot read where they lie."""
    import torch

    shutil.copytree(str(DEMO_MODEL), str(folder))
    state = torch.load(str(DEMO_MODEL / "model.pt"), weights_only=True)
    torch.save({name: value.half() for name, value in state.items()}, str(folder / "model.pt"))
    return folder


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_a_checkpoint_in_half_precision_is_written_out_and_decodes(cache: Path, tmp_path: Path, precision: str) -> None:
    config = replace(CONFIG, model_dir=str(half_precision(tmp_path / "model")), precision=precision)
    first, second = text_of(config), text_of(config)
    assert first == second == text_of(replace(CONFIG, precision="float32"))
    assert len(entries(cache, f"{precision} weights")) == 1


@pytest.mark.parametrize("name", ["encoder.blob", "decoder.blob", "weights.bin"])
@pytest.mark.parametrize("damage", ["truncated", "overwritten", "not numbers", "missing"])
def test_a_damaged_entry_is_made_again(
    cache: Path, prepared: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, damage: str, name: str
) -> None:
    shutil.copytree(prepared, tmp_path, dirs_exist_ok=True)
    wanted = text_of(CONFIG)
    assert caplog.text == ""
    [path] = cache.glob(f"*/{name}")
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        filler = b"\xff" if damage == "not numbers" else b"\0"  # nan, and 0
        path.write_bytes(content[:5000] if damage == "truncated" else filler * len(content))
    assert text_of(CONFIG) == wanted
    size = next(cache.glob(f"*/{name}")).stat().st_size
    assert size == pytest.approx(len(content), rel=0.02)  # the names of a graph's nodes are counted on
    if damage in ("overwritten", "not numbers"):
        assert "made again" in caplog.text


def test_auto_takes_single_precision_on_openvino_where_int8_is_another_text(
    cache: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    from common.engines.openvino import weights
    from common.engines.openvino.network import OpenvinoNetwork

    coarse = lambda matrix: np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-8) / 3.0  # noqa: E731
    monkeypatch.setattr(weights, "row_scales", coarse)
    for _ in range(2):  # made, and from the cache
        caplog.clear()
        engine = loaded(replace(CONFIG, engine="auto", precision="auto"))
        assert isinstance(engine.network, OpenvinoNetwork)
        assert engine.precision == "float32"
        assert caplog.text.count("single precision decodes") == 1
    assert loaded(CONFIG).precision == "int8"


@pytest.mark.parametrize("precision", ["int8", "float32"])
def test_weights_that_are_not_finite_are_refused(cache: Path, tmp_path: Path, precision: str) -> None:
    import torch

    folder = Path(shutil.copytree(str(DEMO_MODEL), str(tmp_path / "model")))
    state = torch.load(str(folder / "model.pt"), weights_only=True)
    state["encoder.encoders.2.norm2.bias"][5] = float("nan")
    torch.save(state, str(folder / "model.pt"))
    for engine in ("openvino", "torch"):
        if (engine, precision) == ("torch", "int8"):
            continue
        with pytest.raises(FatalError, match=r"encoder\.encoders\.2\.norm2\.bias.*not finite") as refused:
            loaded(replace(CONFIG, model_dir=str(folder), precision=precision, engine=engine))
        assert refused.value.error_code == "model_load_failed"
    assert not list(cache.glob("*.building-*"))


def test_progress_goes_from_0_to_1_while_it_prepares_and_is_silent_when_nothing_is_prepared(cache: Path) -> None:
    told: list[tuple[str, float]] = []
    prepared: list[bool] = []
    loading = Loading(lambda *what: told.append(what), lambda: prepared.append(True))
    config = replace(CONFIG, precision="auto")
    loaded(config, loading=loading)
    parts = [part for _, part in told]
    assert {state for state, _ in told} == {"preparing"}
    assert (parts[0], parts[-1], prepared) == (0.0, 1.0, [])
    assert parts == sorted(parts)
    assert max(later - earlier for earlier, later in zip(parts, parts[1:])) < 0.35
    told.clear()
    loaded(config, loading=loading)
    assert (told, prepared[:1]) == ([], [True])


def test_a_prepared_cache_is_shared_with_those_who_cannot_write(
    cache: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(SHARED, str(prepared / "funasr-streaming"))
    with caplog.at_level(logging.INFO):
        text_of(CONFIG)
    assert "preparing" not in caplog.text
    assert entries(cache) == []
    text_of(replace(CONFIG, threads=2))
    assert (len(entries(cache, "graphs")), len(entries(cache, "weights"))) == (1, 0)


def test_a_damaged_shared_cache_is_not_used(
    cache: Path, prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shared = Path(shutil.copytree(prepared / "funasr-streaming", tmp_path / "shared"))
    [path] = shared.glob("*/weights.bin")
    path.write_bytes(bytes(path.stat().st_size))
    monkeypatch.setenv(SHARED, str(shared))
    text_of(CONFIG)
    assert "is damaged and is not used" in caplog.text
    assert len(entries(cache)) == 2
