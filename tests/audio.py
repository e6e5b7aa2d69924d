"""Audio for tests: the project's own recordings, generated sounds, and a folder of real ones where there is one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import soundfile

ROOT = Path(__file__).resolve().parent.parent
REAL_AUDIO = ROOT.parent / "shared" / "audio"  # real speech and noise beside the project; tests pass without it
DEMO_SPEECH = ROOT / "demo" / "speech"


def read(path: Path) -> np.ndarray:
    """Mono float32 samples of a 16 kHz file."""
    samples, rate = soundfile.read(str(path), dtype="float32")
    assert rate == 16000
    return samples if samples.ndim == 1 else samples.mean(axis=1)


def speech_in(samples: np.ndarray) -> np.ndarray:
    """``samples`` without what is quieter than a hundredth of the peak before and behind."""
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    return samples[loud[0] : loud[-1] + 1]


def real_recordings(kind: str) -> list[Path]:
    """``speech`` or ``noise`` recordings, empty where they are not."""
    return sorted((REAL_AUDIO / kind).glob("*.wav"))


def babble(seconds: float, seed: int) -> np.ndarray:
    """Something like voices: a wandering buzz through moving resonances, in syllables, over a quiet floor."""
    rng = np.random.default_rng(seed)
    count = int(seconds * 16000)
    time = np.arange(count) / 16000
    pitch = 120 + 40 * np.sin(2 * np.pi * rng.uniform(0.2, 0.7) * time + rng.uniform(0, 6))
    phase = 2 * np.pi * np.cumsum(pitch) / 16000
    voice = sum(np.sin(k * phase) / k * (1 + np.cos(k * time * rng.uniform(1, 3))) for k in range(1, 30))
    syllables = np.clip(np.sin(2 * np.pi * 4 * time + rng.uniform(0, 6)) + 0.3, 0, None)
    return (0.08 * voice * syllables + 0.0005 * rng.normal(size=count)).astype(np.float32)


def recordings_of_many_lengths(count: int) -> list[np.ndarray]:
    """``count`` recordings of 0.05 to 6 s: pieces of what speech there is, and generated sounds."""
    rng = np.random.default_rng(1)
    speech = [read(path) for path in real_recordings("speech") + sorted(DEMO_SPEECH.glob("*.wav"))[:8]]
    pieces = []
    for index in range(count):
        length = int(16000 * np.geomspace(0.05, 6.0, count)[index]) + int(rng.integers(0, 500))
        if speech and index % 4:
            source = speech[index % len(speech)]
            start = int(rng.integers(0, max(1, len(source) - length)))
            pieces.append(source[start : start + length])
        else:
            pieces.append(babble(length / 16000, seed=index))
    return pieces
