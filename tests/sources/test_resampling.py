"""What every source gives is 16 kHz mono within bounds, whatever came in."""

from __future__ import annotations

import numpy as np
import pytest

from common.sources.resampling import LOUDEST, Converter


@pytest.mark.parametrize("wild", [1e18, -1e20, 3e38, 17.0])
@pytest.mark.parametrize("rate", [16000, 44100])
def test_no_sample_leaves_a_source_beyond_the_bounds(wild: float, rate: int, caplog: pytest.LogCaptureFixture) -> None:
    frames = np.zeros((rate, 2), dtype=np.float32)
    frames[::100] = wild
    converter = Converter(rate)
    samples = np.concatenate([converter.convert(frames), converter.convert(frames)])
    assert np.isfinite(samples).all() and np.abs(samples).max() <= 2 * LOUDEST  # the resampler may overshoot
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "from -1 to 1" in caplog.text


def test_what_is_no_number_is_silence_and_what_is_a_little_too_loud_stays(caplog: pytest.LogCaptureFixture) -> None:
    frames = np.array([[np.nan], [np.inf], [-np.inf], [1.5], [-LOUDEST]], dtype=np.float32)
    assert Converter(16000).convert(frames).tolist() == [0, 0, 0, 1.5, -LOUDEST]
    assert not caplog.records
