"""What the speech detector hears too long is no silence that a speaker has to wait for."""

from __future__ import annotations

import pytest

from common.settings.services import StreamingConfig
from common.speech.frames import endpoint_settings, silent_frames


@pytest.mark.parametrize(("milliseconds", "frames"), [(0, 0), (32, 1), (64, 1), (96, 1), (160, 3), (800, 23)])
def test_the_detectors_lateness_counts_as_silence_already_heard(milliseconds: int, frames: int) -> None:
    assert silent_frames(milliseconds, lateness=2) == frames


def test_settings_without_lateness_are_whole_frames_rounded_up() -> None:
    assert endpoint_settings(StreamingConfig(endpoint_silence_ms=100), lateness=0).endpoint_silence == 4
