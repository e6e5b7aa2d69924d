"""Silero's model in both of its files: the same numbers, of which speech is high and quiet low."""

from __future__ import annotations

import functools
import sys
from typing import Any

import numpy as np
import pytest

from common.errors import FatalError
from common.speech import vad
from common.speech.vad import OpenvinoVad, TorchVad, load_vad
from common.units import VAD_FRAME_SAMPLES
from tests.audio import DEMO_SPEECH, read, speech_in

FRAMES = 60


@functools.lru_cache(maxsize=None)
def made(kind: Any) -> Any:
    return kind()


@functools.lru_cache(maxsize=None)
def spoken() -> list[np.ndarray]:
    """Two seconds of a recording of the demo, in frames."""
    samples = speech_in(read(min(DEMO_SPEECH.glob("*.wav"))))[: FRAMES * VAD_FRAME_SAMPLES]
    return list(samples.reshape(FRAMES, VAD_FRAME_SAMPLES))


def heard(detector: Any, frames: list[np.ndarray]) -> list[float]:
    return [detector.probability(frame) for frame in frames]


def test_both_files_of_the_model_hear_the_same_frame_for_frame() -> None:
    for detector in (made(OpenvinoVad), made(TorchVad)):
        detector.reset()
    assert heard(made(OpenvinoVad), spoken()) == pytest.approx(heard(made(TorchVad), spoken()), abs=1e-3)


@pytest.mark.parametrize("kind", [OpenvinoVad, TorchVad])
def test_speech_is_probable_and_quiet_is_not(kind: Any) -> None:
    detector = made(kind)
    detector.reset()
    assert np.median(heard(detector, spoken())) > 0.8
    quiet = list(np.random.default_rng(1).normal(scale=1e-4, size=(FRAMES, VAD_FRAME_SAMPLES)).astype(np.float32))
    assert np.median(heard(detector, quiet)) < 0.2


@pytest.mark.parametrize("kind", [OpenvinoVad, TorchVad])
def test_a_detector_remembers_the_frames_before_until_it_is_told_to_forget_them(kind: Any) -> None:
    detector = made(kind)
    detector.reset()
    first = heard(detector, spoken()[:20])
    assert heard(detector, spoken()[:20]) != pytest.approx(first, abs=1e-3)
    detector.reset()
    assert heard(detector, spoken()[:20]) == first


def test_a_frame_takes_one_thread_of_torch_and_leaves_the_others_to_the_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    detector = made(TorchVad)
    threads: list[int] = []

    def model(samples: torch.Tensor, rate: int) -> torch.Tensor:
        threads.append(torch.get_num_threads())
        return torch.zeros(1)

    monkeypatch.setattr(detector, "_model", model)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        detector.probability(spoken()[0])
        assert (threads, torch.get_num_threads()) == ([1], 3)
    finally:
        torch.set_num_threads(before)


def test_without_openvino_the_detector_runs_on_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "openvino", None)
    assert isinstance(load_vad(), TorchVad)


@pytest.mark.parametrize("damaged", [RuntimeError("cannot parse"), OSError("input/output error")])
def test_a_model_that_neither_can_load_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, damaged: Exception
) -> None:
    def fails() -> None:
        raise damaged

    monkeypatch.setattr(vad, "OpenvinoVad", fails)
    monkeypatch.setattr(vad, "TorchVad", fails)
    with pytest.raises(FatalError, match=f"{damaged}; pip install --force-reinstall silero-vad") as fatal:
        load_vad()
    assert fatal.value.error_code == "dependency_missing"


def test_a_wheel_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(FatalError, match="ModuleNotFoundError: silero-vad is not installed") as fatal:
        load_vad()
    assert fatal.value.error_code == "dependency_missing"
