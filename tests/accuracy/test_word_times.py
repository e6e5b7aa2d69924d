"""The times of characters, against those that espeak-ng speaks them at.

The demo model's: how well the real checkpoint's fires mark characters is another matter (common/text/word_times.py).
"""

from __future__ import annotations

from typing import Callable

import numpy as np
import pytest

from common.engines.seam import Engine
from common.settings.flags import ModelConfig, StreamingConfig
from common.speech.service import Service
from tests.accuracy.espeak_events import library
from tests.accuracy.spoken import spoken
from tests.accuracy.through import vad
from tools.evaluate.paced import listen, partials_of, with_silence
from tools.evaluate.scores import Errors, align
from tools.evaluate.timeline import by_utterance

pytestmark = [
    pytest.mark.skipif(library() is None, reason="libespeak-ng is not installed: apt-get install espeak-ng"),
    pytest.mark.full,
]

SENTENCES = 60
MEDIAN_MS = 120


@pytest.mark.parametrize("chunk_size", [(5, 10, 5), (0, 10, 5)])
def test_half_of_the_characters_begin_and_end_within_120_ms(
    demo_engine: Callable[[ModelConfig], Engine], chunk_size: tuple[int, int, int]
) -> None:
    config = StreamingConfig(device="cpu", chunk_size=chunk_size, partial_interval_ms=5000)
    wrong = []
    for recording in spoken(SENTENCES):
        vad().reset()
        service = Service(config, demo_engine(config), vad(), partials_of(config))
        lines = listen(service, with_silence(recording.samples, config)).lines
        words = [word for group in by_utterance(lines) for word in group[-1].words]
        for wanted, heard in align(list(recording.text), [word.text for word in words], Errors()):
            syllable, word = recording.syllables[wanted], words[heard]
            wrong.append((word.start - syllable.start / 16000, word.end - syllable.end / 16000))
    off = np.abs(np.array(wrong)) * 1000
    for edge, column in (("starts", off[:, 0]), ("ends", off[:, 1])):
        median, p95 = np.percentile(column, [50, 95])
        print(f"\n{chunk_size} {edge}: {median:.0f} ms off (median), {p95:.0f} ms (p95), {len(column)} characters")
        assert median <= MEDIAN_MS
