"""Which device computes where nobody says so."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

import pytest

import common.engines.device as device
from common.engines.device import choose_device
from common.errors import FatalError


def torch_that_sees(gpus: int) -> Any:
    cuda = SimpleNamespace(is_available=lambda: gpus > 0, device_count=lambda: gpus)
    return SimpleNamespace(cuda=cuda, __version__="2", backends=SimpleNamespace())


@pytest.mark.parametrize(
    ("driver", "torch", "chosen"),
    [
        (False, None, "cpu"),
        (True, None, "cpu"),  # a GPU, and an installation without torch: the CPU decodes
        (True, torch_that_sees(0), "cpu"),
        (True, torch_that_sees(1), "cuda:0"),
        (False, torch_that_sees(1), "cpu"),
    ],
    ids=["neither", "driver alone", "torch sees none", "both", "torch alone"],
)
def test_auto_is_a_gpu_only_where_driver_and_torch_are_there(
    monkeypatch: pytest.MonkeyPatch, driver: bool, torch: Any, chosen: str
) -> None:
    monkeypatch.setattr(device, "_has_nvidia_driver", lambda: driver)
    monkeypatch.setitem(sys.modules, "torch", torch)
    assert choose_device("auto") == chosen
    assert choose_device("cpu") == "cpu"


def test_a_gpu_that_is_asked_for_takes_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(FatalError) as refused:
        choose_device("cuda")
    assert refused.value.error_code == "dependency_missing"
    monkeypatch.setitem(sys.modules, "torch", torch_that_sees(1))
    assert choose_device("cuda:0") == "cuda:0"
    with pytest.raises(FatalError, match="sees 1 CUDA"):
        choose_device("cuda:1")
