"""Streaming character error rate of a model folder, through FunASR's own AutoModel.generate."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Any, Sequence

import numpy as np

from tools.train.grammar import Sentence, sentences
from tools.train.speak import HELD_OUT_VOICES, TRAINING_VOICES, in_room, random_manner, speak

CHUNK_SIZES = ([0, 10, 5], [5, 10, 5])
# name, voices, SNR in dB, kind of noise
CONDITIONS = (
    ("known voices, quiet room (40 dB)", TRAINING_VOICES, 40.0, "pink"),
    ("held-out voices, quiet room (40 dB)", HELD_OUT_VOICES, 40.0, "pink"),
    ("known voices, 10 dB, white noise", TRAINING_VOICES, 10.0, "white"),
    ("known voices, 10 dB, room noise", TRAINING_VOICES, 10.0, "room"),
    ("held-out voices, 10 dB, room noise", HELD_OUT_VOICES, 10.0, "room"),
)
STRIDE = 960  # samples of 60 ms


class Recogniser:
    """AutoModel fed chunk by chunk, its tokens collected before its text post-processing drops any."""

    def __init__(self, folder: Path) -> None:
        sys.modules["torchaudio"] = None  # type: ignore[assignment]
        from funasr import AutoModel

        self.auto = AutoModel(
            model=str(folder),
            device="cpu",
            ncpu=2,
            disable_update=True,
            disable_pbar=True,
            disable_log=True,
            frontend_conf={"dither": 0.0},
        )
        self.tokens: list[str] = []
        plain = self.auto.model.generate_chunk

        def collect(*rest: Any, **named: Any) -> list[str]:
            found = plain(*rest, **named)
            self.tokens += found
            return found

        self.auto.model.generate_chunk = collect

    def __call__(self, samples: np.ndarray, chunk_size: Sequence[int]) -> list[str]:
        """Tokens of one utterance (float32, 16 kHz)."""
        self.tokens = []
        cache: dict[str, Any] = {}
        step = chunk_size[1] * STRIDE
        for start in range(0, len(samples), step):
            self.auto.generate(
                input=samples[start : start + step],
                cache=cache,
                is_final=start + step >= len(samples),
                chunk_size=list(chunk_size),
                encoder_chunk_look_back=4,
                decoder_chunk_look_back=1,
            )
        return self.tokens


def units(tokens: Sequence[str]) -> list[str]:
    """What an error is counted in: a Chinese character, a Latin word, a spelled letter."""
    return "".join(token[:-2] if token.endswith("@@") else token + " " for token in tokens).split()


def differences(expected: Sequence[str], heard: Sequence[str]) -> list[tuple[str, str]]:
    """The fewest (expected, heard) substitutions, deletions (heard "") and insertions (expected "")."""
    cost = np.zeros((len(expected) + 1, len(heard) + 1), int)
    cost[:, 0], cost[0] = range(len(expected) + 1), range(len(heard) + 1)
    for i, left in enumerate(expected, 1):
        for j, right in enumerate(heard, 1):
            cost[i, j] = min(cost[i - 1, j - 1] + (left != right), cost[i - 1, j] + 1, cost[i, j - 1] + 1)
    found, i, j = [], len(expected), len(heard)
    while i or j:
        if i and j and cost[i, j] == cost[i - 1, j - 1] + (expected[i - 1] != heard[j - 1]):
            i, j = i - 1, j - 1
            if expected[i] != heard[j]:
                found.append((expected[i], heard[j]))
        elif i and cost[i, j] == cost[i - 1, j] + 1:
            i -= 1
            found.append((expected[i], ""))
        else:
            j -= 1
            found.append(("", heard[j]))
    return found[::-1]


def spoken(sentence: Sentence, index: int, voices: Sequence[str], snr_db: float, kind: str) -> np.ndarray:
    """The `index`-th test sentence as measured: 0.3 s of room before it, 0.8 s behind it."""
    voice = voices[index % len(voices)]
    speech = speak(sentence, voice, random_manner(90000 + index), peak=0.3)
    return in_room(speech, 0.3, 0.8, snr_db, kind, 90000 + index)


def report(folder: Path, count: int) -> None:
    """Prints a line a condition and chunk size, then what was wrong most often."""
    recogniser = Recogniser(folder)
    chosen = sentences("test", count, 2024)
    wrong: Counter = Counter()
    for name, voices, snr_db, kind in CONDITIONS:
        audio = [spoken(sentence, index, voices, snr_db, kind) for index, sentence in enumerate(chosen)]
        for chunk_size in CHUNK_SIZES:
            errors = total = exact = 0
            for sentence, samples in zip(chosen, audio):
                expected = units(sentence.tokens)
                found = differences(expected, units(recogniser(samples, chunk_size)))
                wrong.update(found)
                errors += len(found)
                total += len(expected)
                exact += not found
            rate = 100.0 * errors / total
            print(
                f"{name:36} {chunk_size!s:10} CER {rate:5.2f} %  ({errors} of {total}; {exact} of {count} exact)",
                flush=True,
            )
    print(
        "most often:",
        ", ".join(f"{left or '-'}>{right or '-'} {number}" for (left, right), number in wrong.most_common(25)),
    )
