"""Model folders of FunASR's real classes at a tiny size, with random weights: what they say is noise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Callable

from common.engines.funasr.engine import FunasrEngine
from common.engines.model_folder import Kind, ModelFiles, read_folder
from common.engines.paraformer_session import ParaformerEngine
from common.engines.streaming_step import Shape
from common.finals.punctuation import PUNCTUATION, punctuation_arguments
from common.finals.second_pass import SECOND_PASS, second_pass_arguments
from common.settings.flags import DEMO_MODEL
from common.settings.services import ModelConfig
from tools.random_model.make_random_model import FRONTEND

ENCODER = {
    "output_size": 32,
    "attention_heads": 2,
    "linear_units": 32,
    "num_blocks": 2,
    "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1,
    "attention_dropout_rate": 0.0,
    "input_layer": "pe",
    "pos_enc_class": "SinusoidalPositionEncoder",
    "normalize_before": True,
    "kernel_size": 5,
    "sanm_shfit": 0,
    "selfattention_layer_type": "sanm",
}
SPOKEN = "你好世界今天气打开接口谢一二三四五六七八九十"
DECODER = {
    "attention_heads": 2,
    "linear_units": 32,
    "num_blocks": 2,
    "dropout_rate": 0.1,
    "positional_dropout_rate": 0.1,
    "self_attention_dropout_rate": 0.1,
    "src_attention_dropout_rate": 0.1,
    "att_layer_num": 2,
    "kernel_size": 5,
    "sanm_shfit": 0,
}
PREDICTOR = {  # as in the published model
    "idim": 32,
    "threshold": 1.0,
    "l_order": 1,
    "r_order": 1,
    "tail_threshold": 0.45,
    "smooth_factor2": 0.25,
    "noise_threshold2": 0.01,
    "upsample_times": 3,
    "use_cif1_cnn": False,
    "upsample_type": "cnn_blstm",
}
MARKS = ["<unk>", "_", "，", "。", "？", "、"]


def make_punctuation(folder: Path, words: str = "", seed: int = 0) -> Path:
    """A ct-punc folder; with ``words``, lines of a jieba dictionary, one that was trained on words."""
    configuration = {
        "model": "CTTransformer",
        "model_conf": {
            "ignore_id": 0,
            "embed_unit": 32,
            "att_unit": 32,
            "dropout_rate": 0.1,
            "punc_list": MARKS,
            "punc_weight": [1.0] * len(MARKS),
            "sentence_end_id": 3,
        },
        "encoder": "SANMEncoder",
        "encoder_conf": {**ENCODER, "input_size": 32, "padding_idx": 0},
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>"},
    }
    tokens = ["<unk>", *SPOKEN, "hello", "usb", "USB"]
    folder.mkdir(parents=True)
    if words:
        (folder / "jieba_usr_dict").write_text(words, encoding="utf-8")

    def never_unknown(model: Any) -> None:
        model.decoder.bias.data[0] = -100.0  # no trained model says the mark <unk>

    return _written(folder, PUNCTUATION["ct-punc"], configuration, tokens, punctuation_arguments, never_unknown, seed)


def make_second_pass(folder: Path, fire_bias: float = 0.0, seed: int = 0) -> Path:
    """A paraformer-zh folder; with a ``fire_bias`` far below zero it hears nothing in anything."""
    tokens = ["<blank>", "<s>", "</s>", *SPOKEN, "hel@@", "lo", "u", "s", "b", "<no bias>", "<unk>"]
    configuration = {
        "model": "SeacoParaformer",
        "model_conf": {
            "ctc_weight": 0.0,
            "lsm_weight": 0.1,
            "length_normalized_loss": True,
            "predictor_weight": 1.0,
            "predictor_bias": 1,
            "sampling_ratio": 0.75,
            "inner_dim": 32,
            "bias_encoder_type": "lstm",
            "bias_encoder_bid": False,
            "seaco_lsm_weight": 0.1,
            "seaco_length_normal": True,
            "train_decoder": True,
            "NO_BIAS": tokens.index("<no bias>"),
        },
        "encoder": "SANMEncoder",
        "encoder_conf": ENCODER,
        "decoder": "ParaformerSANMDecoder",
        "decoder_conf": DECODER,
        "seaco_decoder": "ParaformerSANMDecoder",
        "seaco_decoder_conf": {**DECODER, "att_layer_num": 6, "use_output_layer": False, "wo_input_layer": True},
        "predictor": "CifPredictorV3",
        "predictor_conf": PREDICTOR,
        "frontend": "WavFrontend",
        "frontend_conf": FRONTEND,
        "tokenizer": "CharTokenizer",
        "tokenizer_conf": {"unk_symbol": "<unk>", "split_with_space": True},
    }
    folder.mkdir(parents=True)
    words = "".join(f"{character} {character}\n" for character in SPOKEN) + "hello hel@@ lo\n"
    (folder / "seg_dict").write_text(words, encoding="utf-8")
    shutil.copy(str(DEMO_MODEL / "am.mvn"), str(folder / "am.mvn"))

    def fire(model: Any) -> None:
        model.predictor.cif_output.bias.data.fill_(fire_bias)

    return _written(folder, SECOND_PASS, configuration, tokens, second_pass_arguments, fire, seed)


def _written(
    folder: Path,
    kind: Kind,
    configuration: dict[str, Any],
    tokens: list[str],
    arguments: Callable[[ModelFiles, int, str], dict[str, Any]],
    change: Callable[[Any], None],
    seed: int,
) -> Path:
    """``folder`` with its configuration, its tokens and FunASR's own initial weights under ``seed``, changed."""
    import torch
    import yaml

    from common.engines.funasr.build import import_automodel

    (folder / "config.yaml").write_text(yaml.safe_dump(configuration, allow_unicode=True), encoding="utf-8")
    (folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    (folder / "model.pt").write_bytes(b"made below")
    model, _ = import_automodel().build_model(**arguments(read_folder(folder, kind), 1, "cpu"), seed=seed)
    change(model)
    torch.save(model.state_dict(), str(folder / "model.pt"))
    return folder


def configured(engine: Any, config: ModelConfig) -> Any:
    """The loaded model of ``engine`` with the chunk size and the look-backs of ``config``; not on OpenVINO, whose
    graphs have fixed shapes."""
    if isinstance(engine, FunasrEngine):
        return FunasrEngine(engine.model, engine.frontend, engine._build, engine.token_list, config)
    return ParaformerEngine(engine.network, engine.frontend, Shape.of(config), engine.token_list)
