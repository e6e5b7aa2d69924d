"""Whether this very start was prepared before: known from a note, without importing OpenVINO, which takes a while."""

from __future__ import annotations

import contextlib
import importlib.metadata
from pathlib import Path
from typing import Any

from common.engines.cache_folder import cache_path
from common.engines.model_folder import ModelFiles
from common.engines.openvino.cache import key_of, write_atomically
from common.engines.streaming_step import Shape
from common.settings.services import ModelConfig


def is_known(config: ModelConfig, files: ModelFiles) -> bool:
    """A note may outlive what was prepared: then it is prepared again."""
    with contextlib.suppress(Exception):  # no home, no such package: nothing is known
        return _note(config, files).is_file()
    return False


def remember(config: ModelConfig, files: ModelFiles) -> None:
    """It was loaded: the next start like this one finds everything on the disk."""
    with contextlib.suppress(Exception):  # a cache that cannot be written is told of elsewhere
        if not _note(config, files).is_file():
            write_atomically(_note(config, files), str(files.folder))


def _note(config: ModelConfig, files: ModelFiles) -> Path:
    state = files.path("model.pt").stat()
    known: dict[str, Any] = {"folder": files.folder.resolve(), "size": state.st_size, "changed": state.st_mtime_ns}
    known.update(shape=Shape.of(config), threads=config.threads, precision=config.precision)
    return cache_path() / "known" / key_of({**known, "openvino": importlib.metadata.version("openvino")})
