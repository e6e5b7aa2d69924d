"""The files of a model folder: found, checked, read. Nothing in them is executed."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from common.engines.folder_numbers import check_configuration, mean_and_variance, shown
from common.engines.small_yaml import read_yaml
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
LARGEST = {  # bytes; the published files are a tenth of that at most. What is read whole must not fill the memory
    "am.mvn": 1 << 20,
    "config.yaml": 1 << 18,
    "configuration.json": 1 << 20,
    "tokens.json": 1 << 25,
    "seg_dict": 1 << 26,
    "jieba_usr_dict": 1 << 26,
}
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
        if not (folder / name).is_file():
            raise failed(FileNotFoundError(f"{name} is missing in {folder}"))
        if (folder / name).stat().st_size == 0:
            raise failed(ValueError(f"{folder / name} is empty"))
    _check_sizes(folder)
    conf = _read_config(folder / "config.yaml", kind)
    if "configuration.json" in kind.files:
        _read_json(folder / "configuration.json", dict)
    tokens = _read_json(folder / "tokens.json", list)
    if not all(isinstance(token, str) for token in tokens):
        raise failed(ValueError(f"{folder / 'tokens.json'} is not a list of tokens"))
    try:
        check_configuration(conf, len(tokens), (folder / "model.pt").stat().st_size)
    except ValueError as error:
        raise failed(ValueError(f"{folder / 'config.yaml'}: {error}")) from error
    if "am.mvn" in kind.files:
        _check_mean_and_variance(folder / "am.mvn", conf)
    return ModelFiles(folder, conf, tokens)


def _check_sizes(folder: Path) -> None:
    for name, most in LARGEST.items():
        size = (folder / name).stat().st_size if (folder / name).is_file() else 0
        if size > most:
            raise failed(ValueError(f"{folder / name} has {size:,} bytes, more than any model needs ({most:,})"))


def _text(path: Path) -> str:
    """The text of a file, which may have grown since its size was checked. Raises OSError, ValueError."""
    with path.open("rb") as file:
        return file.read(LARGEST[path.name]).decode("utf-8")


def _read_json(path: Path, kind: type) -> Any:
    try:
        content = json.loads(_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise failed(ValueError(f"{path} is damaged: {error}")) from error
    if not isinstance(content, kind):
        raise failed(ValueError(f"{path} does not hold a JSON {kind.__name__}"))
    return content


def _read_config(path: Path, kind: Kind) -> dict[str, Any]:
    """config.yaml, with the classes of ``kind``: any other name is refused."""
    try:
        conf = read_yaml(_text(path))
    except FatalError:
        raise
    except Exception as error:  # PyYAML raises nearly anything where a file is only partly YAML
        raise failed(ValueError(f"{path} is damaged: {error}")) from error
    if not isinstance(conf, dict):
        raise failed(ValueError(f"{path} is not a FunASR configuration"))
    for part, name in kind.classes.items():
        if conf.get(part) != name:
            raise failed(
                ValueError(f"{path} describes another model: {part} is {shown(conf.get(part))}, not {name!r}"),
                f"give {kind.flag} a {kind.name} folder",
            )
        if part not in ("model", "tokenizer") and not isinstance(conf.get(f"{part}_conf"), dict):
            raise failed(ValueError(f"{path} has no {part}_conf"))
    return conf


def _check_mean_and_variance(path: Path, conf: dict[str, Any]) -> None:
    mels, frames = (conf["frontend_conf"].get(key, usual) for key, usual in (("n_mels", 80), ("lfr_m", 1)))
    wanted = mels * frames
    try:
        found = [len(numbers) for numbers in mean_and_variance(_text(path))]
    except (OSError, ValueError) as error:
        raise failed(ValueError(f"{path} is damaged: {error}")) from error
    if found != [wanted, wanted]:
        raise failed(ValueError(f"{path} holds {found} values, the model needs [{wanted}, {wanted}]"))
