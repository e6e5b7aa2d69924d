"""Lines on stdin → commands and audio; pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, Iterator, Union

from common.errors import FatalError
from common.wire.command_table import APPEND, BY_TYPE, END, CommandKind, Where, checked_fields

LONGEST_LINE = 1 << 20  # bytes, newline left out
Identity = Union[str, int]


@dataclass(frozen=True)
class Command:
    """A line on stdin that asks for something: ``kind`` is in the table of commands, ``fields`` passed their checks."""

    kind: str
    id: Identity | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BadLine:
    """A line on stdin that is not a command; ``reason`` says why. The refusal carries the line's ``id``, if any."""

    reason: str
    id: Identity | None = None


@dataclass(frozen=True)
class Audio:
    """``voice.audio.append``: mono PCM in the encoding that was agreed."""

    pcm: bytes
    id: Identity | None = None


@dataclass(frozen=True)
class AudioEnd:
    """``voice.audio.end``."""

    id: Identity | None = None


Parsed = Union[Command, BadLine, Audio, AudioEnd]


class Lines:
    """Cuts a stream of bytes into lines; a line that is too long is skipped and reported once."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes | BadLine]:
        """Every line that ``data`` completes, without its newline; empty lines are left out."""
        *whole, self._rest = (self._rest + data).split(b"\n")
        for line in whole:
            if not self._skipping:
                yield from self._checked(line)
            self._skipping = False
        if len(self._rest) > LONGEST_LINE:
            if not self._skipping:
                yield too_long()
            self._skipping = True
            self._rest = b""

    def end(self) -> Iterator[bytes | BadLine]:
        """The last line, if its newline is missing."""
        rest, self._rest = self._rest, b""
        if not self._skipping:
            yield from self._checked(rest)

    @staticmethod
    def _checked(line: bytes) -> Iterator[bytes | BadLine]:
        if len(line) > LONGEST_LINE:
            yield too_long()
        elif line.strip():
            yield line


def too_long() -> BadLine:
    return BadLine(f"ValueError: a line is longer than {LONGEST_LINE} bytes; send audio in smaller pieces")


def parse_line(line: bytes, takes_audio: bool, sample_bytes: int = 2) -> Parsed:
    """What a line asks for. ``takes_audio``: the input is ``jsonl``, in samples of ``sample_bytes``."""
    try:
        content = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return BadLine(f"ValueError: not JSON ({type(error).__name__}); one JSON object a line is expected")
    if not isinstance(content, dict):
        return BadLine("ValueError: not a JSON object; one JSON object a line is expected")
    name, identity = content.get("type"), content.get("id")
    if identity is not None and not _is_usable(identity):
        return BadLine('ValueError: "id" must be a string of Unicode characters or a whole number')
    command = BY_TYPE.get(name) if isinstance(name, str) else None
    if command is None or (command.where is Where.JSONL and not takes_audio):
        hint = "; audio needs --input jsonl" if command is not None else ""
        return BadLine(f"ValueError: unknown type {json.dumps(name, ensure_ascii=True)[:100]}{hint}", identity)
    if command.needs_id and identity is None:
        return BadLine(f'ValueError: {command.type} needs an "id": the acknowledgement is the answer')
    return _checked(command, content, identity, sample_bytes)


def _is_usable(identity: Any) -> bool:
    """Whether an acknowledgement can carry it: half of a surrogate pair cannot be written in UTF-8."""
    if isinstance(identity, str):
        return not any("\ud800" <= character <= "\udfff" for character in identity)
    return isinstance(identity, int) and not isinstance(identity, bool)


def _checked(command: CommandKind, content: dict[str, Any], identity: Identity | None, sample_bytes: int) -> Parsed:
    if command.type == END:
        return AudioEnd(identity)
    if command.type == APPEND:
        return _audio(content, identity, sample_bytes)
    fields = {key: value for key, value in content.items() if key not in ("type", "id")}
    try:
        return Command(command.kind, identity, checked_fields(command, fields))
    except FatalError as error:
        return BadLine(str(error), identity)


def _audio(content: dict[str, Any], identity: Identity | None, sample_bytes: int) -> Parsed:
    try:
        pcm = base64.b64decode(content["audio"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return BadLine(f'ValueError: {APPEND} needs "audio": base64 of PCM', identity)
    if len(pcm) % sample_bytes:
        what = f"{APPEND} with {len(pcm)} bytes: a sample has {sample_bytes}"
        return BadLine(f"ValueError: {what}", identity)
    return Audio(pcm, identity)
