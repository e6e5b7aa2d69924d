"""The hotwords that a user writes: on the command line, in a file, in CONFIG or in a command; pure."""

from __future__ import annotations

import re
import reprlib
import unicodedata
from dataclasses import dataclass
from typing import Any, Iterable, Iterator

from common.errors import bad_setting

# FunASR's runtime reads a line "阿里巴巴 20"; 20 is the default of its --fst-inc-wts, and its users are advised to
# stay between 1 and 100.
DEFAULT_WEIGHT = 20.0
LEAST_WEIGHT, GREATEST_WEIGHT = 1.0, 100.0
MAX_LENGTH = 40  # characters: room for a phrase of English words
MAX_WORDS = 10_000
MAX_FILE_BYTES = 2_000_000
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?")
_BETWEEN_WORDS = re.compile(r"[\s,，、;；]+")
_COMMENT = re.compile(r"(^|\s)#.*")


@dataclass(frozen=True)
class Hotword:
    """``text`` in Unicode's NFKC form, one blank between its words; ``weight`` on FunASR's scale, 1…100."""

    text: str
    weight: float = DEFAULT_WEIGHT


def parse_hotwords(name: str, value: Any) -> tuple[Hotword, ...]:
    """The hotwords in ``value``, each once, with the weight it was given last.

    ``"词 词"`` is words between blanks or commas. A string in a list or tuple is read like a line of a file, without
    comments; a Hotword in it stays as it is. ``name`` is what messages call the setting.

    Raises FatalError ``config_invalid``.
    """
    if isinstance(value, str):
        return _each_once(_words_of_line(name, value))
    if isinstance(value, (list, tuple)):
        return _each_once((f"{name}, entry {number}", entry) for number, entry in enumerate(value, 1))
    raise bad_setting(f'{name} must be "WORD WORD", "@FILE" or a list of words, not {value!r}')


def _each_once(lines: Iterable[tuple[str, Any]]) -> tuple[Hotword, ...]:
    found: dict[str, Hotword] = {}
    for where, line in lines:
        hotword = line if isinstance(line, Hotword) else _hotword(where, line)
        found[hotword.text] = hotword
        if len(found) > MAX_WORDS:
            raise bad_setting(f"{where}: more than {MAX_WORDS} hotwords")
    return tuple(found.values())


def _words_of_line(name: str, line: str) -> Iterator[tuple[str, str]]:
    words = [word for word in _BETWEEN_WORDS.split(line) if word]
    if line.strip() and not words:
        raise bad_setting(f"{name} has no word in it, only {line.strip()[:20]!r}")
    for word in words:
        if _NUMBER.fullmatch(word):
            raise bad_setting(f"{name}: {word} is no word; weights are written in a file, a word a line: {name} @FILE")
        yield name, word


def parse_hotword_file(where: str, content: bytes) -> tuple[Hotword, ...]:
    """The hotwords in a file's ``content``: one a line in UTF-8, with an optional weight as FunASR writes it
    (``词 20``); ``#`` begins a comment. ``where`` is what messages call the file.

    Raises FatalError ``config_invalid``, naming the line.
    """
    if len(content) > MAX_FILE_BYTES:
        raise bad_setting(f"{where}: larger than {MAX_FILE_BYTES // 1_000_000} MB; is it a list of hotwords?")
    return _each_once(_lines_of_file(where, content))


def _lines_of_file(where: str, content: bytes) -> Iterator[tuple[str, str]]:
    """(place, content) of every line that holds more than a comment; the place is what messages call it."""
    for number, raw in enumerate(content.split(b"\n"), 1):
        place = f"{where}, line {number}"
        try:
            line = raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise bad_setting(f"{place}: not UTF-8 (byte {raw[error.start]:#04x}); save the file as UTF-8") from error
        line = _COMMENT.sub("", line).strip()
        if line:
            yield place, line


def _hotword(where: str, line: Any) -> Hotword:
    if not isinstance(line, str):
        raise bad_setting(f"{where}: {reprlib.repr(line)} is no string")  # it may be nested deeper than repr can go
    parts = unicodedata.normalize("NFKC", line).split()
    weight = DEFAULT_WEIGHT
    if len(parts) > 1 and _NUMBER.fullmatch(parts[-1]):
        weight = float(parts.pop())
    if not LEAST_WEIGHT <= weight <= GREATEST_WEIGHT:
        raise bad_setting(f"{where}: a weight goes from {LEAST_WEIGHT:g} to {GREATEST_WEIGHT:g}, not {weight:g}")
    text = " ".join(parts)
    if not text.isprintable() or not any(character.isalnum() for character in text):
        raise bad_setting(f"{where}: {line!r} is no word")
    if len(text) > MAX_LENGTH:
        raise bad_setting(f"{where}: a hotword has at most {MAX_LENGTH} characters, not {len(text)}: {text[:12]}…")
    return Hotword(text, weight)
