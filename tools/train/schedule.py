"""What the training hears when, and at which learning rate. Pure: no torch, no audio."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tools.train import corpus, features
from tools.train.grammar import vocabulary

PROCESSES = 2


class Phase(NamedTuple):
    """Some passes under one cosine to zero. A phase starts from the averaged weights of the one before."""

    passes: int
    frames: int  # 60 ms frames a step and process
    peak: float  # highest learning rate
    warm_up: int  # steps
    count_weight: float  # of the loss on the number of characters: too low, and the last one goes missing
    latin: int  # how often a sentence with Latin letters is heard in a pass; there are few of each word
    quiet: float = 0.0  # seconds more of quiet behind half of the sentences, at most: in it nothing is said


PHASES = (
    Phase(passes=7, frames=1600, peak=2e-3, warm_up=500, count_weight=1.0, latin=1),
    Phase(passes=2, frames=1100, peak=1e-3, warm_up=100, count_weight=1.0, latin=1),
    Phase(passes=2, frames=1100, peak=1e-3, warm_up=100, count_weight=4.0, latin=2),
    Phase(passes=4, frames=1100, peak=1e-3, warm_up=100, count_weight=4.0, latin=2),
    Phase(passes=1, frames=1100, peak=5e-4, warm_up=100, count_weight=4.0, latin=2, quiet=2.5),
)
# How much is masked in each pass: at first there is enough to do with finding the characters at all.
STRENGTHS = (0.0, 1.0, 1.0, 1.0, 0.4, 0.4, 0.4, 0.2)


@dataclass(frozen=True)
class Step:
    """One step of the optimizer: `batches` holds the indices of the utterances for each process."""

    number: int
    rate: float
    begins: bool
    count_weight: float
    quiet: float
    batches: list[list[int]]


def plan(data: corpus.Corpus, phase: Phase, seed: int) -> list[list[int]]:
    """Utterances of similar length in batches of at most `phase.frames` stacked frames, in random order."""
    rng = np.random.default_rng(seed)
    lengths = np.diff(data.ends, prepend=0) / features.STRIDE
    heard = np.arange(len(data))
    if phase.latin > 1:
        latin = {number for number, token in enumerate(vocabulary()) if token.isascii()}
        extra = [index for index in heard if not latin.isdisjoint(data.labels(index).tolist())]
        heard = np.concatenate([heard] + [np.array(extra)] * (phase.latin - 1))
    order = heard[np.argsort(lengths[heard] * rng.uniform(0.95, 1.05, len(heard)))]
    batches: list[list[int]] = [[]]
    for index in order:
        if (len(batches[-1]) + 1) * lengths[index] > phase.frames:
            batches.append([])
        batches[-1].append(int(index))
    pairs = [batches[at : at + PROCESSES] for at in range(0, len(batches) - PROCESSES + 1, PROCESSES)]
    rng.shuffle(pairs)
    return [batch for pair in pairs for batch in pair]


def schedule_of(data: corpus.Corpus, seed: int) -> list[Step]:
    """The whole run, step by step: pass, learning rate, whether a phase begins, one batch a process."""
    steps: list[Step] = []
    first = 0
    for phase in PHASES:
        batches: list[tuple[int, list[list[int]]]] = []
        for number in range(first, first + phase.passes):
            plans = plan(data, phase, seed * 100 + number)
            batches += [(number, plans[at : at + PROCESSES]) for at in range(0, len(plans), PROCESSES)]
        first += phase.passes
        for at, (which, indices) in enumerate(batches):
            cosine = 0.5 * (1 + math.cos(math.pi * (at - phase.warm_up) / max(1, len(batches) - phase.warm_up)))
            rate = phase.peak * ((at + 1) / phase.warm_up if at < phase.warm_up else max(0.01, cosine))
            steps.append(Step(which, rate, at == 0, phase.count_weight, phase.quiet, indices))
    return steps
