"""The training set: sentences spoken once, in a room, kept as features in a folder."""

from __future__ import annotations

import multiprocessing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tools.train.features import fbank, stack
from tools.train.grammar import sentences, vocabulary
from tools.train.speak import LSB, NOISES, SAMPLE_RATE, TRAINING_VOICES, noise, random_manner, speak

WORKERS = 2


@dataclass(frozen=True)
class Corpus:
    """`frames` (N, 80) float16 of all utterances in a row, `ends` where each one ends, tokens alike."""

    frames: np.ndarray
    ends: np.ndarray
    tokens: np.ndarray
    token_ends: np.ndarray
    levels: np.ndarray  # ln of the mean power of the speech

    def __len__(self) -> int:
        return len(self.ends)

    def utterance(self, index: int) -> tuple[np.ndarray, float]:
        start = self.ends[index - 1] if index else 0
        return self.frames[start : self.ends[index]], float(self.levels[index])

    def labels(self, index: int) -> np.ndarray:
        start = self.token_ends[index - 1] if index else 0
        return self.tokens[start : self.token_ends[index]]


def room(speech: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Speech as the service would cut it out of a room: lead, floor, tail, 16-bit steps.

    A third ends as a flush does: little or no room behind the speech, then a few steps of noise.
    """
    seed = int(rng.integers(1 << 30))
    lead, tail = rng.uniform(0.05, 1.0), rng.uniform(0.2, 1.4)
    flushed = rng.random() < 0.35
    if flushed:
        tail = rng.choice([0.0, rng.uniform(0.0, 0.3)])
    quiet = LSB * np.exp(rng.uniform(np.log(0.5), np.log(8.0)))
    level = quiet
    if rng.random() < 0.65:
        snr = rng.uniform(3.0, 40.0)
        level = max(quiet, np.sqrt(np.mean(speech**2)) * 10.0 ** (-snr / 20.0))
    samples = np.pad(speech, (int(lead * SAMPLE_RATE), int(tail * SAMPLE_RATE)))
    samples = samples + level * noise(str(rng.choice(NOISES)), len(samples), seed)
    if flushed:
        samples = np.concatenate([samples, quiet * noise("white", int(rng.uniform(0.6, 1.1) * SAMPLE_RATE), seed + 1)])
    return np.clip(np.round(samples * 32768.0), -32768, 32767) / 32768.0


def _shard(job: tuple[int, int, int, str]) -> str:
    """Speaks every WORKERS-th sentence and writes one .npz; returns its path."""
    worker, count, seed, folder = job
    identity = {token: index for index, token in enumerate(vocabulary())}
    frames: list[np.ndarray] = []
    tokens: list[int] = []
    ends, token_ends, levels = [], [], []
    for index, sentence in enumerate(sentences("train", count, seed)):
        if index % WORKERS != worker:
            continue
        rng = np.random.default_rng([seed, index])
        voice = TRAINING_VOICES[int(rng.integers(len(TRAINING_VOICES)))]
        peak = 10.0 ** (rng.uniform(-24.0, -1.0) / 20.0)
        speech = speak(sentence, voice, random_manner(int(rng.integers(1 << 30))), peak)
        frames.append(fbank(room(speech, rng)).astype(np.float16))
        tokens += [identity[token] for token in sentence.tokens]
        ends.append(len(frames[-1]))
        token_ends.append(len(sentence.tokens))
        levels.append(np.log(np.mean(speech**2)))
    path = Path(folder) / f"part{worker}.npz"
    np.savez(
        path,
        frames=np.concatenate(frames),
        ends=np.cumsum(ends),
        tokens=np.array(tokens, np.int64),
        token_ends=np.cumsum(token_ends),
        levels=np.array(levels, np.float32),
    )
    return str(path)


def build(folder: Path, count: int, seed: int) -> None:
    """Speaks `count` training sentences into `folder`, two processes at a time."""
    folder.mkdir(parents=True, exist_ok=True)
    jobs = [(worker, count, seed, str(folder)) for worker in range(WORKERS)]
    with multiprocessing.get_context("spawn").Pool(WORKERS) as pool:
        pool.map(_shard, jobs)
    shift, scale = _normalisation(load(folder))
    np.savez(folder / "cmvn.npz", shift=shift, scale=scale)


def built(folder: Path) -> bool:
    return (folder / "cmvn.npz").exists()


def load(folder: Path) -> Corpus:
    """The parts as one corpus (1.5 GB for 24,000 sentences)."""
    parts = [np.load(path) for path in sorted(folder.glob("part*.npz"))]

    def ends(name: str) -> np.ndarray:
        offsets = np.cumsum([0] + [part[name][-1] for part in parts])
        return np.concatenate([part[name] + offset for part, offset in zip(parts, offsets)])

    def joined(name: str) -> np.ndarray:
        return np.concatenate([part[name] for part in parts])

    return Corpus(joined("frames"), ends("ends"), joined("tokens"), ends("token_ends"), joined("levels"))


def _normalisation(corpus: Corpus) -> tuple[np.ndarray, np.ndarray]:
    """Shift and scale of the 560 inputs, as `am.mvn` holds them: (x + shift) * scale."""
    rows = np.concatenate(
        [
            stack(corpus.utterance(index)[0].astype(np.float32))
            for index in range(0, len(corpus), max(1, len(corpus) // 1500))
        ]
    )
    return -rows.mean(0).astype(np.float32), (1.0 / rows.std(0)).astype(np.float32)
