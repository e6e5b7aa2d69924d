"""The six files of a FunASR model folder, laid out like paraformer-zh-streaming's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from common.engines.features import STACKED, STRIDE
from tools.train.features import MELS, WIDTH
from tools.train.grammar import vocabulary

SIZE = 128


def config() -> dict[str, Any]:
    """`config.yaml`: the real model's keys, at a small size."""
    return {
        "model": "ParaformerStreaming",
        "model_conf": {
            "ctc_weight": 0.0,
            "lsm_weight": 0.02,
            "length_normalized_loss": True,
            "predictor_weight": 1.0,
            "predictor_bias": 0,
            "sampling_ratio": 0.75,
        },
        "encoder": "SANMEncoderChunkOpt",
        "encoder_conf": {
            "output_size": SIZE,
            "attention_heads": 4,
            "linear_units": 512,
            "num_blocks": 6,
            "dropout_rate": 0.0,
            "positional_dropout_rate": 0.0,
            "attention_dropout_rate": 0.0,
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
        },
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": {
            "attention_heads": 4,
            "linear_units": 512,
            "num_blocks": 3,
            "dropout_rate": 0.0,
            "positional_dropout_rate": 0.0,
            "self_attention_dropout_rate": 0.0,
            "src_attention_dropout_rate": 0.0,
            "att_layer_num": 3,
            "kernel_size": 11,
            "sanm_shfit": 5,
        },
        "predictor": "CifPredictorV2",
        "predictor_conf": {"idim": SIZE, "threshold": 1.0, "l_order": 1, "r_order": 1, "tail_threshold": 0.45},
        "frontend": "WavFrontendOnline",
        "frontend_conf": {
            "fs": 16000,
            "window": "hamming",
            "n_mels": MELS,
            "frame_length": 25,
            "frame_shift": 10,
            "lfr_m": STACKED,
            "lfr_n": STRIDE,
        },
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
        "ctc_conf": {"dropout_rate": 0.0, "ctc_type": "builtin", "reduce": True, "ignore_nan_grad": True},
        "normalize": None,
    }


def configuration() -> dict[str, Any]:
    """`configuration.json`: where AutoModel finds the other files."""
    return {
        "framework": "pytorch",
        "task": "auto-speech-recognition",
        "model": {"type": "funasr"},
        "pipeline": {"type": "funasr-pipeline"},
        "model_name_in_hub": {"ms": "", "hf": ""},
        "file_path_metas": {
            "init_param": "model.pt",
            "config": "config.yaml",
            "tokenizer_conf": {"token_list": "tokens.json", "seg_dict_file": "seg_dict"},
            "frontend_conf": {"cmvn_file": "am.mvn"},
        },
    }


def new_model() -> Any:
    """FunASR's ParaformerStreaming with fresh weights, of the classes that AutoModel would pick."""
    import funasr  # noqa: F401  imports every model, so names resolve as they do in AutoModel
    from funasr.register import tables

    settings = config()
    return tables.model_classes["ParaformerStreaming"](
        **settings["model_conf"],
        encoder=settings["encoder"],
        encoder_conf=settings["encoder_conf"],
        decoder=settings["decoder"],
        decoder_conf=settings["decoder_conf"],
        predictor=settings["predictor"],
        predictor_conf=settings["predictor_conf"],
        input_size=WIDTH,
        vocab_size=len(vocabulary()),
    )


def write(folder: Path, state: dict[str, Any], shift: np.ndarray, scale: np.ndarray) -> None:
    """Writes all six files; `state` are the weights, shift and scale the 560 numbers of am.mvn."""
    import torch
    import yaml

    folder.mkdir(parents=True, exist_ok=True)
    torch.save({name: value.detach().clone().contiguous() for name, value in state.items()}, folder / "model.pt")
    (folder / "am.mvn").write_text(_mvn(shift, scale), encoding="utf-8")
    tokens = vocabulary()
    (folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    (folder / "seg_dict").write_text(_seg_dict(), encoding="utf-8")
    (folder / "config.yaml").write_text(
        yaml.safe_dump(config(), sort_keys=False, default_flow_style=None), encoding="utf-8"
    )
    (folder / "configuration.json").write_text(json.dumps(configuration(), indent=2) + "\n", encoding="utf-8")


def _mvn(shift: np.ndarray, scale: np.ndarray) -> str:
    """Kaldi nnet text, as FunASR's load_cmvn reads it."""

    def row(values: np.ndarray) -> str:
        return "<LearnRateCoef> 0 [ " + " ".join(f"{value:.6f}" for value in values) + " ]"

    return "\n".join(
        [
            "<Nnet>",
            f"<Splice> {WIDTH} {WIDTH}",
            "[ 0 ]",
            f"<AddShift> {WIDTH} {WIDTH}",
            row(shift),
            f"<Rescale> {WIDTH} {WIDTH}",
            row(scale),
            "</Nnet>",
            "",
        ]
    )


def _seg_dict() -> str:
    from tools.train.lexicon import PIECES

    whole = [token for token in vocabulary() if not token.startswith("<") and not token.endswith("@@")]
    lines = [f"{token} {token}" for token in whole if token not in PIECES]
    return "\n".join(lines + ["{} {}".format(*item) for item in sorted(PIECES.items())]) + "\n"
