"""Which engine decodes: ``--engine auto|openvino|torch|funasr``, loaded and warmed up."""

from __future__ import annotations

import functools
import importlib.util
import logging
import time

from common.engines.checkpoint import checked_state
from common.engines.device import choose_device
from common.engines.geometry import Geometry, tensor_shapes
from common.engines.hub import find_model
from common.engines.model_folder import ModelFiles, failed
from common.engines.seam import Engine
from common.engines.seg_dict import read_spellings
from common.errors import FatalError, bad_setting
from common.packages import import_or_explain
from common.settings.flags import ModelConfig
from common.units import SAMPLE_RATE

log = logging.getLogger(__name__)

DEMO_NOTICE = (
    "demo: a small model that knows the sentences of its grammar and espeak-ng's voices and nothing else; people come"
    " out as noise. It shows that the installation works."
)
SAME_TOKENS = 0.99  # of int8 against single precision: below it auto takes the latter


def load_engine(config: ModelConfig) -> Engine:
    """The engine and the model that ``config`` asks for, warmed up by one real inference.

    Raises FatalError: ``model_load_failed`` for the folder or the download, ``dependency_missing`` for a package,
    ``config_invalid`` for a device that this machine does not have or that the engine does not run on.
    """
    begin = time.monotonic()
    device = choose_device(config.device)
    if config.engine == "openvino" and device != "cpu":
        raise bad_setting(f"--engine openvino runs on the CPU, not on {device}: add --device cpu")
    files = find_model(config)
    if config.demo:
        log.warning(DEMO_NOTICE)
    name, engine = _automatic(config, files, device) if config.engine == "auto" else _asked(config, files, device)
    took = time.monotonic() - begin
    log.info("%s on %s by %s, %d threads, ready after %.1f s", files.folder, device, name, config.threads, took)
    engine.spellings = functools.partial(read_spellings, files.path("seg_dict"))
    engine.about = (
        ("model", str(files.folder)),
        ("device", device),
        ("engine", name),
        ("sample_rate", SAMPLE_RATE),
        ("load_ms", round(took * 1000)),
    )
    return engine


def _asked(config: ModelConfig, files: ModelFiles, device: str) -> tuple[str, Engine]:
    if config.engine == "openvino":
        engine, agreement = _openvino(config, files, least=0.0)
        assert engine is not None
        if agreement < SAME_TOKENS:
            log.warning("int8 gives %.1f %% of the tokens of single precision; --engine torch", 100 * agreement)
        return "openvino", engine
    return config.engine, (_torch if config.engine == "torch" else _funasr)(config, files, device)


def _automatic(config: ModelConfig, files: ModelFiles, device: str) -> tuple[str, Engine]:
    """OpenVINO on a CPU where its int8 text is the same, else torch; FunASR for what only it computes."""
    try:
        Geometry.of(files.config, len(files.tokens))
    except ValueError as error:
        log.warning("%s", error)
        return "funasr", _funasr(config, files, device)
    if device == "cpu" and importlib.util.find_spec("openvino") is not None:
        try:
            engine, agreement = _openvino(config, files, least=SAME_TOKENS)
        except FatalError as error:
            if error.error_code == "model_load_failed":
                raise
            log.warning("%s", error)
        else:
            if engine is not None:
                return "openvino", engine
            log.warning("int8 gives %.1f %% of the tokens of single precision: torch decodes", 100 * agreement)
    return "torch", _torch(config, files, device)


def _funasr(config: ModelConfig, files: ModelFiles, device: str) -> Engine:
    from common.engines.funasr.engine import load_funasr

    return load_funasr(config, files, device)


def _torch(config: ModelConfig, files: ModelFiles, device: str) -> Engine:
    import_or_explain("torch")
    from common.engines.torch_engine import load_torch

    geometry = geometry_of(files)
    return load_torch(config, files, geometry, checked_state(files.path("model.pt"), tensor_shapes(geometry)), device)


def _openvino(config: ModelConfig, files: ModelFiles, least: float) -> tuple[Engine | None, float]:
    from common.engines.openvino.load import load_openvino

    return load_openvino(config, files, geometry_of(files), least)


def geometry_of(files: ModelFiles) -> Geometry:
    """Raises FatalError ``model_load_failed`` for a variant that our own engines do not compute."""
    try:
        return Geometry.of(files.config, len(files.tokens))
    except ValueError as error:
        raise failed(error, "give --engine funasr") from error
