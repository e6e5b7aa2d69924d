"""The six files of a paraformer-zh-streaming folder: found, checked, read. Nothing in them is executed."""

from __future__ import annotations

import importlib
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Mapping

from common.config import DEMO_MODEL, CommonConfig
from common.device import import_or_explain
from common.events import FatalError, describe

log = logging.getLogger(__name__)

FILES = ("am.mvn", "config.yaml", "configuration.json", "model.pt", "seg_dict", "tokens.json")
KINDS = {
    "model": "ParaformerStreaming",
    "encoder": "SANMEncoderChunkOpt",
    "decoder": "ParaformerSANMDecoder",
    "predictor": "CifPredictorV2",
    "frontend": "WavFrontendOnline",
    "tokenizer": "CharTokenizer",
}
HUB_NAMES = {
    "ms": "iic/speech_paraformer-large_asr_nat-zh-cn-16k-common-vocab8404-online",
    "hf": "funasr/paraformer-zh-streaming",
}
AGAIN = "download the model again, or copy all six files from a folder that works"


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


def find_model(config: CommonConfig) -> ModelFiles:
    """The folder that ``config`` asks for, downloaded if need be, and checked.

    Raises FatalError ``model_load_failed`` naming the file that is missing, damaged or foreign.
    """
    if config.model_dir is not None:
        return read_folder(Path(config.model_dir))
    if config.demo:
        return read_folder(DEMO_MODEL)
    return read_folder(Path(cached_or_downloaded(config.hub)))


def cached_or_downloaded(hub: str) -> str:
    """Path of the hub's model: from its cache without touching the network, else downloaded once."""
    download = _snapshot_download(hub)
    try:
        folder = download(HUB_NAMES[hub], local_files_only=True)
        if all((Path(folder) / name).is_file() for name in FILES):
            return str(folder)
    except Exception as error:
        log.debug("not in the cache: %s", error)
    log.info("downloading %s (about 880 MB, once)", HUB_NAMES[hub])
    try:
        return str(download(HUB_NAMES[hub]))
    except Exception as error:
        other = "hf" if hub == "ms" else "ms"
        raise failed(
            error, f"check the network, try --hub {other}, give a downloaded folder with --model-dir, or try --demo"
        ) from error


def _snapshot_download(hub: str) -> Any:
    package = "modelscope" if hub == "ms" else "huggingface_hub"
    try:
        return importlib.import_module(package).snapshot_download
    except Exception as error:
        raise FatalError("dependency_missing", describe(error, f"pip install {package}")) from error


def read_folder(folder: Path) -> ModelFiles:
    """Check that the six files are there and belong together, without loading the checkpoint."""
    if not folder.is_dir():
        raise failed(
            FileNotFoundError(f"no model folder {folder}"), "check --model-dir, or leave it out to download the model"
        )
    for name in FILES:
        path = folder / name
        if not path.is_file():
            raise failed(FileNotFoundError(f"{name} is missing in {folder}"))
        if path.stat().st_size == 0:
            raise failed(ValueError(f"{path} is empty"))
    conf = _read_config(folder / "config.yaml")
    _read_json(folder / "configuration.json", dict)
    tokens = _read_json(folder / "tokens.json", list)
    if not all(isinstance(token, str) for token in tokens):
        raise failed(ValueError(f"{folder / 'tokens.json'} is not a list of tokens"))
    _check_mean_and_variance(folder / "am.mvn", conf)
    return ModelFiles(folder, conf, tokens)


def _read_json(path: Path, kind: type) -> Any:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise failed(ValueError(f"{path} is damaged: {error}")) from error
    if not isinstance(content, kind):
        raise failed(ValueError(f"{path} does not hold a JSON {kind.__name__}"))
    return content


def _read_config(path: Path) -> dict[str, Any]:
    """config.yaml, holding nothing but the classes of paraformer-zh-streaming: any other name is refused."""
    import yaml

    try:
        conf = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise failed(ValueError(f"{path} is damaged: {error}")) from error
    if not isinstance(conf, dict):
        raise failed(ValueError(f"{path} is not a FunASR configuration"))
    for part, kind in KINDS.items():
        if conf.get(part) != kind:
            raise failed(
                ValueError(f"{path} describes another model: {part} is {conf.get(part)!r}, not {kind!r}"),
                "give --model-dir a paraformer-zh-streaming folder",
            )
    for part in ("encoder_conf", "decoder_conf", "predictor_conf", "frontend_conf"):
        if not isinstance(conf.get(part), dict):
            raise failed(ValueError(f"{path} has no {part}"))
    return conf


def _check_mean_and_variance(path: Path, conf: dict[str, Any]) -> None:
    front = conf["frontend_conf"]
    wanted = int(front.get("n_mels", 80)) * int(front.get("lfr_m", 1))
    try:
        content = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise failed(ValueError(f"{path} is damaged: {error}")) from error
    found = [len(block.split()) for block in re.findall(r"<LearnRateCoef>\s+0\s+\[([^\]]*)\]", content)]
    if found != [wanted, wanted]:
        raise failed(ValueError(f"{path} holds {found or 'no'} values, the model needs [{wanted}, {wanted}]"))


def checked_state(files: ModelFiles, wanted: Mapping[str, tuple[int, ...]]) -> dict[str, Any]:
    """The checkpoint's tensors of these names and shapes, read as plain tensors (``weights_only``), every one checked.

    FunASR's own loader goes on with random weights where a tensor is missing or has another shape.
    Raises FatalError ``model_load_failed``.
    """
    torch = import_or_explain("torch")
    path = files.path("model.pt")
    try:
        state = torch.load(str(path), map_location="cpu", weights_only=True)
    except Exception as error:  # truncated archives, pickled code, foreign formats: each has its own type
        raise failed(ValueError(f"{path} is damaged or not a checkpoint: {error}")) from error
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
    if not isinstance(state, dict):
        raise failed(ValueError(f"{path} holds no tensors"))
    state = {key[7:] if key.startswith("module.") else key: value for key, value in state.items()}
    wrong = [key for key, shape in wanted.items() if getattr(state.get(key), "shape", None) != shape]
    if wrong:
        what = "is missing or has another shape in"
        raise failed(
            ValueError(f"{wrong[0]} (and {len(wrong) - 1} more tensors) {what} {path}"),
            "model.pt, config.yaml and tokens.json must come from the same model: " + AGAIN,
        )
    return {key: state[key] for key in wanted}
