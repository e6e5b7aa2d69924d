"""The files of a model folder: found, checked, read. Nothing in them is executed."""

from __future__ import annotations

import json
import logging
import reprlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from common.engines.folder_numbers import check_counts, mean_and_variance
from common.errors import FatalError, describe

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Kind:
    """A model that can be given as a folder or downloaded.

    ``flag`` gives a folder; ``files`` must be in it; ``classes`` are the FunASR classes that its config.yaml must name.
    ``hub_names``: by --hub. ``size``: of the download. ``instead``: what to do where there is no network.
    """

    name: str
    flag: str
    files: tuple[str, ...]
    classes: Mapping[str, str]
    hub_names: Mapping[str, str]
    size: str
    instead: str


STREAMING = Kind(
    name="paraformer-zh-streaming",
    flag="--model-dir",
    files=("am.mvn", "config.yaml", "configuration.json", "model.pt", "seg_dict", "tokens.json"),
    classes={
        "model": "ParaformerStreaming",
        "encoder": "SANMEncoderChunkOpt",
        "decoder": "ParaformerSANMDecoder",
        "predictor": "CifPredictorV2",
        "frontend": "WavFrontendOnline",
        "tokenizer": "CharTokenizer",
    },
    hub_names={
        "ms": "iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-online",
        "hf": "funasr/paraformer-zh-streaming",
    },
    size="880 MB",
    instead="give a downloaded folder with --model-dir, or try --demo",
)
AGAIN = "download the model again, or copy all of its files from a folder that works"


@dataclass(frozen=True)
class ModelFiles:
    """A checked folder: its configuration (config.yaml) and its tokens, whose index is the token id."""

    folder: Path
    config: dict[str, Any]
    tokens: list[str]

    def path(self, name: str) -> Path:
        return self.folder / name


def failed(error: BaseException, advice: str = AGAIN) -> FatalError:
    return FatalError("model_load_failed", describe(error, advice))


def read_folder(folder: Path, kind: Kind = STREAMING) -> ModelFiles:
    """Check that its files are there and belong together, without loading the checkpoint."""
    if not folder.is_dir():
        raise failed(
            FileNotFoundError(f"no model folder {folder}"), f"check {kind.flag}, or leave it out to download the model"
        )
    for name in kind.files:
        path = folder / name
        if not path.is_file():
            raise failed(FileNotFoundError(f"{name} is missing in {folder}"))
        if path.stat().st_size == 0:
            raise failed(ValueError(f"{path} is empty"))
    conf = _read_config(folder / "config.yaml", kind)
    if "configuration.json" in kind.files:
        _read_json(folder / "configuration.json", dict)
    tokens = _read_json(folder / "tokens.json", list)
    if not all(isinstance(token, str) for token in tokens):
        raise failed(ValueError(f"{folder / 'tokens.json'} is not a list of tokens"))
    _check_numbers(folder, kind, conf)
    return ModelFiles(folder, conf, tokens)


def _read_json(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise failed(ValueError(f"{path} is damaged: {error}")) from error
    if not isinstance(content, kind):
        raise failed(ValueError(f"{path} does not hold a JSON {kind.__name__}"))
    return content


def _read_config(path: Path, kind: Kind) -> dict[str, Any]:
    """config.yaml, with the classes of ``kind``: any other name is refused."""
    import yaml

    try:
        conf = yaml.safe_load(path.read_text(encoding="utf-8"))
    except Exception as error:  # of what is only half YAML its constructors raise whatever they meet
        raise failed(ValueError(f"{path} is damaged: {error}")) from error
    if not isinstance(conf, dict):
        raise failed(ValueError(f"{path} is not a FunASR configuration"))
    for part, name in kind.classes.items():
        if conf.get(part) != name:
            raise failed(
                ValueError(f"{path} describes another model: {part} is {reprlib.repr(conf.get(part))}, not {name!r}"),
                f"give {kind.flag} a {kind.name} folder",
            )
        if part not in ("model", "tokenizer") and not isinstance(conf.get(f"{part}_conf"), dict):
            raise failed(ValueError(f"{path} has no {part}_conf"))
    return conf


def _check_numbers(folder: Path, kind: Kind, conf: dict[str, Any]) -> None:
    path = folder / "config.yaml"
    try:
        check_counts(conf, (folder / "model.pt").stat().st_size)
        if "am.mvn" in kind.files:
            path = folder / "am.mvn"
            frontend = conf["frontend_conf"]
            mean_and_variance(path.read_text(encoding="utf-8"), frontend.get("n_mels", 80) * frontend.get("lfr_m", 1))
    except (OSError, ValueError) as error:
        raise failed(ValueError(f"{path} is damaged: {error}")) from error
