"""Lines on stdin → messages; pure."""

from __future__ import annotations

import base64
import binascii
import json
from dataclasses import dataclass, field
from typing import Any, Iterator, Union

LONGEST_LINE = 1 << 20  # bytes, newline left out
KINDS = ("flush", "pause", "resume", "reset", "set", "status", "stop")
CONTROL = "core.control."
APPEND = "voice.audio.append"
END = "voice.audio.end"


@dataclass(frozen=True)
class Command:
    """A line on stdin that asks for something; ``kind`` is its type behind ``core.control.``."""

    kind: str
    id: str | int | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BadLine:
    """A line on stdin that is no command; ``reason`` says why."""

    reason: str


class Lines:
    """Cuts a stream of bytes into lines; a line that is too long is skipped and reported once."""

    def __init__(self) -> None:
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> Iterator[bytes | BadLine]:
        """Every line that ``data`` completes, without its end; empty lines are left out."""
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


@dataclass(frozen=True)
class Audio:
    """``voice.audio.append``: little-endian 16-bit mono PCM."""

    pcm: bytes
    id: str | int | None = None


@dataclass(frozen=True)
class AudioEnd:
    """``voice.audio.end``."""

    id: str | int | None = None


Parsed = Union[Command, BadLine, Audio, AudioEnd]


def parse_line(line: bytes, takes_audio: bool) -> Parsed:
    """What a line asks for. ``takes_audio``: the input is ``jsonl``."""
    try:
        content = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        return BadLine(f"ValueError: not JSON ({type(error).__name__}); one JSON object a line is expected")
    if not isinstance(content, dict):
        return BadLine("ValueError: not a JSON object; one JSON object a line is expected")
    kind = content.get("type")
    is_audio = takes_audio and kind in (APPEND, END)
    command = kind[len(CONTROL) :] if isinstance(kind, str) and kind.startswith(CONTROL) else ""
    if not is_audio and command not in KINDS:
        hint = "; audio needs --input jsonl" if kind in (APPEND, END) else ""
        return BadLine(f"ValueError: unknown type {json.dumps(kind, ensure_ascii=False)[:100]}{hint}")
    identity = content.get("id")
    if identity is not None and (isinstance(identity, bool) or not isinstance(identity, (str, int))):
        return BadLine(f'ValueError: {kind}: "id" must be a string or a whole number')
    if is_audio:
        return AudioEnd(identity) if kind == END else _audio(content, identity)
    return _command(command, content, identity)


def _audio(content: dict[str, Any], identity: str | int | None) -> Parsed:
    try:
        pcm = base64.b64decode(content["audio"], validate=True)
    except (KeyError, TypeError, ValueError, binascii.Error):
        return BadLine(f'ValueError: {APPEND} needs "audio": base64 of 16-bit PCM')
    if len(pcm) % 2:
        return BadLine(f"ValueError: {APPEND} with {len(pcm)} bytes: 16-bit samples have an even number")
    return Audio(pcm, identity)


def _command(kind: str, content: dict[str, Any], identity: str | int | None) -> Parsed:
    if kind == "status" and identity is None:
        return BadLine(f'ValueError: {CONTROL}status needs an "id": the acknowledgement is the answer')
    return Command(kind, identity, {key: value for key, value in content.items() if key not in ("type", "id")})
