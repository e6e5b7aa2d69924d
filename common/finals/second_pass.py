"""A second pass for a final: the whole utterance through FunASR's SeACo-Paraformer, which knows its hotwords."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from common.engines.funasr.build import build_arguments, build_checked, only_finite_numbers
from common.engines.model_folder import AGAIN, Kind, ModelFiles, failed
from common.engines.quiet import quiet_noise
from common.errors import FatalError
from common.settings.flags import CommonConfig
from common.settings.hotword_list import Hotword
from common.text.tokens_to_words import render
from common.units import SAMPLE_RATE

SECOND_PASS = Kind(
    name="paraformer-zh",
    flag="--final-model",
    files=("am.mvn", "config.yaml", "model.pt", "seg_dict", "tokens.json"),
    classes={
        "model": "SeacoParaformer",
        "encoder": "SANMEncoder",
        "decoder": "ParaformerSANMDecoder",
        "seaco_decoder": "ParaformerSANMDecoder",
        "predictor": "CifPredictorV3",
        "frontend": "WavFrontend",
        "tokenizer": "CharTokenizer",
    },
    hub_names={
        "ms": "iic/speech_seaco_paraformer_large_asr_nat-zh-cn-16k-common-vocab8404-pytorch",
        "hf": "funasr/paraformer-zh",
    },
    size="950 MB",
    instead="give a downloaded folder with --final-model, or leave it out",
)


class SecondPass:
    """Called with an utterance (16 kHz mono float32) and its hotwords, it returns the text, or "" if it hears nothing.

    FunASR weighs hotwords itself: their weights are not used, and it takes each word of a phrase for a hotword.
    """

    def __init__(self, model: Any, frontend: Any, tokenizer: Any, device: str) -> None:
        self._model = model
        self._frontend = frontend
        self._tokenizer = tokenizer
        self._device = device

    def __call__(self, samples: np.ndarray, hotwords: Sequence[Hotword]) -> str:
        import torch

        with torch.inference_mode():
            results = self._model.inference(
                [np.ascontiguousarray(samples, dtype=np.float32)],
                key=["utterance"],
                tokenizer=self._tokenizer,
                frontend=self._frontend,
                device=self._device,
                hotword=hotword_string(hotwords),
            )[0]
        return render(results[0]["text"].split()) if results else ""


def hotword_string(hotwords: Sequence[Hotword]) -> str | None:
    """The hotwords as FunASR takes them: words between blanks, or None if there are none.

    A blank stands at each end: FunASR would download a string that begins with http, and read one that ends with .txt.
    """
    return f" {' '.join(hotword.text for hotword in hotwords)} " if hotwords else None


def load_second_pass(files: ModelFiles, config: CommonConfig, device: str) -> SecondPass:
    """From a checked folder, warmed up by one real inference.

    Raises FatalError: ``model_load_failed`` for the folder, ``dependency_missing`` for torch or FunASR.
    """
    model, build = build_checked(files, second_pass_arguments(files, config.threads, device))
    second_pass = SecondPass(model, build["frontend"], build["tokenizer"], device)
    try:
        with only_finite_numbers(str(files.folder)):
            second_pass(quiet_noise(0, SAMPLE_RATE), [Hotword("你好")])
    except FatalError:
        raise
    except Exception as error:
        raise failed(error, f"{files.folder} does not recognise; {AGAIN}") from error
    return second_pass


def second_pass_arguments(files: ModelFiles, threads: int, device: str) -> dict[str, Any]:
    """What AutoModel.build_model needs, from a checked folder; never a path to code or to a checkpoint."""
    return {
        **build_arguments(files, threads, device),
        "seaco_decoder": files.config["seaco_decoder"],
        "seaco_decoder_conf": dict(files.config["seaco_decoder_conf"]),
    }
