"""Speaks sentences with the espeak-ng command and adds room noise. Needs no torch."""

from __future__ import annotations

import io
import shutil
import subprocess
from dataclasses import dataclass

import numpy as np

from tools.train.grammar import Sentence

SAMPLE_RATE = 16000
LSB = 1.0 / 32768.0
NOISES = ("white", "pink", "brown", "hum", "babble", "room")

# Variants of espeak-ng 1.51 left out of both lists.
EXCLUDED_VOICES = {
    "whisper": "voiceless",
    "whisperf": "voiceless",
    "caleb": "voiceless",
    "fast": "changes the speed only",
    "RicishayMax2": "RicishayMax with another echo",
    "RicishayMax3": "RicishayMax with another echo",
    "iven2": "near duplicate of iven",
    "iven3": "near duplicate of iven",
    "iven4": "near duplicate of iven",
    "robosoft5": "duplicate of robosoft4",
    "robosoft8": "robosoft7 with another pitch",
    "anikaRobot": "anika with another echo",
    "Gene2": "Gene with another pitch",
}
_VOICES = (
    "Alex Alicia Andrea Andy Annie AnxiousAndy Demonic Denis Diogo Gene Henrique Hugo Jacky Lee Marco Mario Michael "
    "Mike Mr_serious Nguyen RicishayMax Storm Tweaky UniRobot adam anika announcer antonio aunty belinda benjamin "
    "boris croak david ed edward edward2 f1 f2 f3 f4 f5 grandma grandpa gustave iven john kaukovalta klatt klatt2 "
    "klatt3 klatt4 klatt5 klatt6 linda m1 m2 m3 m4 m5 m6 m7 m8 marcelo max michel miguel norbert pablo paul pedro "
    "quincy rob robert robosoft robosoft2 robosoft3 robosoft4 robosoft6 robosoft7 sandro shelby steph steph2 steph3 "
    "travis victor zac"
)
VOICES = [name.replace("_", " ") for name in _VOICES.split()]
HELD_OUT_VOICES = VOICES[4::9]  # the rule: every ninth in ASCII order, from the fifth
TRAINING_VOICES = [voice for voice in VOICES if voice not in HELD_OUT_VOICES]


@dataclass(frozen=True)
class Manner:
    """How a sentence is said: words a minute, pitch 0-99, gap between words in 10 ms, pauses in ms."""

    rate: int = 170
    pitch: int = 50
    gap: int = 0
    pause_ms: int = 0  # between two sentences
    hesitation: float = -1.0  # where in a Chinese stretch a comma is put, 0-1; negative: nowhere


def random_manner(seed: int) -> Manner:
    """A manner drawn from the ranges of the training set; the same seed gives the same one."""
    rng = np.random.default_rng(seed)
    return Manner(
        rate=int(rng.integers(125, 235)),
        pitch=int(rng.integers(20, 86)),
        gap=int(rng.choice([0, 0, 0, 1, 2, 3])),
        pause_ms=int(rng.choice([0, 0, 60, 120, 200, 350, 500])),
        hesitation=float(rng.random()) if rng.random() < 0.15 else -1.0,
    )


def available() -> bool:
    """Whether the espeak-ng command is installed."""
    return shutil.which("espeak-ng") is not None


def ssml(sentence: Sentence, voice: str, manner: Manner) -> str:
    """The sentence as espeak-ng reads it: pinyin, with English in the same voice's en-us."""
    parts: list[str] = []
    for segment in sentence.segments:
        if segment.kind == "pause":
            if manner.pause_ms:
                parts.append(f'<break time="{manner.pause_ms}ms"/>')
        elif segment.kind == "zh":
            syllables = list(segment.spoken)
            if manner.hesitation >= 0 and len(syllables) > 3:
                syllables[int(manner.hesitation * (len(syllables) - 1))] += ","
            parts.append(" ".join(syllables))
        else:
            words = _letters(segment.text) if segment.kind == "letters" else segment.text
            parts.append(f'<voice name="en-us+{voice}">{words}</voice>')
    return " ".join(parts)


