"""Settings in milliseconds → frames of 32 ms, as the endpointer counts them; pure."""

from __future__ import annotations

from common.settings.flags import CommonConfig
from common.speech.endpoint import EndpointSettings
from common.units import SAMPLE_RATE, VAD_FRAME_SAMPLES


def frames(milliseconds: float) -> int:
    """Frames, rounded up."""
    return int(-(-milliseconds * SAMPLE_RATE // (1000 * VAD_FRAME_SAMPLES)))


def silent_frames(milliseconds: int, lateness: int) -> int:
    """How many silent frames the detector, which is ``lateness`` frames late, finds in so much silence; 0 stays 0."""
    return max(1, frames(milliseconds) - lateness) if milliseconds else 0


def endpoint_settings(config: CommonConfig, lateness: int) -> EndpointSettings:
    """The settings in frames: what must be heard at least is rounded up, the longest utterance down."""
    return EndpointSettings(
        endpoint_silence=silent_frames(config.endpoint_silence_ms, lateness),
        min_speech=frames(config.min_speech_ms),
        pre_roll=frames(config.pre_roll_ms),
        max_utterance=int(config.max_utterance_sec * SAMPLE_RATE // VAD_FRAME_SAMPLES),
    )
