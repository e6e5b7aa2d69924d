"""Streaming CER of the demo model through the services, on sentences that are not in training.

The sentences are spoken here, by espeak-ng: in the voices of the training, in voices kept out of it, and in
noise at 10 dB. It is the demo model's CER: it says that the path is right, nothing about the real checkpoint.
"""

from __future__ import annotations

import functools
import re
from typing import Callable

import jiwer
import numpy as np
import pytest

from common.engines.seam import Engine
from common.settings.services import ModelConfig, SliceConfig, StreamingConfig
from tests.accuracy.through import recognise
from tools.train.grammar import sentences
from tools.train.speak import HELD_OUT_VOICES, TRAINING_VOICES, available, in_room, random_manner, speak

pytestmark = pytest.mark.skipif(not available(), reason="espeak-ng is not installed: apt-get install espeak-ng")

SENTENCES = 150
CONDITIONS = [  # voices, SNR in dB, kinds of noise, the highest CER
    pytest.param(TRAINING_VOICES, 40, ["room"], 0.02, id="known-voices"),
    pytest.param(HELD_OUT_VOICES, 40, ["room"], 0.05, id="unknown-voices"),
    pytest.param(TRAINING_VOICES, 10, ["white", "pink", "room"], 0.06, id="10-dB-SNR"),
]
SERVICES = [
    pytest.param(SliceConfig(device="cpu"), id="slices-0,10,5"),
    pytest.param(StreamingConfig(device="cpu"), id="streaming-5,10,5"),
]


def units(text: str) -> str:
    """What is counted, separated by blanks: Chinese characters, Latin words and abbreviations."""
    return " ".join(re.findall("[a-z']+|[A-Z]+|[\u4e00-\u9fff]", text))


@functools.lru_cache(maxsize=None)  # both services hear the same
def spoken(voices: tuple[str, ...], snr_db: float, kinds: tuple[str, ...]) -> list[tuple[str, np.ndarray]]:
    """(text, recording) of sentences of the test split, every voice in turn."""
    recordings = []
    for index, sentence in enumerate(sentences("test", SENTENCES, seed=2024)):
        speech = speak(sentence, voices[index % len(voices)], random_manner(index), peak=0.4)
        kind = kinds[index % len(kinds)]
        recordings.append((sentence.text, in_room(speech, 0.6, 1.2, snr_db, kind, seed=index)))
    return recordings


@pytest.mark.parametrize(("voices", "snr_db", "kinds", "highest"), CONDITIONS)
@pytest.mark.parametrize("config", SERVICES)
def test_cer_on_unseen_sentences(
    demo_engine: Callable[[ModelConfig], Engine],
    config: ModelConfig,
    voices: list[str],
    snr_db: float,
    kinds: list[str],
    highest: float,
) -> None:
    wanted, heard = [], []
    for text, samples in spoken(tuple(voices), snr_db, tuple(kinds)):
        wanted.append(units(text))
        heard.append(units(" ".join(recognise(demo_engine(config), samples, config))))
    measured = jiwer.process_words(wanted, heard)
    wrong = [f"{want} → {got}" for want, got in zip(wanted, heard) if want != got]
    print(
        f"\nCER {measured.wer:.2%} (at most {highest:.0%}): {measured.substitutions} substitutions,"
        f" {measured.deletions} deletions, {measured.insertions} insertions in {len(wanted)} sentences"
    )
    assert measured.wer <= highest, "\n".join(wrong)
