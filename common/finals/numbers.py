"""Inverse text normalisation: numbers that were spoken, in digits. wetext's grammar says where a number is and of
what kind; how it is written is decided here, because wetext's own 2026/03/05, 8:30 and 20min run into what stands
beside them and change words that were said. Here only numerals change, and what no digit can replace in its place:
fractions, per cent, sums."""

from __future__ import annotations

import re
from typing import Any, Iterator

from common.packages import import_or_explain

DIGITS = str.maketrans("零一二三四五六七八九两幺", "012345678921")
NUMERAL = re.compile("[零一二三四五六七八九两幺十百千万亿]+")
DECIMAL = re.compile("[零一二三四五六七八九两幺十百千万亿]+(?:点[零一二三四五六七八九]+)?")
CLOCK = re.compile("点.*[分刻]")  # that 点 is no decimal point
AS_WETEXT_WRITES = {"cardinal", "fraction", "math", "licenseplate"}
NO_NUMBERS = {"十分", "十字"}  # very; a cross
VAGUE = re.compile("[几数]>[十百千万亿]|[十百千万亿]<[几来余]")  # 几十个 and 十来个 are no 几10个 and 10来个
_TOKEN = re.compile(r'(\w+) \{((?: \w+: "(?:[^"\\]|\\.)*")*) \}', re.DOTALL)
_VALUE = re.compile(r' (\w+): "((?:[^"\\]|\\.)*)"', re.DOTALL)


class InverseTextNormalizer:
    """Called with a text it returns the text with its numbers in digits; everything else stays as it is.

    二零二六年三月五号 is 2026年3月5号, 百分之五十 is 50%. What is vague stays (三四个, 十几个), and so does a lone
    digit (三个). Raises ValueError if wetext leaves out a part of the text.
    """

    def __init__(self, wetext: Any) -> None:
        self._wetext = wetext
        self._normalizer = wetext.Normalizer(lang="zh", operator="itn")

    def __call__(self, text: str) -> str:
        spoken = text.replace("〇", "零")  # its grammar does not know the former
        if not NUMERAL.search(spoken):
            return text
        written = ""
        position = 0
        for kind, part in self._parts(spoken):
            end = position + len(part)
            in_place = f"{spoken[:position][-1:]}>{part}<{spoken[end:][:1]}"
            stays = kind == "char" or part in NO_NUMBERS or VAGUE.search(in_place)
            written += text[position:end] if stays else self._written(kind, part)
            position = end
        return written

    def _parts(self, text: str) -> Iterator[tuple[str, str]]:
        """(kind, what was said) from left to right; together all of ``text``."""
        tagged = self._wetext.tag(text, "zh", "itn")
        parts = []
        for kind, members in _TOKEN.findall(tagged):
            values = [value for name, value in _VALUE.findall(members) if name != "preserve_order"]
            parts.append((kind, re.sub(r"\\(.)", r"\1", "".join(values), flags=re.DOTALL)))
        if "".join(part for _, part in parts) != text:
            raise ValueError(f"wetext reads {text!r} as {tagged!r}")
        yield from parts

    def _written(self, kind: str, part: str) -> str:
        """A number of wetext's ``kind`` as it is written."""
        whole: str = self._normalizer.normalize(part)
        is_range = "~" in whole
        if whole == part or (is_range and not re.search("[到至]", part)):
            return part  # 一心一意; and 三四个 is neither 34个 nor 3~4个
        if not is_range and (kind in AS_WETEXT_WRITES or whole.endswith("%")):
            return whole.replace(" ", "")  # it parts the digits of a telephone number
        is_clock = kind in ("date", "time") or CLOCK.search(part)
        return (NUMERAL if is_clock else DECIMAL).sub(lambda match: self._number(match[0]), part)

    def _number(self, numeral: str) -> str:
        in_digits = numeral.translate(DIGITS)
        return in_digits if in_digits.isdigit() and in_digits.isascii() else str(self._normalizer.normalize(numeral))


def load_itn() -> InverseTextNormalizer:
    """Ready to use: its grammar lies in the package. Raises FatalError ``dependency_missing``."""
    normalizer = InverseTextNormalizer(import_or_explain("wetext"))
    normalizer("二零二六年三月五号")
    return normalizer
