"""What finals pass through: ``--final-model``, ``--punc-model``, ``--itn``, found, loaded and warmed up."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Callable, Iterator, Mapping

from common.engines.device import choose_device
from common.engines.hub import cached_or_downloaded, in_cache
from common.engines.model_folder import Kind, ModelFiles, failed, read_folder
from common.errors import bad_setting
from common.finals.numbers import load_itn
from common.finals.polish import Finals
from common.finals.punctuation import PUNCTUATION, load_punctuation
from common.finals.second_pass import SECOND_PASS, load_second_pass
from common.settings.flags import CommonConfig

log = logging.getLogger(__name__)

SECOND_PASSES = {SECOND_PASS.name: SECOND_PASS}  # by the names that --final-model takes


def load_finals(config: CommonConfig, deadline: Callable[[], float]) -> Finals | None:
    """None if ``config`` asks for nothing. ``deadline``: see ``Finals``.

    Raises FatalError: ``model_load_failed`` for a folder or a download, ``dependency_missing`` for a package,
    ``config_invalid`` for a model that the hub does not have.
    """
    if not (config.itn or config.final_model or config.punc_model):
        return None
    device = choose_device(config.device)
    itn = load_itn() if config.itn else None  # first, as it is the quickest to fail
    second_pass = None
    if config.final_model is not None:
        second_pass = load_second_pass(_files(config.final_model, SECOND_PASSES, config.hub), config, device)
    punctuation = None
    if config.punc_model is not None:
        punctuation = load_punctuation(_files(config.punc_model, PUNCTUATION, config.hub), config, device)
    rewrites: list[Callable[[str], str]] = [step for step in (punctuation, itn) if step is not None]
    return Finals(rewrites, second_pass, config.final_timeout_ms / 1000, deadline)


def _files(value: str, kinds: Mapping[str, Kind], hub: str) -> ModelFiles:
    """The checked folder that a flag's ``value`` names: one of ``kinds``, or a folder."""
    kind, folder = located(value, kinds, hub)
    if folder is None:
        folder = Path(cached_or_downloaded(hub, kind))
    log.info("%s: %s", kind.name, folder)
    return read_folder(folder, kind)


def located(value: str, kinds: Mapping[str, Kind], hub: str) -> tuple[Kind, Path | None]:
    """What ``value`` names and where it lies; None if it is still to be downloaded. Never touches the network."""
    if value in kinds:
        kind = kinds[value]
        if hub not in kind.hub_names:
            raise bad_setting(f"{kind.flag} {value} is not on --hub {hub}; try --hub {min(kind.hub_names)}")
        return kind, in_cache(hub, kind)
    kind = next(iter(kinds.values()))
    folder = Path(value)
    if not folder.is_dir():
        names = " or ".join(kinds)
        raise failed(FileNotFoundError(f"no model folder {folder}"), f"{kind.flag} takes a folder, or {names}")
    return kind, folder


def final_models(config: CommonConfig) -> Iterator[tuple[str, Mapping[str, Kind]]]:
    """The value of each flag that names a model for finals, and the kinds that it may name."""
    for value, kinds in ((config.final_model, SECOND_PASSES), (config.punc_model, PUNCTUATION)):
        if value is not None:
            yield value, kinds
