"""What docs/protocol.md promises about the lines of a run, beyond what docs/events.schema.json says of each; pure.

A guarantee is a function from a run to the violations in it.
"""

from __future__ import annotations

from typing import Any, Iterator

from tools.check.event_lines import Run, Violation, command_types

FATAL = ("config_invalid", "dependency_missing", "model_load_failed", "audio_input_failed", "internal_error")
FINALISING = ("core.control.flush", "core.control.pause", "core.control.stop", "voice.audio.end")


def time_never_falls(run: Run) -> Iterator[Violation]:
    for earlier, later in zip(run.events, run.events[1:]):
        if later.ts < earlier.ts:
            yield Violation(later.line, "ts never falls", f"{later.ts} after {earlier.ts}")


def utterances_never_interleave(run: Run) -> Iterator[Violation]:
    """The partials, the final and the errors of an utterance stand together, and its trace_id never comes back.

    An error that belongs to no utterance has a fresh trace_id and may stand anywhere.
    """
    with_text = {event.trace_id for event in run.events if event.is_text}
    left: set[str] = set()
    current = ""
    for event in run.events:
        if event.trace_id in with_text and event.kind in ("partial", "final", "error_event"):
            if event.trace_id != current and event.trace_id in left:
                what = f"trace_id {event.trace_id} comes back after another utterance"
                yield Violation(event.line, "one utterance at a time", what)
            left.add(current)
            current = event.trace_id


def one_final(run: Run) -> Iterator[Violation]:
    unfinished = []
    utterances = run.utterances()
    for utterance in utterances:
        finals = [event for event in utterance if event.kind == "final"]
        for event in utterance[utterance.index(finals[0]) + 1 :] if finals else []:
            what = f"a {event.kind} after the final on line {finals[0].line}"
            yield Violation(event.line, "one final, the last word", what)
        if not finals and not (run.cut_off and utterance is utterances[-1]):
            unfinished.append(utterance[-1])
    resets = [command for command in run.commands or [] if command.get("type") == "core.control.reset"]
    for event in unfinished[len(resets) :]:
        what = "the last partial of its utterance, and no final follows"
        hint = "" if run.commands is not None else "; core.control.reset drops one (--commands), a kill too (--cut-off)"
        yield Violation(event.line, "one final, the last word", what + hint)


def partials_bring_news(run: Run) -> Iterator[Violation]:
    for utterance in run.utterances():
        for earlier, later in zip(utterance, utterance[1:]):
            if later.kind == "partial" and later.text == earlier.text:
                what = f"the text is that of line {earlier.line}"
                yield Violation(later.line, "a partial only when the text changed", what)


def empty_final_takes_back(run: Run) -> Iterator[Violation]:
    for utterance in run.utterances():
        for place, event in enumerate(utterance):
            if event.kind == "final" and event.text == "" and (place == 0 or event.confidence != 0):
                what = "needs a partial before it and confidence 0"
                yield Violation(event.line, "an empty text takes everything back", what)


def confidence_has_two_decimals(run: Run) -> Iterator[Violation]:
    for event in run.events:
        if event.is_text and round(event.confidence, 2) != event.confidence:
            yield Violation(event.line, "confidence has two decimals", f"{event.confidence}")


def text_only_grows(run: Run) -> Iterator[Violation]:
    for utterance in run.utterances() if run.append_only else []:
        for earlier, later in zip(utterance, utterance[1:]):
            if not later.text.startswith(earlier.text):
                what = f"{later.text!r} does not start with {earlier.text!r} of line {earlier.line}"
                yield Violation(later.line, "asr_service.py never takes back", what)


def nothing_behind_a_fatal_error(run: Run) -> Iterator[Violation]:
    fatal = [event for event in run.events if event.kind == "error_event" and event.fields["error_code"] in FATAL]
    for event in run.events if fatal else []:
        if event.line > fatal[0].line and event.kind != "status_event":
            what = f"a {event.kind} after {fatal[0].fields['error_code']} on line {fatal[0].line}"
            yield Violation(event.line, "a fatal error is the end", what)


def acks_carry_their_final(run: Run) -> Iterator[Violation]:
    final = None
    for event in run.events:
        final = event if event.kind == "final" else final
        claims = event.kind == "control_ack" and event.fields.get("final") is True
        if claims and (final is None or final.trace_id != event.trace_id):
            yield Violation(event.line, "an ack comes behind its effect", "its trace_id is not the last final's")


def acks_answer_commands(run: Run) -> Iterator[Violation]:
    """In the order of the commands, one each. Commands after the last acknowledged one may not have been reached."""
    if run.commands is None:
        return
    asked = [command for command in run.commands if command.get("id") is not None]
    acks = [event for event in run.events if event.kind == "control_ack"]
    for place, ack in enumerate(acks):
        command = asked[place] if place < len(asked) else {"type": "nothing", "id": None}
        if not _same_id(ack.fields["id"], command["id"]):
            what = f"id {ack.fields['id']!r}, but what comes next is {command.get('type')} with {command['id']!r}"
            yield Violation(ack.line, "one ack a command, in order", what)
            return
        kind = command.get("type")
        if ack.fields["ok"] and kind not in command_types():
            yield Violation(ack.line, "one ack a command, in order", f"{kind!r} is no command, and ok is true")
        expected = {"final": kind in FINALISING, "state": kind == "core.control.status"}
        for key, is_due in expected.items():
            if ack.fields["ok"] and (key in ack.fields) is not is_due:
                what = f"of {kind}, {'without' if is_due else 'with'} {key}"
                yield Violation(ack.line, "one ack a command, in order", what)


def _same_id(one: Any, other: Any) -> bool:
    """1 and "1" are different ids."""
    return type(one) is type(other) and one == other


GUARANTEES = (
    time_never_falls,
    utterances_never_interleave,
    one_final,
    partials_bring_news,
    empty_final_takes_back,
    confidence_has_two_decimals,
    text_only_grows,
    nothing_behind_a_fatal_error,
    acks_carry_their_final,
    acks_answer_commands,
)
