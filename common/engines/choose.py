"""Which engine decodes: ``--engine auto|openvino|torch|funasr``, loaded and warmed up."""

from __future__ import annotations

import functools
import importlib.util
import logging
import time
from dataclasses import replace

from common.engines.device import choose_device
from common.engines.geometry import Geometry
from common.engines.hub import find_model
from common.engines.loading import TELL_NOBODY, Loading
from common.engines.model_folder import ModelFiles, failed
from common.engines.openvino.known import is_known, remember
from common.engines.seam import Engine
from common.engines.seg_dict import read_spellings
from common.errors import FatalError, bad_setting
from common.packages import import_or_explain
from common.settings.services import ModelConfig
from common.units import SAMPLE_RATE

log = logging.getLogger(__name__)

DEMO_NOTICE = (
    "demo: a small model that knows the sentences of its grammar and espeak-ng's voices and nothing else; people come"
    " out as noise. It shows that the installation works."
)


def load_engine(config: ModelConfig, loading: Loading = TELL_NOBODY) -> Engine:
    """The engine and the model that ``config`` asks for, warmed up by one real inference.

    Raises FatalError: ``model_load_failed`` for the folder or the download, ``dependency_missing`` for a package,
    ``config_invalid`` for a device that this machine does not have or that the engine does not run on.
    """
    begin = time.monotonic()
    device = choose_device(config.device)
    for asked in ("engine openvino", "precision int8"):
        setting, value = asked.split()
        if getattr(config, setting) == value and device != "cpu":
            raise bad_setting(f"--{asked} runs on the CPU, not on {device}: add --device cpu")
    files = find_model(config, loading)
    if config.demo:
        log.warning(DEMO_NOTICE)
    if config.engine in ("auto", "openvino") and is_known(config, files):
        loading.prepared()
    name, engine = _loaded(config, files, device, loading)
    took = time.monotonic() - begin
    what = f"{name} ({getattr(engine, 'precision', 'float32')})"
    log.info("%s on %s by %s, %d threads, ready after %.1f s", files.folder, device, what, config.threads, took)
    engine.spellings = functools.partial(read_spellings, files.path("seg_dict"))
    engine.about = (
        ("model", str(files.folder)),
        ("device", device),
        ("engine", name),
        ("sample_rate", SAMPLE_RATE),
        ("load_ms", round(took * 1000)),
    )
    return engine


def _loaded(config: ModelConfig, files: ModelFiles, device: str, loading: Loading) -> tuple[str, Engine]:
    """OpenVINO on a CPU, else torch; FunASR for models that only it computes."""
    if config.engine == "funasr" or (config.engine == "auto" and not _is_ours(files)):
        loading.prepared()
        from common.engines.funasr.engine import load_funasr

        return "funasr", load_funasr(config, files, device)
    geometry = geometry_of(files)
    if config.engine == "openvino" or config.precision == "int8":
        from common.engines.openvino.load import load_openvino

        engine = load_openvino(config, files, geometry, loading)
        remember(config, files)
        return "openvino", engine
    if config.engine == "auto" and device == "cpu" and importlib.util.find_spec("openvino") is not None:
        try:
            return _loaded(replace(config, engine="openvino"), files, device, loading)
        except FatalError as error:
            if error.error_code == "model_load_failed" or importlib.util.find_spec("torch") is None:
                raise
            log.warning("torch decodes, five times slower: %s", error)
    loading.prepared()
    import_or_explain("torch")
    from common.engines.torch_engine import load_torch

    return "torch", load_torch(config, files, geometry, device)


def _is_ours(files: ModelFiles) -> bool:
    try:
        Geometry.of(files.config, len(files.tokens))
    except ValueError as error:
        log.warning("%s", error)
        return False
    return True


def geometry_of(files: ModelFiles) -> Geometry:
    """Raises FatalError ``model_load_failed`` for a variant that our own engines do not compute."""
    try:
        return Geometry.of(files.config, len(files.tokens))
    except ValueError as error:
        raise failed(error, "give --engine funasr") from error
