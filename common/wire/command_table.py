"""The one table of commands: what each is called, what it carries, where it may be used and what it answers; pure.

command_lines.py reads stdin by it, run/carry_out.py carries commands out by it, and tests hold
docs/commands.schema.json and the tables of the documents to it.
"""

from __future__ import annotations

import reprlib
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Mapping

from common.errors import FatalError, bad_setting
from common.settings.checks import check_field
from common.settings.flags import CommonConfig

CONTROL = "core.control."
APPEND = "voice.audio.append"
END = "voice.audio.end"
JSON_NAMES = {int: "number", float: "number", list: "list"}


class Where(Enum):
    """The inputs with which a command can be used."""

    ANYWHERE = "with every input"
    PAUSABLE = "with a microphone or --input jsonl"
    JSONL = "with --input jsonl"


@dataclass(frozen=True)
class Setting:
    """A field of ``set``: the JSON type that it must have, and the setting whose check it must pass."""

    json_type: type
    setting: str

    def checked(self, value: Any) -> Any:
        """``value`` as the setting stores it. Raises FatalError ``config_invalid``."""
        json_types = (int, float) if self.json_type is float else (self.json_type,)
        if not isinstance(value, json_types) or isinstance(value, bool):
            wanted = f"a JSON {JSON_NAMES[self.json_type]}"
            raise bad_setting(f"{self.setting} must be {wanted}, not {reprlib.repr(value)}")
        return check_field(CommonConfig, self.setting, value)


@dataclass(frozen=True)
class CommandKind:
    """One line of the table. ``kind`` is the type without its prefix; ``answers``: keys that follow ``ok`` in an
    acknowledgement where ``ok`` is true; ``settings``: what ``set`` may carry, at least one of them."""

    kind: str
    type: str
    effect: str
    where: Where = Where.ANYWHERE
    needs_id: bool = False
    settings: Mapping[str, Setting] = field(default_factory=dict)
    answers: tuple[str, ...] = ()


def _control(kind: str, effect: str, **more: Any) -> CommandKind:
    return CommandKind(kind, CONTROL + kind, effect, **more)


STATUS_KEYS = (
    *("state", "level_dbfs", "backlog_ms", "real_time_factor", "latency_p50_ms", "latency_p95_ms", "totals"),
)
SETTINGS = {
    "endpoint_silence_ms": Setting(int, "endpoint_silence_ms"),
    "hotwords": Setting(list, "hotwords"),
    "eager_silence_ms": Setting(int, "eager_silence_ms"),
    "min_speech_ms": Setting(int, "min_speech_ms"),
    "vad_threshold": Setting(float, "vad_threshold"),
}
COMMANDS = (
    _control("flush", "finalise the open utterance now", answers=("final",)),
    _control("pause", "finalise it, then stop listening", where=Where.PAUSABLE, answers=("final",)),
    _control("resume", "listen again", where=Where.PAUSABLE),
    _control("reset", "drop the open utterance without a final"),
    _control("set", "change settings from the next utterance on", settings=SETTINGS, answers=("left_out",)),
    _control("status", "ask for the state; the acknowledgement is the answer", needs_id=True, answers=STATUS_KEYS),
    _control("stop", "finalise, print, exit with status 0", answers=("final",)),
    CommandKind("append", APPEND, "the next piece of sound", where=Where.JSONL),
    CommandKind("end", END, "the end of input", where=Where.JSONL, answers=("final",)),
)
BY_TYPE = {each.type: each for each in COMMANDS}
BY_KIND = {each.kind: each for each in COMMANDS}


def checked_fields(command: CommandKind, fields: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a line as the settings store them. ``set`` refuses keys that the table does not name, other
    commands ignore them. Raises FatalError ``control_invalid``."""
    if not command.settings:
        return {}
    unknown = set(fields) - set(command.settings)
    if unknown or not fields:
        named = ", ".join(sorted(unknown)) or "nothing"
        known = " and ".join(command.settings)
        raise FatalError("control_invalid", f"ValueError: {command.type} takes {known}, not {named}")
    try:
        return {name: command.settings[name].checked(value) for name, value in fields.items()}
    except FatalError as error:
        raise FatalError("control_invalid", str(error)) from error
