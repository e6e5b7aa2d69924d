"""Sentences of the demonstration model: text, tokens and pronunciation. Pure: no audio, no files.

The split is by a hash of the text, made before anything is spoken, so it holds for ever.
"""

from __future__ import annotations

import random
import re
import zlib
from dataclasses import dataclass
from typing import Callable

from tools.train.lexicon import HOMOPHONES, PATTERNS, PIECES, SLOTS, words

DIGITS = "零一二三四五六七八九"
DIGIT_PINYIN = dict(zip(DIGITS + "幺壹", words("ling2 yi1 er4 san1 si4 wu3 liu4 qi1 ba1 jiu3 yao1 yi1")))
RARE_SHARE = 0.05
TWO_IN_A_BREATH = 0.3
SPLITS = ("train", "test", "homophones")
_RUN = re.compile("[a-z]+|[A-Z]+|[\u4e00-\u9fff]+|,")
_COMMON = dict(HOMOPHONES)
_RARE = {rare: common for common, rare in HOMOPHONES}
_FIRST = re.compile("(?<=[十百零周])一|一(?=[月号十])")
_DIGIT_RUN = re.compile("[" + DIGITS + "幺壹]{3,}")


@dataclass(frozen=True)
class Segment:
    """One stretch of one language. `spoken`: pinyin syllables, or the English words."""

    kind: str  # "zh", "en", "letters" or "pause" (where two sentences meet)
    text: str
    spoken: tuple[str, ...]


@dataclass(frozen=True)
class Sentence:
    """`text` as the service prints it, `tokens` as the model emits them, `segments` as spoken."""

    text: str
    tokens: tuple[str, ...]
    segments: tuple[Segment, ...]


def sentences(split: str, count: int, seed: int) -> list[Sentence]:
    """`count` sentences of a split; those of "test" and "homophones" are all different."""
    if split not in SPLITS:
        raise ValueError("split must be one of " + ", ".join(SPLITS))
    rng = random.Random(f"{split} {seed}")
    found: list[Sentence] = []
    seen = set()
    while len(found) < count:
        raw = _draw(rng)
        text = _printed(raw)
        if split_of(text) != split or (split != "train" and text in seen):
            continue
        seen.add(text)
        found.append(_sentence(raw, text))
    return found


def split_of(text: str) -> str:
    """The split a printed sentence belongs to. Rare homophones are kept out of "test"."""
    if zlib.crc32(text.encode("utf-8")) % 10:
        return "train"
    return "homophones" if any(rare in text for rare in _RARE) else "test"


def vocabulary() -> list[str]:
    """Every token in the order of `tokens.json`, specials included."""
    characters = set(DIGITS + "幺十百")
    latin = set()
    sources = [word for words in SLOTS.values() for word in words]
    sources += [pattern for _, patterns in PATTERNS for pattern in patterns if pattern != "short"]
    sources += [word for pair in HOMOPHONES for word in pair] + list(_CALENDAR)
    for source in sources:
        for run in _RUN.findall(re.sub(r"\{\w+\}", ",", source)):
            if run != ",":
                (latin if run.isascii() else characters).update(_tokens_of(run))
    return ["<blank>", "<s>", "</s>", *sorted(characters), *sorted(latin), "<unk>"]


def _draw(rng: random.Random) -> str:
    raw = _one(rng)
    if rng.random() < TWO_IN_A_BREATH:
        raw += "," + _one(rng)
    return raw


def _one(rng: random.Random) -> str:
    patterns = rng.choices(PATTERNS, weights=[weight for weight, _ in PATTERNS])[0][1]
    pattern = rng.choice(patterns)
    if pattern == "short":
        return rng.choice(SLOTS["short"])
    return re.sub(r"\{(\w+)\}", lambda slot: _fill(slot.group(1), rng), pattern)


def _fill(slot: str, rng: random.Random) -> str:
    made = _MADE.get(slot)
    word = made(rng) if made else rng.choice(SLOTS[slot])
    if word in _COMMON and rng.random() < RARE_SHARE:
        return _COMMON[word]
    return word


