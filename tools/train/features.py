"""Log-mel features as FunASR's frontend makes them, and what is done to them anew in every pass."""

from __future__ import annotations

import numpy as np

from common.engines.features import FULL_SCALE, STACKED, STRIDE, Frontend
from tools.train.speak import NOISES, SAMPLE_RATE, noise

MELS = 80
WIDTH = MELS * STACKED
FRONTEND = Frontend(MELS, "hamming", shift=np.zeros(WIDTH, np.float32), scale=np.ones(WIDTH, np.float32))


def fbank(samples: np.ndarray) -> np.ndarray:
    """(frames, 80) natural-log mel energies, a frame each 10 ms; samples in -1…1 at 16 kHz."""
    computer = FRONTEND.online_fbank()
    computer.accept_waveform(SAMPLE_RATE, (samples * FULL_SCALE).tolist())
    computer.input_finished()
    return np.stack([computer.get_frame(index) for index in range(computer.num_frames_ready)])


def stack(frames: np.ndarray) -> np.ndarray:
    """(T, 80) -> (ceil(T / 6), 560): seven frames a row, three copies of the first in front."""
    rows = -(-len(frames) // STRIDE)
    behind = max(0, (rows - 1) * STRIDE + STACKED - len(frames) - STACKED // 2)
    padded = np.concatenate([frames[:1]] * (STACKED // 2) + [frames] + [frames[-1:]] * behind)
    index = np.arange(rows)[:, None] * STRIDE + np.arange(STACKED)[None, :]
    return padded[index].reshape(rows, WIDTH)


def noise_bank(each: int = 24, seconds: float = 16.0, seed: int = 7) -> np.ndarray:
    """(kinds * each, frames, 80) float16 features of noises with an RMS of 1."""
    length = int(seconds * SAMPLE_RATE)
    bank = [fbank(noise(kind, length, seed * 1000 + index)) for kind in NOISES for index in range(each)]
    return np.stack(bank).astype(np.float16)


def longer(frames: np.ndarray, seconds: float, rng: np.random.Generator) -> np.ndarray:
    """At times with up to ``seconds`` more of the quiet that it ends with. Behind every recording are 200 ms or more;
    a model that never heard two seconds of it hears a character in them now and then."""
    if not seconds or rng.random() < 0.5:
        return frames
    quiet = frames[-10:]
    return np.concatenate([frames, quiet[rng.integers(len(quiet), size=rng.integers(1, int(seconds * 100)))]])


def _warp(rng: np.random.Generator) -> np.ndarray:
    """(80, 80) matrix that stretches the mel axis by up to 8 %: another length of vocal tract."""
    centre = np.clip(np.arange(MELS) * rng.uniform(0.92, 1.08) + rng.uniform(-1.5, 1.5), 0, MELS - 1.001)
    low = centre.astype(int)
    matrix = np.zeros((MELS, MELS), np.float32)
    matrix[low, np.arange(MELS)] = 1.0 - (centre - low)
    matrix[low + 1, np.arange(MELS)] += centre - low
    return matrix


def _add_noise(frames: np.ndarray, level: float, bank: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Noise at 2-30 dB below `level` (ln of the speech's mean power); at times it stops near the end."""
    clip = bank[rng.integers(len(bank))]
    start = rng.integers(max(1, len(clip) - len(frames)))
    clip = clip[start : start + len(frames)].astype(np.float32)
    clip = np.resize(clip, frames.shape) if len(clip) < len(frames) else clip
    clip = clip + (level - rng.uniform(2.0, 30.0) * np.log(10.0) / 10.0)
    if rng.random() < 0.3:
        clip[len(frames) - rng.integers(20, 80) :] = -20.0
    return np.logaddexp(frames, clip)


def augment(
    frames: np.ndarray, level: float, bank: np.ndarray, rng: np.random.Generator, strength: float = 1.0
) -> np.ndarray:
    """One utterance as heard this time: another room, another voice, another microphone.

    `strength` is how likely masks are; at 0 the utterance is only shifted in time.
    """
    frames = frames[rng.integers(STRIDE) :].astype(np.float32)
    if not strength:
        return frames
    if rng.random() < 0.6:
        frames = frames @ _warp(rng)
    if rng.random() < 0.5:
        frames = _add_noise(frames, level, bank, rng)
    if rng.random() < 0.5:  # a smooth filter
        frames = frames + np.interp(np.arange(MELS), np.linspace(0, MELS - 1, 6), rng.normal(0.0, 0.8, 6))
    frames = frames + rng.uniform(-1.5, 1.5)
    frames = frames.astype(np.float32)
    for _ in range(rng.integers(3) if rng.random() < strength else 0):
        width, start = rng.integers(2, 10), rng.integers(MELS - 10)
        frames[:, start : start + width] = frames[:, start : start + width].mean()
    if rng.random() < 0.5 * strength and len(frames) > 60:
        width, start = rng.integers(2, 8), rng.integers(len(frames) - 10)
        frames[start : start + width] = frames.mean()
    return frames


def batch(
    utterances: list[tuple[np.ndarray, float]],
    shift: np.ndarray,
    scale: np.ndarray,
    bank: np.ndarray,
    rng: np.random.Generator,
    strength: float = 1.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Augmented, stacked and normalised: (B, T, 560) float32 padded with 0, and the lengths (B,)."""
    rows = [stack(augment(frames, level, bank, rng, strength)) for frames, level in utterances]
    lengths = np.array([len(row) for row in rows], np.int64)
    padded = np.zeros((len(rows), lengths.max(), WIDTH), np.float32)
    for index, row in enumerate(rows):
        padded[index, : len(row)] = (row + shift) * scale
    return padded, lengths
