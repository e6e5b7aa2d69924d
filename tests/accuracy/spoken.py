#!/usr/bin/env python3
"""Sentences of the demo's test split, spoken by espeak-ng, with the time of every character.

    python -m tests.accuracy.spoken DIR --count 120

writes them as 16 kHz recordings with ``transcripts.tsv`` and ``times.tsv``, which ``tools/evaluate/evaluate.py`` reads.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tests.accuracy.espeak_events import Syllable, is_chinese, speak_with_times
from tools.train.grammar import sentences
from tools.train.speak import SAMPLE_RATE, TRAINING_VOICES, in_room, random_manner

LEAD_SEC, TAIL_SEC = 0.6, 1.2  # of room around the speech


class Recording(NamedTuple):
    """``samples``: 16 kHz float32; ``syllables``: one for each character of ``text``."""

    text: str
    samples: np.ndarray
    syllables: list[Syllable]


@functools.lru_cache(maxsize=None)  # both services hear the same
def spoken(count: int, seed: int = 2024, snr_db: float = 40, tail_sec: float = TAIL_SEC) -> list[Recording]:
    """``count`` sentences, all Chinese, in the training's voices in turn, none of them in the training.

    A process of its own speaks them: libespeak-ng goes on from the state that the sentence before left, so here they
    would depend on the tests that ran before.
    """
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as fresh:
        return fresh.submit(_spoken, count, seed, snr_db, tail_sec).result()


def _spoken(count: int, seed: int, snr_db: float, tail_sec: float) -> list[Recording]:
    found: list[Recording] = []
    for index, sentence in enumerate(sentences("test", 2 * count + 20, seed)):
        if len(found) == count:
            break
        if is_chinese(sentence):
            voice = TRAINING_VOICES[index % len(TRAINING_VOICES)]
            speech, syllables = speak_with_times(sentence, voice, random_manner(index), peak=0.4)
            samples = in_room(speech, LEAD_SEC, tail_sec, snr_db, "room", seed=index)
            lead = int(LEAD_SEC * SAMPLE_RATE)
            found.append(Recording(sentence.text, samples, [Syllable(s.start + lead, s.end + lead) for s in syllables]))
    return found


def main() -> None:
    import soundfile

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--count", type=int, default=120)
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    texts, times = ["file\ttranscript"], ["file\tstart_s\tend_s\ttext"]
    for index, recording in enumerate(spoken(arguments.count)):
        name = f"spoken{index:03}.wav"
        soundfile.write(str(arguments.folder / name), recording.samples, SAMPLE_RATE)
        texts.append(f"{name}\t{recording.text}")
        for character, syllable in zip(recording.text, recording.syllables):
            times.append(f"{name}\t{syllable.start / SAMPLE_RATE:.3f}\t{syllable.end / SAMPLE_RATE:.3f}\t{character}")
    for name, lines in (("transcripts.tsv", texts), ("times.tsv", times)):
        (arguments.folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
