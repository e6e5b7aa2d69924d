"""What --turns promises about the lines of a run, guarantees 10 and 11 of docs/protocol.md; pure."""

from __future__ import annotations

import re
from typing import Iterator

from tools.check.event_lines import TURNS, Event, Run, Violation

LETTERS = {"started": "s", "partial": "p", "eager_end": "e", "resumed": "r", "final": "f", "ended": "n"}
GRAMMAR = re.compile("s(p*er)*p*e?f?n")
# What a run that was cut off may have printed of its last utterance.
BEGUN = re.compile("s(p*er)*(p*e?f?n?)?")
ORDER = "started (partial* eager_end resumed)* partial* eager_end? final? ended"


def lines_follow_the_grammar(run: Run) -> Iterator[Violation]:
    """Guarantee 10, the order of an utterance's lines; errors may stand anywhere between."""
    turns = list(_turns(run).values())
    for turn in turns:
        letters = "".join(LETTERS[event.kind] for event in turn)
        grammar = BEGUN if run.cut_off and turn is turns[-1] else GRAMMAR
        if not grammar.fullmatch(letters):
            what = f"{', '.join(event.kind for event in turn)}; the order is {ORDER}"
            yield Violation(turn[-1].line, "lines of a turn in order", what)


def errors_lie_within(run: Run) -> Iterator[Violation]:
    """Guarantee 10: all of an utterance's lines but acknowledgements lie between its started and its ended."""
    turns = _turns(run)
    for event in run.events if run.has_turns else []:
        turn = turns.get(event.trace_id, [])
        ended = [each for each in turn if each.kind == "ended"]
        if (
            event.kind == "error_event"
            and turn
            and (event.line < turn[0].line or (ended and event.line > ended[0].line))
        ):
            yield Violation(event.line, "lines of a turn in order", "an error outside its turn")


def eager_ends_keep_their_word(run: Run) -> Iterator[Violation]:
    """Guarantee 11: without a resumed between them the final says what the eager end said, to the character."""
    for turn in _turns(run).values():
        promised: Event | None = None
        for event in turn:
            if event.kind in ("eager_end", "resumed"):
                promised = event if event.kind == "eager_end" else None
            text = event.text if event.kind == "final" else ""
            if promised is not None and event.kind in ("final", "ended") and text != promised.text:
                if event.kind == "ended" and event.fields["final"]:
                    continue
                what = f"{text!r}, and {promised.text!r} on line {promised.line}"
                yield Violation(event.line, "the final is the eager end", what)


def ended_says_what_was(run: Run) -> Iterator[Violation]:
    """``final`` tells whether there was one; ``continues`` that the utterance was cut at its longest duration."""
    for turn in _turns(run).values():
        for event in (event for event in turn if event.kind == "ended"):
            if event.fields["final"] is not any(each.kind == "final" for each in turn):
                yield Violation(event.line, "ended tells of the final", f"final is {event.fields['final']}")
            if event.fields["continues"] is not (event.fields["end_reason"] == "max_duration"):
                yield Violation(event.line, "continues where it was cut", event.fields["end_reason"])


def audio_time_grows(run: Run) -> Iterator[Violation]:
    """Nothing ends before it begins or later than was heard; what was heard never shrinks."""
    heard = 0
    for event in (event for event in run.events if event.kind in TURNS):
        audio = event.fields["audio_ms"]
        if audio < heard:
            yield Violation(event.line, "audio_ms never falls", f"{audio} after {heard}")
        heard = max(heard, audio)
        for key in ("start_ms", "speech_end_ms"):
            if event.fields.get(key, 0) > audio:
                yield Violation(event.line, f"{key} <= audio_ms", f"{event.fields[key]} and {audio}")


def _turns(run: Run) -> dict[str, list[Event]]:
    """The lines of each utterance by its trace_id, errors and acknowledgements left out."""
    found: dict[str, list[Event]] = {}
    for event in run.events if run.has_turns else []:
        if event.kind in LETTERS:
            found.setdefault(event.trace_id, []).append(event)
    return found


TURN_GUARANTEES = (
    lines_follow_the_grammar,
    errors_lie_within,
    eager_ends_keep_their_word,
    ended_says_what_was,
    audio_time_grows,
)
