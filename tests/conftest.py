"""Fixtures that more than one folder uses."""

from __future__ import annotations

import functools
from typing import Any, Callable

import pytest
from hypothesis import HealthCheck, settings

from common.config import DEMO_MODEL, StreamingConfig

# A busy machine is no finding: no example has a time limit, and slow generation is no failure.
settings.register_profile("busy", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("busy")


@pytest.fixture(scope="session")
def demo_engine() -> Callable[..., Any]:
    """The demo model on FunASR's engine, loaded once; call it with settings for another view of the same model."""
    from common.funasr_engine import FunasrEngine, load_engine

    @functools.lru_cache(maxsize=None)
    def load() -> FunasrEngine:
        return load_engine(StreamingConfig(model_dir=str(DEMO_MODEL), device="cpu", threads=1))

    return lambda **settings: load().configured(StreamingConfig(device="cpu", **settings))
