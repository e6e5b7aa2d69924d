"""Inverse text normalisation: spoken numbers in digits. wetext's grammar proposes them; a proposal is taken only if,
read aloud, it is exactly what was said, and leaves no doubt. Units and words stay: wetext's own 2026/03/05, 8:30 and
20min run into the text beside them and change words that were said."""

from __future__ import annotations

import re
from typing import Any, Iterator, Tuple

from common.finals.doubts import doubtful
from common.finals.numerals import NUMERAL, said
from common.packages import import_or_explain

DIGITS = str.maketrans("零一二三四五六七八九两幺", "012345678921")
LONGEST = 50  # characters of a numeral with units: ten quadrillions take forty

# Numbers and what joins them: as much as wetext may have to see together.
JOINT = "(?:分之|比|到|至|又|加|减|乘以?|除以|等于|[年月日号点时分秒块元毛角]{1,2}[到至]?)"
STRETCH = re.compile(f"{NUMERAL}+(?:{JOINT}{NUMERAL}+)*[年月日号点时分秒块元毛角刻半]*")

# One number: per cent, a fraction, a decimal (not 三点二十, 三点五分, 三点五点), or a numeral.
KILO = re.compile("千(?=[克米瓦卡赫伏帕焦兆牛]|字节)")  # in 二十五千克 it belongs to the unit, not to the number
NUMBER = re.compile(
    f"百分之{NUMERAL}+(?:点{NUMERAL}+)?|{NUMERAL}+分之{NUMERAL}+"
    f"|{NUMERAL}+点[零一二三四五六七八九幺]+(?=[万亿]?(?![分刻点]|{NUMERAL})|{KILO.pattern})|{NUMERAL}+"
)
IN_DIGITS = re.compile(r"\d+(?:[./]\d+)?%?|\d{1,4}万|\d{1,4}万亿|\d{1,8}亿|\d+亿\d{1,4}万")

# A lone digit mostly stays (三个, 十年一剑); it is a number in 三月五号, 三到十个 and 三块五.
LONE = re.compile("[零一二三四五六七八九两幺]")
COUNTS = re.compile(
    r".[年月日号点时分秒刻块元毛角比到至又加减乘除]|(?<=[比到至又加减乘以于]).|(?<=[块元毛角]).(?=\W|$|[钱的])"
)
SYMBOL = re.compile("[:+×=]")  # 3:2 and 2+3=5
COMPARED = re.compile("[大小多少高低长短快慢好强重轻早晚贵便]")  # 三比二大 is a comparison, not a score

Edit = Tuple[int, int, str]  # text[start:end] becomes these digits


class InverseTextNormalizer:
    """Called with a text it returns the text with its numbers in digits; everything else stays as it is.

    二零二六年三月五号 is 2026年3月5号, 百分之五十 is 50%. What is vague stays (三四个, 十几个), and so do a lone
    digit (三个) and whatever may be several numbers (十七十八) or a word (十分).
    """

    def __init__(self, wetext: Any) -> None:
        self._normalizer = wetext.Normalizer(lang="zh", operator="itn")

    def __call__(self, text: str) -> str:
        spoken = text.replace("〇", "零")  # wetext's grammar does not know the former
        written = ""
        position = 0
        for stretch in STRETCH.finditer(spoken):
            for start, end, digits in self._stretch(spoken, *stretch.span()):
                written += text[position:start] + digits
                position = end
        return written + text[position:]

    def _stretch(self, text: str, start: int, end: int) -> list[Edit]:
        """``text[start:end]``, a stretch: a score or a sum as wetext writes it, or else each number by itself."""
        spoken = text[start:end]
        whole = self._wetext(spoken)
        if whole == spoken:
            return []  # 三个, 十分, 一心一意
        edits = [self._number(text, *span) for span in _numbers(text, start, end)]
        certain = [edit for edit in edits if edit is not None]
        if len(certain) < len(edits):  # 三 may be anything then, but 三十 is 30 all the same
            return [edit for edit in certain if not LONE.fullmatch(text, edit[0], edit[1])]
        in_symbols = SYMBOL.search(whole) and not re.search(NUMERAL, whole)
        if in_symbols and not COMPARED.match(text, end) and said(whole, spoken):
            return [(start, end, whole)]
        return [edit for edit in certain if not LONE.fullmatch(text, edit[0], edit[1]) or COUNTS.match(text, edit[0])]

    def _number(self, text: str, start: int, end: int) -> Edit | None:
        """One number in digits, or None where that would be a guess."""
        for stop in (end, end - 1) if end - start > 1 and KILO.match(text, end - 1) else (end,):
            if not doubtful(text, start, stop):
                for digits in self._ways_to_write(text[start:stop]):
                    if IN_DIGITS.fullmatch(digits) and said(digits, text[start:stop]):
                        return start, stop, digits
        return None

    def _ways_to_write(self, number: str) -> Iterator[str]:
        """What may be right, the best first."""
        yield number.translate(DIGITS)
        if len(number) > LONGEST:
            return
        if number[1:] and number[-1] in "万亿":
            for digits in self._ways_to_write(number[:-1]):
                yield digits + number[-1]  # 30万, not 300000
        yield self._wetext(number)
        yield self._by_groups(number)

    def _by_groups(self, number: str) -> str:
        """Four digits at a time, where wetext mixes in units: it writes 一千一百万零五百 as 1100万500."""
        for unit, places in (("亿", 8), ("万", 4)):
            head, _, tail = number.rpartition(unit)
            if head:
                return self._by_groups(head) + self._by_groups(tail).zfill(places)
        return self._wetext(number.lstrip("零")).translate(DIGITS)

    def _wetext(self, spoken: str) -> str:
        return str(self._normalizer.normalize(spoken)).replace(" ", "")  # it puts blanks into a telephone number


def _numbers(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    for number in NUMBER.finditer(text, start):
        if number.start() >= end:
            return
        yield number.span()


def load_itn() -> InverseTextNormalizer:
    """Ready to use; the grammar comes with the package. Raises FatalError ``dependency_missing``."""
    normalizer = InverseTextNormalizer(import_or_explain("wetext"))
    normalizer("二零二六年三月五号")
    return normalizer
