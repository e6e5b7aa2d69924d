"""Punctuation for a final: FunASR's ct-punc says where the marks are, and nothing else of what it returns is used."""

from __future__ import annotations

import importlib
import logging
import re
from typing import Any

from common.engines.cache_folder import cache_root
from common.engines.funasr.build import build_checked, only_finite_numbers
from common.engines.model_folder import AGAIN, Kind, ModelFiles, failed
from common.errors import FatalError
from common.settings.flags import CommonConfig

CLASSES = {"model": "CTTransformer", "encoder": "SANMEncoder", "tokenizer": "CharTokenizer"}
FILES = ("config.yaml", "model.pt", "tokens.json")
INSTEAD = "give a downloaded folder with --punc-model, or leave it out"
PUNCTUATION = {  # by the names that --punc-model takes, which are those of FunASR's AutoModel
    "ct-punc": Kind(
        name="ct-punc",
        flag="--punc-model",
        files=FILES,
        classes=CLASSES,
        hub_names={"ms": "iic/punc_ct-transformer_cn-en-common-vocab471067-large", "hf": "funasr/ct-punc"},
        size="1.1 GB",
        instead=INSTEAD,
    ),
    "ct-punc-c": Kind(
        name="ct-punc-c",
        flag="--punc-model",
        files=FILES,
        classes=CLASSES,
        hub_names={"ms": "iic/punc_ct-transformer_zh-cn-common-vocab272727-pytorch"},
        size="290 MB",
        instead=INSTEAD,
    ),
}
WORD_LIST = "jieba_usr_dict"  # in the folder of a model that was trained on words
WIDE = {",": "，", ".": "。", "?": "？"}  # FunASR writes those on the left after Latin words
NARROW = {"，": ",", "。": ".", "？": "?", "、": ","}
MARKS = set(NARROW) | set(WIDE)
CHINESE = re.compile("[\u3400-\u9fff]")


class Punctuation:
    """Called with a text, it returns the text with commas, stops and question marks, but with no stop at its end."""

    def __init__(self, model: Any, tokenizer: Any, device: str) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._device = device

    def __call__(self, text: str) -> str:
        import torch

        with torch.inference_mode():
            results, _ = self._model.inference(
                [f" {text}"],  # FunASR downloads a text that begins with http://
                key=["final"],
                tokenizer=self._tokenizer,
                device=self._device,
            )
        return with_marks(text, results[0]["text"])


def with_marks(text: str, marked: str) -> str:
    """``text`` with the marks of ``marked``, which must have the same characters except for case and blanks.

    FunASR ends every text with a stop and writes API as Api. Here every character of ``text`` stays, except a blank
    after a Chinese mark; a stop or a comma at the end is left out. Marks are Latin in a text without a Chinese
    character. Raises ValueError if the characters are not the same.
    """
    marks = _places(text, marked)
    narrow = not CHINESE.search(text)
    written = ""
    for place, character in enumerate(text):
        if character == " " and written[-1:] in NARROW:
            continue
        mark = marks.get(place, "")
        written += character + (NARROW[mark] if narrow and mark else mark)
    return written


def _places(text: str, marked: str) -> dict[int, str]:
    """The index of each character of ``text`` that a mark follows, and that mark in its Chinese form."""
    places: dict[int, str] = {}
    spoken = [place for place, character in enumerate(text) if not character.isspace()]
    position = 0  # in spoken
    for character in marked:
        expected = text[spoken[position]] if position < len(spoken) else ""
        if expected and character.lower() == expected.lower():
            position += 1
        elif character in MARKS:
            if position:
                places.setdefault(spoken[position - 1], WIDE.get(character, character))
        elif not character.isspace():
            break
    if position < len(spoken):
        raise ValueError(f"ct-punc wrote {marked!r} for {text!r}")
    if spoken and places.get(spoken[-1], "？") != "？":
        del places[spoken[-1]]
    return places


def load_punctuation(files: ModelFiles, config: CommonConfig, device: str) -> Punctuation:
    """From a checked folder, warmed up by one real inference.

    Raises FatalError: ``model_load_failed`` for the folder, ``dependency_missing`` for torch or FunASR.
    """
    model, build = build_checked(files, punctuation_arguments(files, config.threads, device))
    punctuation = Punctuation(model, build["tokenizer"], device)
    try:
        with only_finite_numbers(str(files.folder)):
            punctuation("你好世界 hello")
    except FatalError:
        raise
    except Exception as error:
        raise failed(error, f"{files.folder} does not punctuate; {AGAIN}") from error
    return punctuation


def punctuation_arguments(files: ModelFiles, threads: int, device: str) -> dict[str, Any]:
    """What AutoModel.build_model needs, from a checked folder; never a path to code or to a checkpoint."""
    conf = files.config
    arguments = {
        "model": conf["model"],
        "model_conf": dict(conf.get("model_conf") or {}),
        "encoder": conf["encoder"],
        "encoder_conf": dict(conf["encoder_conf"]),
        "tokenizer": conf["tokenizer"],
        "tokenizer_conf": dict(conf.get("tokenizer_conf") or {}, token_list=str(files.path("tokens.json"))),
        "device": device,
        "ncpu": threads,
        "disable_update": True,
        "disable_log": True,
    }
    words = files.path(WORD_LIST)
    if words.is_file():
        _prepare_jieba()
        arguments[WORD_LIST] = str(words)
    return arguments


def _prepare_jieba() -> None:
    """By default it logs every load and keeps its dictionary in the temporary folder, where any user can write."""
    jieba = importlib.import_module("jieba")
    jieba.setLogLevel(logging.WARNING)
    jieba.dt.tmp_dir = str(cache_root())
