"""Lines of a run as events: one JSON object a line, each valid by docs/events.schema.json; pure."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator

from tools.check.json_schema import problems, resolve

DOCS = Path(__file__).resolve().parents[2] / "docs"
EVENTS = json.loads((DOCS / "events.schema.json").read_text(encoding="utf-8"))
COMMANDS = json.loads((DOCS / "commands.schema.json").read_text(encoding="utf-8"))
LONGEST_COMMAND = 1 << 20  # bytes, newline left out

ESCAPED = re.compile(r"(?<!\\)(?:\\\\)*\\u([0-9a-fA-F]{4})")
KINDS = {
    "voice.asr_text.partial": "partial",
    "voice.asr_text.final": "final",
    "core.error_event": "error_event",
    "core.control_ack": "control_ack",
    "core.status_event": "status_event",
    "voice.turn.started": "started",
    "voice.turn.eager_end": "eager_end",
    "voice.turn.resumed": "resumed",
    "voice.turn.ended": "ended",
}
TURNS = ("started", "eager_end", "resumed", "ended")
# What the guarantees need of an event. One that lacks it breaks the schema, and is not checked any further.
NEEDED: dict[str, dict[str, Any]] = {
    "partial": {"text": str, "confidence": (int, float)},
    "final": {"text": str, "confidence": (int, float)},
    "error_event": {"error_code": str},
    "control_ack": {"id": (str, int), "ok": bool},
    "status_event": {},
    "started": {"start_ms": int, "audio_ms": int},
    "eager_end": {"text": str, "speech_end_ms": int, "audio_ms": int},
    "resumed": {"audio_ms": int},
    "ended": {"end_reason": str, "final": bool, "continues": bool, "speech_end_ms": int, "audio_ms": int},
}


@dataclass(frozen=True)
class Violation:
    """A guarantee that does not hold. ``line`` counts from 1."""

    line: int
    guarantee: str
    what: str


@dataclass(frozen=True)
class Event:
    """A line that could be read. ``extended``: it keeps to the schema and has the keys of --extended."""

    line: int
    kind: str
    fields: dict[str, Any]
    extended: bool

    @property
    def ts(self) -> int:
        return int(self.fields["ts"])

    @property
    def trace_id(self) -> str:
        return str(self.fields["trace_id"])

    @property
    def text(self) -> str:
        return str(self.fields["text"])

    @property
    def confidence(self) -> float:
        return float(self.fields["confidence"])

    @property
    def is_text(self) -> bool:
        return self.kind in ("partial", "final")


@dataclass(frozen=True)
class Run:
    """Everything that is known about a run. ``commands``: what was sent to stdin, None if that is not known."""

    events: list[Event]
    commands: list[dict[str, Any]] | None = None
    append_only: bool = False
    cut_off: bool = False

    @property
    def has_turns(self) -> bool:
        """Whether it was made with --turns."""
        return any(event.kind in TURNS for event in self.events)

    def utterances(self) -> list[list[Event]]:
        """The partials and finals of each utterance, in the order in which the utterances began."""
        by_trace_id: dict[str, list[Event]] = {}
        for event in self.events:
            if event.is_text:
                by_trace_id.setdefault(event.trace_id, []).append(event)
        return list(by_trace_id.values())


def parse(lines: Iterable[bytes], cut_off: bool) -> tuple[list[Event], list[Violation]]:
    """The events in ``lines``, each line with its newline, and what is wrong with single lines.

    ``cut_off``: a last line without a newline is torn, and left out.
    """
    all_lines = list(lines)
    if cut_off and all_lines and not all_lines[-1].endswith(b"\n"):
        all_lines.pop()
    events = []
    found = []
    for number, line in enumerate(all_lines, 1):
        if not line.endswith(b"\n") or line.endswith(b"\r\n"):
            found.append(Violation(number, r"a line ends with \n", f"it ends with {line[-2:]!r}"))
        try:
            fields = read_object(line)
        except ValueError as error:
            found.append(Violation(number, "one JSON object a line", str(error)))
            continue
        wrong = list(schema_problems(fields))
        found += [Violation(number, "docs/events.schema.json", what) for what in wrong]
        if is_usable(fields):
            events.append(Event(number, KINDS[fields["type"]], fields, not wrong and "seq" in fields))
    return events, found


def read_object(line: bytes) -> dict[str, Any]:
    """The object that a line holds. Raises ValueError: what is wrong with it."""
    text = line.decode("utf-8")
    if not text.strip():
        raise ValueError("a blank line")
    try:
        fields = json.loads(text, object_pairs_hook=_without_duplicates, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(fields, dict):
        raise ValueError(f"not an object: {text.strip():.100}")
    escaped = [code for code in ESCAPED.findall(text) if int(code, 16) > 0x7F]
    if escaped:
        raise ValueError(f"\\u{escaped[0]} is escaped; text that is not ASCII stands as it is")
    return fields


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError(f"a key stands twice: {', '.join(key for key, _ in pairs)}")
    return fields


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def schema_problems(fields: dict[str, Any]) -> Iterator[str]:
    """How an event breaks docs/events.schema.json, the order of its keys included."""
    if not isinstance(fields.get("type"), str) or fields["type"] not in KINDS:
        yield f"unknown type {fields.get('type')!r:.100}"
        return
    wrong = list(problems(fields, EVENTS, EVENTS))
    yield from wrong
    if not wrong:
        yield from _order_problems(fields)


def _order_problems(fields: dict[str, Any]) -> Iterator[str]:
    """Keys that are not in the schema's order. In acknowledgements and status events ``seq`` may stand anywhere."""
    options = [resolve(option, EVENTS) for option in EVENTS["oneOf"]]
    [option] = [option for option in options if not list(problems(fields, option, EVENTS))]
    floating = {"seq"} if KINDS[fields["type"]] in ("control_ack", "status_event") else set()
    keys = [key for key in fields if key in option["properties"] and key not in floating]
    wanted = [key for key in option["properties"] if key in fields and key not in floating]
    if keys != wanted:
        yield f"the keys come as {', '.join(keys)}, not as {', '.join(wanted)}"


def is_usable(fields: dict[str, Any]) -> bool:
    kind = KINDS.get(fields.get("type")) if isinstance(fields.get("type"), str) else None  # type: ignore[arg-type]
    if kind is None:
        return False
    needed = {"ts": int, "trace_id": str, **NEEDED[kind]}
    return all(isinstance(fields.get(key), kinds) for key, kinds in needed.items())


def parse_commands(lines: Iterable[bytes]) -> list[dict[str, Any]]:
    """The lines of stdin that a service acts upon or answers: commands, audio, and whatever has a usable ``id``."""
    kinds = command_types()
    commands = []
    for line in lines:
        try:
            content = json.loads(line.decode("utf-8-sig"))
        except (ValueError, RecursionError):
            continue
        if isinstance(content, dict) and len(line.rstrip(b"\n")) <= LONGEST_COMMAND:
            identity = content.get("id")
            bears_id = isinstance(identity, (str, int)) and not isinstance(identity, bool)
            if bears_id or (identity is None and content.get("type") in kinds):
                commands.append(content)
    return commands


def command_types() -> list[str]:
    """Every ``type`` that docs/commands.schema.json knows."""
    kinds = [resolve(option, COMMANDS)["properties"]["type"] for option in COMMANDS["oneOf"]]
    return [name for kind in kinds for name in kind.get("enum", [kind.get("const")])]
