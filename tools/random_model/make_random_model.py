#!/usr/bin/env python3
"""Make a paraformer-zh-streaming folder with random weights: the real geometry, for equality and speed.

It recognises nothing. Its text is noise, but every tensor has the real shape, so what is equal and how long
it takes can be measured without the 880 MB checkpoint.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

VOCABULARY = 8404  # tokens of the real model
ENCODER = {
    "output_size": 512,
    "attention_heads": 4,
    "linear_units": 2048,
    "num_blocks": 50,
    "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1,
    "attention_dropout_rate": 0.1,
    "input_layer": "pe_online",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "kernel_size": 11,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
    "chunk_size": [12, 15],
    "stride": [8, 10],
    "pad_left": [0, 0],
    "encoder_att_look_back_factor": [4, 4],
    "decoder_att_look_back_factor": [1, 1],
}
DECODER = {
    "attention_heads": 4,
    "linear_units": 2048,
    "num_blocks": 16,
    "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1,
    "self_attention_dropout_rate": 0.1,
    "src_attention_dropout_rate": 0.1,
    "att_layer_num": 16,
    "kernel_size": 11,
    "sanm_shfit": 5,
}
PREDICTOR = {"idim": 512, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45}
FRONTEND = {
    "fs": 16000,
    "window": "hamming",
    "n_mels": 80,
    "frame_length": 25,
    "frame_shift": 10,
    "lfr_m": 7,
    "lfr_n": 6,
}
HUB_CONFIGURATION = {  # where FunASR's own loader finds the other files
    "framework": "pytorch",
    "task": "auto-speech-recognition",
    "model": {"type": "funasr"},
    "file_path_metas": {
        "init_param": "model.pt",
        "config": "config.yaml",
        "tokenizer_conf": {"token_list": "tokens.json", "seg_dict_file": "seg_dict"},
        "frontend_conf": {"cmvn_file": "am.mvn"},
    },
}
FIRE_BIAS = -1.0  # CIF weights around 0.27 a frame: some four tokens a second, as in speech


def configuration() -> dict[str, Any]:
    """config.yaml with the layout of the published model."""
    return {
        "model": "ParaformerStreaming",
        "model_conf": {"ctc_weight": 0.0, "lsm_weight": 0.1, "length_normalized_loss": True, "predictor_weight": 1.0},
        "encoder": "SANMEncoderChunkOpt",
        "encoder_conf": ENCODER,
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": DECODER,
        "predictor": "CifPredictorV2",
        "predictor_conf": PREDICTOR,
        "frontend": "WavFrontendOnline",
        "frontend_conf": FRONTEND,
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }


def write_small_files(folder: Path) -> None:
    """Everything but the checkpoint."""
    import yaml

    characters = [chr(0x4E00 + i) for i in range(VOCABULARY - 4)]
    tokens = ["<blank>", "<s>", "</s>", *characters, "<unk>"]
    (folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    (folder / "seg_dict").write_text("".join(f"{c} {c}\n" for c in characters), encoding="utf-8")
    (folder / "configuration.json").write_text(json.dumps(HUB_CONFIGURATION), encoding="utf-8")
    (folder / "config.yaml").write_text(yaml.safe_dump(configuration(), sort_keys=False), encoding="utf-8")
    size = 560  # 80 mel bins × 7 stacked frames
    shift, scale = (f"<LearnRateCoef> 0 [ {' '.join([value] * size)} ]" for value in ("-12.0", "0.25"))
    blocks = ["<Nnet>", f"<Splice> {size} {size}", "[ 0 ]", f"<AddShift> {size} {size}", shift]
    mvn = "\n".join([*blocks, f"<Rescale> {size} {size}", scale, "</Nnet>\n"])
    (folder / "am.mvn").write_text(mvn, encoding="utf-8")


def write_checkpoint(folder: Path, seed: int) -> None:
    """model.pt: FunASR's own initial weights under ``seed``."""
    import torch

    from common.engines.funasr.build import build_arguments, import_automodel
    from common.engines.model_folder import ModelFiles

    tokens = json.loads((folder / "tokens.json").read_text(encoding="utf-8"))
    arguments = build_arguments(ModelFiles(folder, configuration(), tokens), threads=2, device="cpu")
    model, _ = import_automodel().build_model(**arguments, seed=seed)
    torch.nn.init.constant_(model.predictor.cif_output.bias, FIRE_BIAS)
    torch.save(model.state_dict(), str(folder / "model.pt"))


def make(folder: Path, seed: int = 0) -> Path:
    """The folder, made if it is not complete yet. 880 MB."""
    if not (folder / "model.pt").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        write_small_files(folder)
        write_checkpoint(folder, seed)
    return folder


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seed", type=int, default=0)
    values = parser.parse_args()
    print(make(values.folder, values.seed))
