"""The int8 engine from the user's cache, made where it is not there: only then is torch needed."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np

from common.engines.cache_folder import cache_root
from common.engines.geometry import Geometry
from common.engines.model_folder import ModelFiles
from common.engines.openvino.cache import drop, entry_of, hash_of, key_of, made
from common.engines.openvino.network import engine_from, settings
from common.engines.paraformer_session import ParaformerEngine
from common.engines.streaming_step import Shape
from common.errors import FatalError, describe
from common.packages import INSTALL, import_or_explain
from common.settings.flags import ModelConfig

log = logging.getLogger(__name__)

FORMAT = 4  # of an entry: a change in openvino_build or openvino_engine makes the old ones useless


def load_openvino(
    config: ModelConfig, files: ModelFiles, geometry: Geometry, least: float
) -> tuple[ParaformerEngine | None, float]:
    """The engine from the cache, made first where it is not there or damaged; and which part of the tokens of the
    bundled speech is the same as in single precision. If that is below ``least``, nothing is loaded.

    Raises FatalError: ``dependency_missing`` without OpenVINO, ``model_load_failed`` for the checkpoint.
    """
    import_or_explain("openvino")
    root = cache_root()
    shape = Shape.of(config)

    def make(folder: Path) -> dict[str, Any]:
        from common.engines.openvino.build import build

        log.info("preparing the int8 engine (once for this model and these settings)")
        return build(files, geometry, config, folder)

    key = key_of(_everything_it_depends_on(config, files, root))
    for last_try in (False, True):
        folder = made(root, key, make)
        try:
            entry = entry_of(folder) or {}
            if entry["agreement"] < least:
                return None, float(entry["agreement"])
            engine = engine_from(folder, files, geometry, shape, config.threads)
            if not np.allclose(engine.warm_up(), entry["warm_up"], atol=0.05):
                raise ValueError(f"{folder} gives other numbers than when it was made")
            return engine, float(entry["agreement"])
        except Exception as error:  # whatever OpenVINO makes of a damaged file
            if last_try:
                raise FatalError("dependency_missing", describe(error, INSTALL)) from error
            log.debug("%s", error)
            drop(folder)
    raise AssertionError("unreachable")


def _everything_it_depends_on(config: ModelConfig, files: ModelFiles, root: Path) -> dict[str, Any]:
    import openvino

    return {
        "model": [hash_of(files.path(name), root) for name in ("model.pt", "config.yaml", "am.mvn", "tokens.json")],
        "shape": Shape.of(config),
        "threads": config.threads,
        "settings": settings(config.threads),
        "openvino": openvino.__version__,
        "processor": openvino.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"),
        "format": FORMAT,
    }
