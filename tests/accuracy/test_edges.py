"""No first and no last character is lost, wherever the audio around the speech is cut."""

from __future__ import annotations

from typing import Callable

import jiwer
import numpy as np
import pytest

from common.engines.quiet import quiet_noise
from common.engines.seam import Engine
from common.settings.services import ModelConfig, SliceConfig, StreamingConfig
from tests.accuracy.through import recognise
from tests.audio import DEMO_SPEECH, read, speech_in
from tests.process.test_speech import transcripts
from tools.evaluate.scores import units

CONFIGS = [
    pytest.param(SliceConfig(device="cpu"), id="slices"),
    pytest.param(StreamingConfig(device="cpu"), id="streaming"),
]


def loses_an_edge(wanted: str, heard: str) -> bool:
    """Whether ``heard`` lacks the first or the last unit of ``wanted``; another one in its place is no loss."""
    changes = jiwer.process_words(" ".join(units(wanted)), " ".join(units(heard))).alignments[0]
    return "delete" in (changes[0].type, changes[-1].type)


def single_recordings() -> list[str]:
    return sorted(name for name, text in transcripts().items() if len(text) <= 30)


@pytest.mark.parametrize("config", CONFIGS)
def test_speech_cut_right_before_and_behind_it_keeps_its_first_and_last_character(
    demo_engine: Callable[[ModelConfig], Engine], config: ModelConfig
) -> None:
    """Against the decode of the same speech with a second of quiet around it."""
    names = single_recordings()
    assert any(len(transcripts()[name]) == 1 for name in names), "one-character utterances are among them"
    lost = set()
    for name in names:
        speech = speech_in(read(DEMO_SPEECH / name))
        ample = np.concatenate([quiet_noise(0, 16000), speech, quiet_noise(0, 16000)])
        wanted = "".join(recognise(demo_engine(config), ample, config))
        heard = "".join(recognise(demo_engine(config), speech, config))
        assert wanted and heard, f"{name}: nothing was heard"
        if loses_an_edge(wanted, heard):
            lost.add(name)
    assert not lost
