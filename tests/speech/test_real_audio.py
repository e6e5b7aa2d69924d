"""The endpoint on real recordings: noise opens next to no utterance, speech always does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.engines.seam import Hypothesis
from common.settings.services import StreamingConfig
from common.speech.partials import Partials
from common.speech.service import Service
from tests.accuracy.through import vad
from tests.audio import REAL_AUDIO, read, real_recordings

pytestmark = pytest.mark.skipif(not REAL_AUDIO.is_dir(), reason=f"no folder of real recordings at {REAL_AUDIO}")
NOISES_THAT_MAY_OPEN = 3  # of 50


class Listener:
    """An engine that counts its sessions and says nothing."""

    token_list: tuple[str, ...] = ()
    about: tuple[str, ...] = ()

    def __init__(self) -> None:
        self.sessions = 0

    def session(self) -> Listener:
        self.sessions += 1
        return self

    def accept(self, samples: np.ndarray) -> None:
        assert np.isfinite(samples).all()

    def peek(self, quiet: np.ndarray | None = None) -> Hypothesis:
        return Hypothesis()

    finish = peek


def utterances(path: Path) -> int:
    """How many utterances the default settings open in a recording."""
    engine = Listener()
    running = Service(StreamingConfig(), engine, vad(), Partials())
    vad().reset()
    list(running.hear(read(path)))
    list(running.end())
    return engine.sessions


def test_noise_opens_at_most_three_utterances() -> None:
    opened = [path.name for path in real_recordings("noise") if utterances(path)]
    assert len(real_recordings("noise")) == 50
    assert len(opened) <= NOISES_THAT_MAY_OPEN, opened


@pytest.mark.parametrize("path", real_recordings("speech"), ids=lambda path: path.stem)
def test_every_speech_recording_opens_an_utterance(path: Path) -> None:
    assert utterances(path) >= 1
