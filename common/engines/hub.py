"""Where a model comes from: a folder that the user names, a hub's cache, or one download."""

from __future__ import annotations

import importlib
import logging
from pathlib import Path
from typing import Any

from common.engines.loading import TELL_NOBODY, Loading
from common.engines.model_folder import STREAMING, Kind, ModelFiles, read_folder
from common.errors import EXIT_FATAL, FatalError, describe
from common.settings.flags import DEMO_MODEL, CommonConfig

log = logging.getLogger(__name__)


def find_model(config: CommonConfig, loading: Loading = TELL_NOBODY) -> ModelFiles:
    """The folder that ``config`` asks for, downloaded if need be, and checked.

    Raises FatalError ``model_load_failed`` naming the file that is missing, damaged or foreign.
    """
    if config.model_dir is not None:
        return read_folder(Path(config.model_dir))
    if config.demo:
        return read_folder(DEMO_MODEL)
    return read_folder(Path(cached_or_downloaded(config.hub, loading=loading)))


def cached_or_downloaded(hub: str, kind: Kind = STREAMING, loading: Loading = TELL_NOBODY) -> str:
    """Path of the hub's model: from its cache without touching the network, else downloaded once."""
    cached = in_cache(hub, kind)
    if cached is not None:
        return str(cached)
    loading.busy("downloading", 0.0)
    log.info("downloading %s (about %s, once)", kind.hub_names[hub], kind.size)
    try:
        return str(snapshot_download(hub)(kind.hub_names[hub]))
    except FatalError:
        raise
    except Exception as error:
        other = "hf" if hub == "ms" else "ms"
        advice = f"check the network, try --hub {other}, {kind.instead}"
        raise FatalError("model_load_failed", describe(error, advice), EXIT_FATAL) from error


def in_cache(hub: str, kind: Kind) -> Path | None:
    """The hub's model in its cache, or None if it is not there or not whole. Never touches the network."""
    try:
        folder = Path(snapshot_download(hub)(kind.hub_names[hub], local_files_only=True))
    except FatalError:
        raise
    except Exception as error:  # not in the cache: each hub has its own error for that
        log.debug("not in the cache: %s", error)
        return None
    return folder if all((folder / name).is_file() for name in kind.files) else None


def snapshot_download(hub: str) -> Any:
    """The hub's own function of that name. Raises FatalError ``dependency_missing``."""
    module = "modelscope_hub.compat.snapshot_download" if hub == "ms" else "huggingface_hub"
    try:
        return importlib.import_module(module).snapshot_download
    except Exception as error:
        package = "modelscope-hub" if hub == "ms" else "huggingface_hub"
        raise FatalError("dependency_missing", describe(error, f"pip install {package}")) from error
