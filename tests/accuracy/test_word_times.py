"""The times of characters, against those that espeak-ng speaks them at.

The demo model's: how well the real checkpoint's fires mark characters is another matter (common/text/word_times.py).
"""

from __future__ import annotations

from typing import Callable

import numpy as np
import pytest

from common.engines.seam import Engine
from common.settings.services import ModelConfig, StreamingConfig
from common.speech.partials import Partials
from common.speech.service import Service
from common.wire.events import Extra, Final
from tests.accuracy.espeak_events import library
from tests.accuracy.spoken import Recording, spoken
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


@pytest.mark.parametrize("quiet_ms", [100, 300, 600, None])
def test_the_last_character_and_the_speech_end_in_time_wherever_the_sound_ends(
    demo_engine: Callable[[ModelConfig], Engine], quiet_ms: int | None
) -> None:
    """``quiet_ms`` of the room after the speech, then the end of the input; None: the endpoint's silence."""
    config = StreamingConfig(device="cpu")
    starts, ends, speech_ends = [], [], []
    for recording in spoken(SENTENCES):
        extra = last_extra(Service(config, demo_engine(config), vad(), Partials()), recording, quiet_ms)
        if extra is not None and extra.words[-1].text == recording.text[-1]:
            syllable, word = recording.syllables[-1], extra.words[-1]
            starts.append((word.start - syllable.start) / 16)
            ends.append((word.end - syllable.end) / 16)
            speech_ends.append((extra.speech_end - syllable.end) / 16)
    assert len(ends) > 0.9 * SENTENCES
    for name, late in (("begins", starts), ("ends", ends), ("the speech ends", speech_ends)):
        early, median, later = np.percentile(late, [5, 50, 95])
        print(f"\n{quiet_ms} ms of quiet: {name} {median:.0f} ms late (median), {early:.0f} to {later:.0f} (p5, p95)")
        assert abs(median) <= MEDIAN_MS


def last_extra(service: Service, recording: Recording, quiet_ms: int | None) -> Extra | None:
    """Of the final, if there is one; None where the recording was heard as several utterances."""
    end = len(recording.samples) if quiet_ms is None else recording.syllables[-1].end + quiet_ms * 16
    vad().reset()
    events = [*service.hear(recording.samples[:end]), *service.end()]
    found = [event.extra for event in events if isinstance(event, Final)]
    return found[0] if len(found) == 1 else None
