"""Fixtures that more than one folder uses."""

from __future__ import annotations

import functools
import signal
from typing import Callable

import pytest
from hypothesis import HealthCheck, settings

from common.engines.seam import Engine
from common.settings.flags import DEMO_MODEL
from common.settings.services import ModelConfig, StreamingConfig
from tests.engines.small_models import configured

# A busy machine is no finding: no example has a time limit, and slow generation is no failure.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")

# Under nohup pytest ignores hangups, and so would the processes that it spawns.
if hasattr(signal, "SIGHUP"):
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


@pytest.fixture(scope="session")
def demo_engine() -> Callable[[ModelConfig], Engine]:
    """The demo model in single precision, loaded once; call it with the settings of a service."""
    from common.engines.choose import load_engine
    from common.engines.paraformer_session import ParaformerEngine

    @functools.lru_cache(maxsize=None)
    def load() -> ParaformerEngine:
        return load_engine(StreamingConfig(model_dir=str(DEMO_MODEL), device="cpu", threads=1, engine="torch"))

    return lambda config: configured(load(), config)
