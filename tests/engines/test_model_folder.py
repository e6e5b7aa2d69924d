"""A model folder is somebody else's: its numbers are checked before anything is made of them, its files are small."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.engines.choose import load_engine
from common.engines.folder_numbers import mean_and_variance
from common.engines.model_folder import LARGEST, read_folder
from common.errors import FatalError
from common.finals.punctuation import PUNCTUATION, load_punctuation
from common.finals.second_pass import SECOND_PASS, load_second_pass
from common.settings.flags import DEMO_MODEL
from common.settings.services import StreamingConfig
from tests.engines.small_models import make_punctuation, make_second_pass
from tools.random_model.make_random_model import configuration, write_small_files

ENGINES = ["torch", "openvino", "funasr"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of the demo model."""
    shutil.copytree(str(DEMO_MODEL), str(tmp_path / "model"))
    return tmp_path / "model"


def refusal(folder: Path) -> str:
    """What read_folder says of a folder that it refuses."""
    with pytest.raises(FatalError) as refused:
        read_folder(folder)
    assert refused.value.error_code == "model_load_failed"
    assert len(str(refused.value)) < 800 and "\n" not in str(refused.value)
    return str(refused.value)


def put(folder: Path, section: str, key: str, value: Any) -> None:
    conf = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    conf[section][key] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")


def test_the_numbers_of_the_published_geometry_are_within_bounds(tmp_path: Path) -> None:
    write_small_files(tmp_path)
    with (tmp_path / "model.pt").open("wb") as checkpoint:
        checkpoint.truncate(220_000_000 * 4)
    assert read_folder(tmp_path).config == configuration()


NO_COUNTS = [0, -1, 10**6, 10**30, 2.0, 2.5, True, "6", None, [6], float("nan"), float("inf")]
COUNTS = [
    ("encoder_conf", ["output_size", "attention_heads", "linear_units", "num_blocks", "kernel_size"]),
    ("decoder_conf", ["attention_heads", "linear_units", "num_blocks", "att_layer_num", "kernel_size"]),
    ("frontend_conf", ["n_mels", "lfr_m", "lfr_n", "fs", "frame_length", "frame_shift"]),
]


@pytest.mark.parametrize(("section", "key"), [(section, key) for section, keys in COUNTS for key in keys])
def test_a_count_that_is_none_or_absurd_is_refused_by_its_name(folder: Path, section: str, key: str) -> None:
    for value in NO_COUNTS:
        put(folder, section, key, value)
        assert f"{key} of {section}" in refusal(folder), value


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("predictor_conf", "threshold", 0),
        ("predictor_conf", "threshold", float("nan")),
        ("predictor_conf", "tail_threshold", -0.5),
        ("predictor_conf", "tail_threshold", 1e9),
        ("encoder_conf", "chunk_size", [12, 10**12]),
        ("encoder_conf", "something_new", float("-inf")),
        ("frontend_conf", "window", "hamming'; import os"),
        ("encoder_conf", "attention_heads", 3),
        ("encoder_conf", "sanm_shfit", -1),
        ("model_conf", "lsm_weight", float("nan")),
    ],
)
def test_any_other_number_that_no_model_needs_is_refused(folder: Path, section: str, key: str, value: Any) -> None:
    put(folder, section, key, value)
    assert f"{key} of {section}" in refusal(folder)


def test_a_number_of_thousands_of_digits_is_refused_where_python_cannot_write_it(folder: Path) -> None:
    whole = (folder / "config.yaml").read_text(encoding="utf-8")
    for line in ("n_mels: 80", "model: ParaformerStreaming"):
        (folder / "config.yaml").write_text(whole.replace(line, line.split()[0] + " 0x" + "f" * 9000), encoding="utf-8")
        assert "config.yaml" in refusal(folder)


def test_a_model_of_more_parameters_than_its_checkpoint_can_hold_is_refused_before_it_is_made(folder: Path) -> None:
    put(folder, "encoder_conf", "num_blocks", 100)
    put(folder, "encoder_conf", "linear_units", 8192)
    assert "parameters" in refusal(folder)


