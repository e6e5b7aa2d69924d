"""Model folders of FunASR's real classes at a tiny size, with random weights: what they say is noise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Callable

from common.model_files import Kind, ModelFiles, read_folder
from common.punctuation import PUNCTUATION, punctuation_arguments

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

    from common.funasr_engine import import_automodel

    (folder / "config.yaml").write_text(yaml.safe_dump(configuration, allow_unicode=True), encoding="utf-8")
    (folder / "tokens.json").write_text(json.dumps(tokens, ensure_ascii=False), encoding="utf-8")
    (folder / "model.pt").write_bytes(b"made below")
    model, _ = import_automodel().build_model(**arguments(read_folder(folder, kind), 1, "cpu"), seed=seed)
    change(model)
    torch.save(model.state_dict(), str(folder / "model.pt"))
    return folder
