"""The numbers of a model folder are checked before anything is made from them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from common.engines.model_folder import read_folder
from common.errors import FatalError
from common.settings.flags import DEMO_MODEL


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return Path(shutil.copytree(str(DEMO_MODEL), str(tmp_path / "model")))


def refused(folder: Path) -> str:
    with pytest.raises(FatalError) as error:
        read_folder(folder)
    assert error.value.error_code == "model_load_failed"
    return str(error.value)


@pytest.mark.parametrize(
    ("part", "key", "value"),
    [
        *[("encoder_conf", "num_blocks", value) for value in (0, -1, 10**9, 6.0, "6", True, None, [6])],
        *[("encoder_conf", key, 0) for key in ("output_size", "linear_units", "attention_heads", "kernel_size")],
        *[("decoder_conf", key, 10**7) for key in ("linear_units", "num_blocks", "att_layer_num", "kernel_size")],
        ("encoder_conf", "attention_heads", 3),  # does not divide 128
        ("encoder_conf", "num_blocks", 1000),  # more than 9 MB can hold
        *[("frontend_conf", key, value) for key in ("n_mels", "lfr_m", "fs") for value in (0, "80", -80, float("nan"))],
        *[("predictor_conf", "threshold", value) for value in (0, -1.0, float("nan"), float("inf"), "1")],
        *[("predictor_conf", "tail_threshold", value) for value in (-1, float("nan"), float("inf"), None)],
    ],
    ids=str,
)
def test_a_count_that_no_model_has_is_refused_by_its_name(folder: Path, part: str, key: str, value: Any) -> None:
    conf = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    conf[part][key] = value
    (folder / "config.yaml").write_text(yaml.safe_dump(conf), encoding="utf-8")
    message = refused(folder)
    assert "config.yaml" in message
    assert key in message or "larger model" in message


@pytest.mark.parametrize("word", ["ten", "nan", "inf", "1e400", "-1e39", "", "1 2"])
def test_a_value_in_am_mvn_that_is_not_a_number_is_refused(folder: Path, word: str) -> None:
    path = folder / "am.mvn"
    before, bracket, values = path.read_text(encoding="utf-8").rpartition("[ ")
    path.write_text(before + bracket + word + " " + values.split(" ", 1)[1], encoding="utf-8")
    assert "am.mvn" in refused(folder)


def test_am_mvn_without_its_blocks_is_refused(folder: Path) -> None:
    (folder / "am.mvn").write_text("<Nnet>\n", encoding="utf-8")
    assert "am.mvn" in refused(folder)


def test_a_yaml_bomb_is_refused_in_no_time(folder: Path) -> None:
    lines = ["a0: &a0 [lol, lol]", *(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12))]
    (folder / "config.yaml").write_text("\n".join([*lines, "model: *a11", ""]), encoding="utf-8")
    assert "another model" in refused(folder)