@pytest.mark.parametrize("number", ["word", "nan", "-inf", "1e400", "1e39", "0x1p4", "", "1 2"])
@pytest.mark.parametrize("block", [0, 1])
def test_a_mean_or_variance_that_is_no_number_is_refused(folder: Path, number: str, block: int) -> None:
    path = folder / "am.mvn"
    shift, scale = mean_and_variance(path.read_text(encoding="utf-8"))
    words = [[f"{value:.6f}" for value in values] for values in (shift, scale)]
    words[block][300] = number
    blocks = [f"<LearnRateCoef> 0 [ {' '.join(each)} ]" for each in words]
    path.write_text("\n".join(["<Nnet>", *blocks, "</Nnet>"]), encoding="utf-8")
    assert "am.mvn" in refusal(folder)


def test_am_mvn_without_its_blocks_is_refused(folder: Path) -> None:
    (folder / "am.mvn").write_text("<Nnet>\n", encoding="utf-8")
    assert "am.mvn" in refusal(folder)


def test_a_file_of_means_that_never_closes_a_bracket_takes_no_time(folder: Path) -> None:
    (folder / "am.mvn").write_text("<LearnRateCoef> 0 [ 1 " * 45_000, encoding="utf-8")
    begin = time.monotonic()
    assert "am.mvn" in refusal(folder)
    assert time.monotonic() - begin < 10


def bomb(line: str) -> str:
    """YAML of a few lines that stands for ten to the ninth values."""
    levels = [line.format(name=f"a{level}", refs=", ".join([f"*a{level - 1}"] * 10)) for level in range(1, 10)]
    return "\n".join(["a0: &a0 {x: 1}", *levels]) + "\n"


@pytest.mark.parametrize("line", ["{name}: &{name} [{refs}]", "{name}: &{name} {{<<: [{refs}]}}"])
def test_a_yaml_bomb_is_refused_at_once(folder: Path, line: str) -> None:
    with (folder / "config.yaml").open("a", encoding="utf-8") as file:
        file.write(bomb(line))
    begin = time.monotonic()
    assert "config.yaml" in refusal(folder)
    assert time.monotonic() - begin < 10


def test_an_alias_is_read_and_one_that_holds_itself_is_refused(folder: Path) -> None:
    whole = (folder / "config.yaml").read_text(encoding="utf-8")
    (folder / "config.yaml").write_text(whole + "one: &x [1, 2]\ntwo: *x\n", encoding="utf-8")
    assert read_folder(folder).config["two"] == [1, 2]
    (folder / "config.yaml").write_text(whole + "one: &x [*x]\n", encoding="utf-8")
    assert "holds itself" in refusal(folder)


@pytest.mark.parametrize("name", sorted(LARGEST))
def test_a_file_that_is_larger_than_any_model_needs_is_refused_without_being_read(folder: Path, name: str) -> None:
    with (folder / name).open("ab") as file:
        file.truncate(1 << 40)  # sparse
    assert name in refusal(folder) and "bytes" in refusal(folder)


def overflowing(folder: Path, *names: str) -> Path:
    """The folder with these tensors so large, and still finite, that what comes out is not."""
    import torch

    state = torch.load(str(folder / "model.pt"), weights_only=True)
    for name in names:
        state[name] = torch.full_like(state[name], 3e38)
    torch.save(state, str(folder / "model.pt"))
    return folder


def says_that_nothing_is_finite(error: FatalError) -> None:
    assert (error.error_code, "not finite" in str(error)) == ("model_load_failed", True), error


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("name", ["encoder.after_norm.weight", "decoder.after_norm.weight"])
def test_a_model_that_computes_what_is_not_finite_is_refused_by_every_engine(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, engine: str, name: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    overflowing(folder, name)
    with pytest.raises(FatalError) as refused:
        load_engine(StreamingConfig(model_dir=str(folder), device="cpu", threads=1, engine=engine))
    says_that_nothing_is_finite(refused.value)


def test_models_for_finals_that_compute_what_is_not_finite_are_refused(tmp_path: Path) -> None:
    second_pass = overflowing(make_second_pass(tmp_path / "seaco"), "encoder.after_norm.weight")
    punctuation = overflowing(make_punctuation(tmp_path / "punctuation"), "encoder.after_norm.weight")
    with pytest.raises(FatalError) as refused:
        load_second_pass(read_folder(second_pass, SECOND_PASS), StreamingConfig(), "cpu")
    says_that_nothing_is_finite(refused.value)
    with pytest.raises(FatalError) as refused:
        load_punctuation(read_folder(punctuation, PUNCTUATION["ct-punc"]), StreamingConfig(), "cpu")
    says_that_nothing_is_finite(refused.value)
