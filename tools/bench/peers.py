"""What the benchmark's peers need: FunASR's own ONNX export of a model, quantised as FunASR does, in their layouts."""

from __future__ import annotations

import functools
import json
import shutil
from pathlib import Path
from typing import Any

SMALL_FILES = ("am.mvn", "config.yaml", "tokens.json")
ENCODER, DECODER = "model_quant.onnx", "decoder_quant.onnx"  # the names that funasr-onnx reads
SHERPA_ENCODER, SHERPA_TOKENS = "sherpa_encoder.onnx", "tokens.txt"


def peers_folder(model_dir: Path, cache: Path) -> Path:
    """A folder that funasr-onnx and sherpa-onnx load, both int8; made if it is not there. Minutes, and 1.4 GB while
    it is made. Needs the packages of requirements-bench.txt."""
    folder = cache / "onnx"
    if not (folder / SHERPA_TOKENS).is_file():
        building = cache / "onnx-building"
        shutil.rmtree(building, ignore_errors=True)
        building.mkdir(parents=True)
        export(model_dir, building)
        for name in SMALL_FILES:
            shutil.copy(str(model_dir / name), str(building / name))
        add_metadata(building)
        write_tokens(building)
        shutil.rmtree(folder, ignore_errors=True)
        building.rename(folder)
    return folder


def export(model_dir: Path, folder: Path) -> None:
    """FunASR's export and its int8 quantisation. It was written for torch's older exporter."""
    import torch

    from common.engines.funasr.build import import_automodel

    model = import_automodel()(model=str(model_dir), device="cpu", ncpu=2, disable_update=True, disable_log=True)
    exporter = torch.onnx.export
    torch.onnx.export = functools.partial(exporter, dynamo=False)
    try:
        model.export(type="onnx", quantize=True, output_dir=str(folder))
    finally:
        torch.onnx.export = exporter
    for name in ("model.onnx", "decoder.onnx"):
        (folder / name).unlink()


def add_metadata(folder: Path) -> None:
    """The encoder again with the metadata from which sherpa-onnx knows frontend and shapes
    (sherpa-onnx/csrc/online-paraformer-model.cc)."""
    import onnx
    import yaml

    from common.engines.features import STACKED, STRIDE, Frontend

    conf = yaml.safe_load((folder / "config.yaml").read_text(encoding="utf-8"))
    frontend = Frontend.read(conf["frontend_conf"], folder / "am.mvn")
    values: dict[str, Any] = {
        "vocab_size": len(json.loads((folder / "tokens.json").read_text(encoding="utf-8"))),
        "lfr_window_size": STACKED,
        "lfr_window_shift": STRIDE,
        "encoder_output_size": conf["encoder_conf"]["output_size"],
        "decoder_num_blocks": conf["decoder_conf"]["num_blocks"],
        "decoder_kernel_size": conf["decoder_conf"]["kernel_size"],
        "neg_mean": ",".join(map(str, frontend.shift.tolist())),
        "inv_stddev": ",".join(map(str, frontend.scale.tolist())),
    }
    model = onnx.load(str(folder / ENCODER))
    for key, value in values.items():
        entry = model.metadata_props.add()
        entry.key, entry.value = key, str(value)
    onnx.save(model, str(folder / SHERPA_ENCODER))


def write_tokens(folder: Path) -> None:
    """tokens.txt: a token and its number a line."""
    tokens = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    lines = (f"{token} {number}\n" for number, token in enumerate(tokens))
    (folder / SHERPA_TOKENS).write_text("".join(lines), encoding="utf-8")
