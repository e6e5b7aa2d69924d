"""How good and how fast a setting is, over recordings. Counting errors needs jiwer."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Sequence

import numpy as np

from tools.evaluate.timeline import Line, Spoken, by_utterance, delays, own_times, reference_times, taken_back

UNIT = re.compile("[0-9a-z']+|[\u3400-\u9fff]")


def units(text: str) -> list[str]:
    """What is counted: Chinese characters, and Latin words, abbreviations and numbers in digits as one each. Case,
    punctuation and blanks do not count."""
    return UNIT.findall(text.lower())


@dataclass
class Errors:
    """Sums over recordings; ``units`` is how many there are in the references."""

    units: int = 0
    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0

    @property
    def rate(self) -> float | None:
        """The character error rate; None where there is no reference."""
        wrong = self.substitutions + self.deletions + self.insertions
        return wrong / self.units if self.units else None


def align(reference: Sequence[str], heard: Sequence[str], errors: Errors) -> list[tuple[int, int]]:
    """Add what is wrong in ``heard`` to ``errors``; returns the index pairs of what is right."""
    errors.units += len(reference)
    if not reference:
        errors.insertions += len(heard)
        return []
    import jiwer

    measured = jiwer.process_words(" ".join(reference), " ".join(heard))
    errors.substitutions += measured.substitutions
    errors.deletions += measured.deletions
    errors.insertions += measured.insertions
    pairs: list[tuple[int, int]] = []
    for part in measured.alignments[0]:
        if part.type == "equal":
            pairs += zip(range(part.ref_start_idx, part.ref_end_idx), range(part.hyp_start_idx, part.hyp_end_idx))
    return pairs


@dataclass
class Scores:
    """Of one setting; delays in seconds."""

    errors: Errors = field(default_factory=Errors)
    words: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    final: list[float] = field(default_factory=list)
    tentative: int = 0
    rewritten: int = 0
    audio_sec: float = 0.0
    busy_sec: float = 0.0

    def add(self, lines: Sequence[Line], reference: str | None, times: Sequence[Spoken]) -> str:
        """Count the ``lines`` of one recording; returns its text. Without ``times`` the recogniser's own are taken."""
        utterances = by_utterance(lines)
        text = " ".join(group[-1].text for group in utterances)
        if reference is not None:
            align(units(reference), units(text), self.errors)
        if times:
            heard = [word.text for group in utterances for word in group[-1].words]
            when = reference_times(utterances, times, align([word.text for word in times], heard, Errors()))
        else:
            when = own_times(utterances)
        for group, spoken in zip(utterances, when):
            tentative, rewritten = taken_back(group)
            self.tentative += tentative
            self.rewritten += rewritten
            found = delays(group, spoken)
            self.words += found.words
            self.first += found.first
            self.final += found.final
        return text

    def summary(self) -> dict[str, Any]:
        """Numbers for a table; None where nothing was measured. Delays in ms: median and 95th percentile."""
        return {
            "cer": self.errors.rate,
            "units": self.errors.units,
            "substitutions": self.errors.substitutions,
            "deletions": self.errors.deletions,
            "insertions": self.errors.insertions,
            "first_word_ms": percentiles(self.first),
            "word_ms": percentiles(self.words),
            "final_ms": percentiles(self.final),
            "words_timed": len(self.words),
            "tentative": self.tentative,
            "rewritten": self.rewritten / self.tentative if self.tentative else None,
            "real_time_factor": self.busy_sec / self.audio_sec if self.audio_sec else None,
        }


def percentiles(seconds: Sequence[float]) -> list[int] | None:
    """Median and 95th percentile in ms."""
    if not seconds:
        return None
    return [round(value) for value in np.percentile(np.array(seconds) * 1000, [50, 95])]
