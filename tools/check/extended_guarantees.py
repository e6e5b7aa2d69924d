"""What the keys of --extended promise beyond docs/events.schema.json; pure."""

from __future__ import annotations

from typing import Iterator

from tools.check.event_lines import Event, Run, Violation


def seq_has_no_gaps(run: Run) -> Iterator[Violation]:
    """1, 2, 3 … on every line, or on none."""
    expected = 1
    for event in run.events if any("seq" in event.fields for event in run.events) else []:
        seq = event.fields.get("seq")
        if seq != expected:
            what = f"{seq} where {expected} is due" if seq is not None else "this line has none, others have"
            yield Violation(event.line, "seq counts 1, 2, 3", what)
        expected = (seq if isinstance(seq, int) else expected) + 1


def utterance_ids_grow(run: Run) -> Iterator[Violation]:
    latest = 0
    for utterance in extended_utterances(run):
        number = utterance[0].fields["utterance_id"]
        for event in utterance[1:]:
            if event.fields["utterance_id"] != number:
                what = f"{event.fields['utterance_id']}, and {number} on line {utterance[0].line}"
                yield Violation(event.line, "one utterance_id an utterance", what)
        if number <= latest:
            yield Violation(utterance[0].line, "utterance_id grows", f"{number} after {latest}")
        latest = number


def audio_times_are_in_order(run: Run) -> Iterator[Violation]:
    """Speech begins before it ends, within the audio, and no earlier than the utterance before ended."""
    heard_until = 0
    for utterance in extended_utterances(run):
        for event in utterance:
            start, end = event.fields["start_ms"], event.fields["end_ms"]
            if start > end:
                yield Violation(event.line, "start_ms <= end_ms", f"{start} and {end}")
            elif not start <= event.fields.get("speech_end_ms", end) <= end:
                what = f"{event.fields['speech_end_ms']}, not within {start} and {end}"
                yield Violation(event.line, "start_ms <= speech_end_ms <= end_ms", what)
            if start < heard_until:
                what = f"start_ms {start}, but the utterance before reached {heard_until}"
                yield Violation(event.line, "no sample in two utterances", what)
        heard_until = max(heard_until, utterance[-1].fields["end_ms"])


def stable_text_never_changes(run: Run) -> Iterator[Violation]:
    for utterance in extended_utterances(run):
        promised, promised_on = "", 0
        for event in utterance:
            if not event.text.startswith(promised):
                what = f"{event.text!r} does not start with {promised!r}, stable on line {promised_on}"
                yield Violation(event.line, "stable text never changes", what)
            if event.fields.get("stable", 0) > len(event.text):
                what = f"{event.fields['stable']} of {len(event.text)} code points"
                yield Violation(event.line, "stable <= length of text", what)
            if event.fields.get("stable", 0) > len(promised):
                promised, promised_on = event.text[: event.fields["stable"]], event.line


def words_are_in_order(run: Run) -> Iterator[Violation]:
    """One after the other, each of some length, within the utterance."""
    for event in (event for utterance in extended_utterances(run) for event in utterance):
        edges = [edge for word in event.fields["words"] for edge in (word["start_ms"], word["end_ms"])]
        times = [event.fields["start_ms"], *edges, event.fields["end_ms"]]
        if edges and times != sorted(times):
            what = f"the edges of the utterance and its words are {times}"
            yield Violation(event.line, "words in order within start_ms and end_ms", what)
        for word in event.fields["words"]:
            if word["start_ms"] == word["end_ms"]:
                what = f"{word['text']} lasts from {word['start_ms']} to {word['end_ms']}"
                yield Violation(event.line, "a word has a length", what)


def extended_utterances(run: Run) -> Iterator[list[Event]]:
    """The events of each utterance that have the keys of --extended and keep to the schema."""
    for utterance in run.utterances():
        extended = [event for event in utterance if event.extended]
        if extended:
            yield extended


EXTENDED = (
    seq_has_no_gaps,
    utterance_ids_grow,
    audio_times_are_in_order,
    stable_text_never_changes,
    words_are_in_order,
)
