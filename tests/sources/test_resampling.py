"""What every source gives is 16 kHz mono within bounds, whatever came in."""

from __future__ import annotations

import numpy as np
import pytest

from common.sources.resampling import LOUDEST, Converter
from tests.audio import babble


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


def out_of_phase(seconds: float, rate: int = 16000) -> np.ndarray:
    """Two channels, the second wired the wrong way round, with a little noise of its own in each."""
    rng = np.random.default_rng(3)
    voice = babble(seconds, seed=1) if rate == 16000 else rng.normal(0, 0.1, int(seconds * rate))
    noise = rng.normal(0, 0.0005, (len(voice), 2))
    return (np.stack([voice, -voice], axis=1) + noise).astype(np.float32)


def in_pieces(frames: np.ndarray, rate: int, sizes: list[int]) -> np.ndarray:
    """What comes out when ``frames`` come in pieces of ``sizes``, over and over."""
    converter = Converter(rate)
    given, start = [], 0
    while start < len(frames):
        size = sizes[len(given) % len(sizes)]
        given.append(converter.convert(frames[start : start + size]))
        start += size
    return np.concatenate([*given, converter.finish()])


def test_channels_that_cancel_each_other_are_heard_one_alone_with_one_warning(
    caplog: pytest.LogCaptureFixture,
) -> None:
    frames = out_of_phase(3)
    heard = in_pieces(frames, 16000, [1600])
    assert np.square(frames.mean(axis=1)).mean() < 1e-4 * np.square(frames[:, 0]).mean()
    loud = np.abs(frames[:, 0]) > 0.05
    assert np.array_equal(heard[loud], frames[loud, 0])
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "channel 1 is heard" in caplog.text


@pytest.mark.parametrize("rate", [16000, 44100])
def test_what_is_heard_of_two_channels_does_not_depend_on_how_they_are_cut(rate: int) -> None:
    frames = out_of_phase(2, rate)
    frames[rate // 2 : rate] = np.abs(frames[rate // 2 : rate])  # here they do not cancel
    whole = in_pieces(frames, rate, [len(frames)])
    np.testing.assert_array_equal(in_pieces(frames, rate, [1, 700, 511, 4000]), whole)
    assert len(whole) == round(len(frames) * 16000 / rate)


def test_two_speakers_on_two_channels_are_both_heard_as_the_mean(caplog: pytest.LogCaptureFixture) -> None:
    one, other = babble(2, seed=1), babble(2, seed=2)
    frames = np.zeros((64000, 2), dtype=np.float32)
    frames[:32000, 0], frames[32000:, 1] = one, other
    assert np.array_equal(in_pieces(frames, 16000, [512]), frames.mean(axis=1))
    assert not caplog.records


def test_the_channel_that_is_heard_alone_is_one_that_has_sound() -> None:
    voice = out_of_phase(1)
    frames = np.concatenate([np.zeros_like(voice), voice], axis=1)  # channels 3 and 4 of four
    heard = in_pieces(frames, 16000, [16000])
    loud = np.abs(voice[:, 0]) > 0.05
    assert np.array_equal(np.abs(heard[loud]), np.abs(voice[loud, 0])) or np.array_equal(heard[loud], voice[loud, 1])


def test_once_the_channels_agree_again_their_mean_is_heard() -> None:
    frames = np.concatenate([out_of_phase(1), np.repeat(babble(1, seed=5)[:, None], 2, axis=1)])
    heard = in_pieces(frames, 16000, [1600])
    assert np.array_equal(heard[16384:], frames[16384:].mean(axis=1))


@pytest.mark.parametrize("rate", [8000, 11025, 44100, 48000])
def test_however_often_the_sound_is_finished_no_sample_is_lost_or_added(rate: int) -> None:
    rng = np.random.default_rng(rate)
    converter = Converter(rate)
    taken, given = 0, 0
    for _ in range(200):
        frames = rng.normal(0, 0.1, (int(rng.integers(0, 700)), 1)).astype(np.float32)
        taken += len(frames)
        given += len(converter.convert(frames)) + len(converter.finish())
        assert abs(given - taken * 16000 / rate) <= 1


def test_sound_that_is_finished_and_goes_on_has_no_click_beside_the_cut() -> None:
    rate = 48000
    tone = (0.5 * np.cos(2 * np.pi * 300 * np.arange(rate) / rate)).astype(np.float32)[:, None]
    whole, cut = Converter(rate), Converter(rate)
    uncut = np.concatenate([whole.convert(tone), whole.finish()])
    halves = [cut.convert(tone[: rate // 2]), cut.finish(), cut.convert(tone[rate // 2 :]), cut.finish()]
    apart = np.abs(np.concatenate(halves) - uncut)
    beside = slice(8000 - 32, 8000 + 32)  # 2 ms on each side
    assert apart[beside].max() < 0.25  # half of the tone, in the middle of a swing
    apart[beside] = 0
    assert apart.max() < 0.005
