"""Recordings through the real service in this process: real model, real VAD, no thread and no clock."""

from __future__ import annotations

import functools
import sys

import numpy as np

from common.engines.seam import Engine
from common.settings.services import SliceConfig, StreamingConfig
from common.speech.partials import Partials
from common.speech.service import Service
from common.speech.vad import OpenvinoVad, TorchVad, load_vad
from common.wire.events import Final

BLOCK = 1600  # samples


@functools.lru_cache(maxsize=None)
def vad() -> OpenvinoVad | TorchVad:
    return load_vad()


def recognise(engine: Engine, samples: np.ndarray, config: SliceConfig | StreamingConfig) -> list[str]:
    """The texts of the finals. As for a file that goes as fast as it can, the tail is not looked at."""
    service = Service(config, engine, vad(), Partials(append_only=True))
    vad().reset()
    events = []
    for start in range(0, len(samples), BLOCK):
        events += service.hear(samples[start : start + BLOCK], backlog=sys.maxsize)
    events += service.end()
    return [event.text for event in events if isinstance(event, Final)]
