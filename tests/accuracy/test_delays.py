"""How soon characters are on the screen, how many are taken back, and how soon the final comes.

On the simulated clock, with computing for free, so that a busy machine is no finding: what the audio itself costs.
"""

from __future__ import annotations

from typing import Callable

import pytest

from common.engines.seam import Engine
from common.settings.services import ModelConfig, SliceConfig, StreamingConfig
from common.speech.service import Service
from tests.accuracy.espeak_events import library
from tests.accuracy.spoken import spoken
from tests.accuracy.through import vad
from tools.evaluate.paced import listen, partials_of, with_silence
from tools.evaluate.scores import Scores
from tools.evaluate.timeline import Spoken

pytestmark = [
    pytest.mark.skipif(library() is None, reason="libespeak-ng is not installed: apt-get install espeak-ng"),
    pytest.mark.full,
]

SENTENCES = 40


def scores(engine: Engine, config: ModelConfig) -> Scores:
    found = Scores()
    for recording in spoken(SENTENCES):
        vad().reset()
        service = Service(config, engine, vad(), partials_of(config))
        lines = listen(service, with_silence(recording.samples, config), timer=lambda: 0.0).lines
        times = [Spoken(c, s.start / 16000, s.end / 16000) for c, s in zip(recording.text, recording.syllables)]
        found.add(lines, recording.text, times)
    print(f"\n{found.summary()}")
    return found


def test_true_streaming_shows_characters_soon_and_takes_few_back(
    demo_engine: Callable[[ModelConfig], Engine],
) -> None:
    config = StreamingConfig(device="cpu")
    summary = scores(demo_engine(config), config).summary()
    median, p95 = summary["word_ms"]
    assert median <= 150 and p95 <= 300
    assert summary["rewritten"] <= 0.12
    assert summary["final_ms"][0] <= config.endpoint_silence_ms + 50


def test_slices_take_nothing_back(demo_engine: Callable[[ModelConfig], Engine]) -> None:
    config = SliceConfig(device="cpu")
    summary = scores(demo_engine(config), config).summary()
    assert summary["tentative"] == 0
    assert summary["final_ms"][0] <= config.endpoint_silence_ms + 50
