"""What was on the screen when, and what that says: delays, and characters taken back; pure."""

from __future__ import annotations

from typing import Iterable, NamedTuple, Sequence

from common.units import SAMPLE_RATE
from common.wire.events import Event, Final, Partial


class Spoken(NamedTuple):
    """A stretch of speech, in seconds since the recording began."""

    text: str
    start: float
    end: float


class Line(NamedTuple):
    """A partial, or, with an ``end_reason``, a final: on the screen ``at`` seconds after the recording began.

    ``start``: where the speech of its utterance begins, by the VAD; ``stable``: leading code points that can no longer
    change.
    """

    at: float
    utterance: str
    text: str
    words: tuple[Spoken, ...]
    stable: int
    start: float
    end_reason: str | None

    @classmethod
    def of(cls, at: float, event: Event) -> Line | None:
        """None for an event without text."""
        if not isinstance(event, (Partial, Final)) or event.extra is None:
            return None
        extra = event.extra
        words = tuple(Spoken(w.text.lower(), w.start / SAMPLE_RATE, w.end / SAMPLE_RATE) for w in extra.words)
        reason = extra.end_reason or "unknown" if isinstance(event, Final) else None
        return cls(at, event.trace_id, event.text, words, extra.stable, extra.start / SAMPLE_RATE, reason)

    def word(self, index: int) -> str | None:
        return self.words[index].text if index < len(self.words) else None


def by_utterance(lines: Iterable[Line]) -> list[list[Line]]:
    """The lines of each utterance that has a final, which is its last."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(line.utterance, []).append(line)
    return [group for group in found.values() if group[-1].end_reason is not None]


def taken_back(lines: Sequence[Line]) -> tuple[int, int]:
    """Of one utterance: how many distinct (position, character) pairs were shown while they could still change, and
    how many of those the final does not have."""
    final = lines[-1].text
    tentative = set()
    for line in lines[:-1]:
        tentative |= {(place, line.text[place]) for place in range(line.stable, len(line.text))}
    return len(tentative), sum(final[place : place + 1] != character for place, character in tentative)


class When(NamedTuple):
    """When the words of an utterance's final were spoken, in seconds: the end of those for which it is known, by their
    index, and the beginning of the first."""

    ends: dict[int, float]
    start: float | None


def own_times(utterances: Sequence[Sequence[Line]]) -> list[When]:
    """By the recogniser's word times, and the VAD for the beginning."""
    finals = [lines[-1] for lines in utterances]
    return [When({index: word.end for index, word in enumerate(f.words)}, f.start) for f in finals]


def reference_times(
    utterances: Sequence[Sequence[Line]], reference: Sequence[Spoken], pairs: Iterable[tuple[int, int]]
) -> list[When]:
    """By a ``reference`` of single words, whose start or end may be unknown (nan). ``pairs`` (index in the reference,
    index in the words of all finals) are those that the recogniser got right."""
    places = [(number, index) for number, lines in enumerate(utterances) for index in range(len(lines[-1].words))]
    found = [When({}, None) for _ in utterances]
    for wanted, heard in pairs:
        number, index = places[heard]
        _, start, end = reference[wanted]
        if end == end:
            found[number].ends[index] = end
        if index == 0 and start == start:
            found[number] = When(found[number].ends, start)
    return found


class Delays(NamedTuple):
    """In seconds. ``words``: from the end of each word to the first line that shows it in its place; ``first``: from
    the beginning of the first word to the first line; ``final``: from the end of the last word to a final that
    silence brought about."""

    words: list[float]
    first: list[float]
    final: list[float]


def delays(lines: Sequence[Line], when: When) -> Delays:
    """Of one utterance."""
    final = lines[-1]
    shown = {
        index: next(line.at for line in lines if line.word(index) == final.word(index)) - end
        for index, end in when.ends.items()
    }
    last = when.ends.get(len(final.words) - 1) if final.end_reason == "silence" else None
    return Delays(
        words=[shown[index] for index in sorted(shown)],
        first=[] if when.start is None else [lines[0].at - when.start],
        final=[] if last is None else [final.at - last],
    )