def number(value: int) -> str:
    """0…9999 as read aloud: 26 -> 二十六, 108 -> 一百零八."""
    if value < 10:
        return DIGITS[value]
    if value < 20:
        return "十" + (DIGITS[value % 10] if value % 10 else "")
    if value < 100:
        return DIGITS[value // 10] + "十" + (DIGITS[value % 10] if value % 10 else "")
    head, rest = DIGITS[value // 100] + "百", value % 100
    if not rest:
        return head
    if rest < 10:
        return head + "零" + DIGITS[rest]
    return head + DIGITS[rest // 10] + "十" + (DIGITS[rest % 10] if rest % 10 else "")


def _digits(rng: random.Random, low: int, high: int) -> str:
    text = "".join(rng.choice(DIGITS) for _ in range(rng.randint(low, high)))
    return text.replace("一", "幺") if rng.random() < 0.15 else text


def _phone(rng: random.Random) -> str:
    text = "一" + rng.choice("三五七八九") + "".join(rng.choice(DIGITS) for _ in range(9))
    return text.replace("一", "幺") if rng.random() < 0.25 else text


def _time(rng: random.Random) -> str:
    hour = rng.randint(1, 12)
    text = ("两" if hour == 2 else number(hour)) + "点"
    kind = rng.random()
    if kind < 0.35:
        return text
    if kind < 0.6:
        return text + "半"
    minute = rng.randint(1, 59)
    return text + ("零" if minute < 10 else "") + number(minute) + "分"


_CALENDAR = ("月号点半分两十百年",)
_MADE: dict[str, Callable[[random.Random], str]] = {
    "person": lambda rng: rng.choice(HOMOPHONES[:30])[0],
    "temp": lambda rng: number(rng.randint(16, 32)),
    "n": lambda rng: number(rng.randint(1, 99)),
    "d": lambda rng: number(rng.randint(3, 9)),
    "a": lambda rng: number(rng.randint(2, 999)),
    "b": lambda rng: number(rng.randint(2, 99)),
    "code": lambda rng: _digits(rng, 4, 6),
    "digits": lambda rng: _digits(rng, 8, 16),
    "phone": _phone,
    "time": _time,
    "date": lambda rng: number(rng.randint(1, 12)) + "月" + number(rng.randint(1, 31)) + "号",
    "year": lambda rng: "二零" + rng.choice("零一二三") + rng.choice(DIGITS),
}


def _printed(raw: str) -> str:
    """The service's rendering: a space only between two Latin words."""
    runs = [run for run in _RUN.findall(raw) if run != ","]
    text = ""
    for run in runs:
        text += (" " if text and text[-1].isascii() and run.isascii() else "") + run
    return text


def _tokens_of(run: str) -> list[str]:
    if run.islower() and run.isascii():
        return PIECES.get(run, run).split()
    return list(run.lower())


def _sentence(raw: str, text: str) -> Sentence:
    segments, tokens = [], []
    for run in _RUN.findall(raw):
        if run == ",":
            segments.append(Segment("pause", "", ()))
            continue
        tokens += _tokens_of(run)
        if not run.isascii():
            segments.append(Segment("zh", run, tuple(pinyin(run))))
        else:
            segments.append(Segment("en" if run.islower() else "letters", run, (run,)))
    return Sentence(text, tuple(tokens), tuple(segments))


def pinyin(text: str) -> list[str]:
    """Syllables with tone digits (5 neutral, v for ü); a rare homophone reads as its common twin."""
    from pypinyin import Style, lazy_pinyin

    for rare, common in _RARE.items():
        text = text.replace(rare, common)
    syllables: list[str] = []
    text = _FIRST.sub("壹", text)  # read yī: no tone change in dates and numbers
    start = 0
    for run in [*list(_DIGIT_RUN.finditer(text)), None]:
        plain = text[start : run.start() if run else None]
        if plain:
            syllables += lazy_pinyin(
                plain, style=Style.TONE3, neutral_tone_with_five=True, v_to_u=False, tone_sandhi=True
            )
        if run:
            syllables += [DIGIT_PINYIN[digit] for digit in run.group()]
            start = run.end()
    return syllables