def _letters(text: str) -> str:
    # On its own an A would be read as the article.
    return f'<say-as interpret-as="characters">{text}</say-as>' if "A" in text else " ".join(text)


def speak(sentence: Sentence, voice: str, manner: Manner = Manner(), peak: float = 0.5) -> np.ndarray:
    """float32 samples at 16 kHz, trimmed of the digital silence around them, at the given peak."""
    import soundfile
    import soxr

    command = [
        "espeak-ng",
        "-m",
        "-v",
        "cmn-latn-pinyin+" + voice,
        "-s",
        str(manner.rate),
        "-p",
        str(manner.pitch),
        "-g",
        str(manner.gap),
        "--stdout",
        ssml(sentence, voice, manner),
    ]
    done = subprocess.run(command, capture_output=True, check=True)
    samples, rate = soundfile.read(io.BytesIO(done.stdout), dtype="float32")
    samples = soxr.resample(samples, rate, SAMPLE_RATE, quality="HQ")
    loud = np.flatnonzero(np.abs(samples) > 1e-3)
    if not len(loud):
        raise RuntimeError("espeak-ng said nothing with the voice " + voice)
    samples = samples[max(0, loud[0] - 160) : loud[-1] + 160]
    return (samples * (peak / np.abs(samples).max())).astype(np.float32)


def noise(kind: str, length: int, seed: int) -> np.ndarray:
    """`length` float32 samples of noise with an RMS of 1."""
    rng = np.random.default_rng(seed)
    spectrum = np.fft.rfft(rng.standard_normal(length))
    hertz = np.maximum(np.fft.rfftfreq(length, 1.0 / SAMPLE_RATE), 20.0)
    if kind == "pink":
        spectrum *= hertz**-0.5
    elif kind == "brown":
        spectrum *= 1.0 / hertz
    elif kind == "babble":
        spectrum *= 1.0 / (1.0 + (hertz / 500.0) ** 2) ** 0.75 * (hertz > 100)
    elif kind == "room":  # a random smooth spectrum
        knots = rng.normal(0.0, 9.0, 9)
        spectrum *= 10.0 ** (np.interp(np.log2(hertz / 20.0), np.arange(9) * 1.1, knots) / 20.0)
    elif kind not in ("white", "hum"):
        raise ValueError("no such noise: " + kind)
    samples = np.fft.irfft(spectrum, length)
    times = np.arange(length) / SAMPLE_RATE
    if kind == "hum":
        samples = samples * 0.1 / samples.std()
        for harmonic in range(1, 9):
            samples += rng.exponential(1.0 / harmonic) * np.sin(2 * np.pi * (50 * harmonic * times + rng.random()))
    if kind == "babble":  # syllables of several talkers
        envelope = sum(np.abs(np.sin(np.pi * (rng.uniform(1.5, 4.0) * times + rng.random()))) for _ in range(4))
        samples = samples * envelope
    return (samples / np.sqrt(np.mean(samples**2))).astype(np.float32)


def add_noise(samples: np.ndarray, snr_db: float, kind: str, seed: int) -> np.ndarray:
    """The samples with noise `snr_db` below their mean power."""
    level = np.sqrt(np.mean(samples**2)) * 10.0 ** (-snr_db / 20.0)
    return (samples + level * noise(kind, len(samples), seed)).astype(np.float32)


def in_room(samples: np.ndarray, lead_s: float, tail_s: float, snr_db: float, kind: str, seed: int) -> np.ndarray:
    """Speech with room around it: noise at `snr_db`, and never quieter than one step of 16 bits."""
    level = np.sqrt(np.mean(samples**2)) * 10.0 ** (-snr_db / 20.0)
    padded = np.pad(samples, (int(lead_s * SAMPLE_RATE), int(tail_s * SAMPLE_RATE)))
    return (padded + max(level, 0.6 * LSB) * noise(kind, len(padded), seed)).astype(np.float32)
