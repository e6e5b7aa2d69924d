"""Digits read aloud: the check that what is written is what was said. It knows nothing of wetext's grammar.

Reading digits aloud is simpler, and surer, than finding digits for what was said: 25 is 二十五 or 二五 and nothing
else, while 二十五 may stand in 二十五六, in 一百二十五 or in 二十五千克.
"""

from __future__ import annotations

import re

ONES = "零一二三四五六七八九"
UNITS = ((10**8, "亿"), (10**4, "万"), (1000, "千"), (100, "百"), (10, "十"))
NUMERAL = f"[{ONES}两幺十百千万亿]"
SYMBOLS = {":": "比", "+": "加", "×": "乘以?", "=": "等于"}  # no dash, which reads as a range
_WRITTEN = re.compile(
    r"(?P<over>\d+)/(?P<under>\d+)|(?P<whole>\d+)(?:\.(?P<part>\d+))?(?P<percent>%)?|.", re.ASCII | re.DOTALL
)


def said(written: str, spoken: str) -> bool:
    """Whether ``written``, read aloud, is ``spoken`` to the character; ``spoken`` writes 〇 as 零."""
    return re.fullmatch("".join(_aloud(match) for match in _WRITTEN.finditer(written)), spoken, re.ASCII) is not None


def say(number: int) -> str:
    """A number from 0 to 10**16 - 1 in full: 10305 is 一万零三百零五, 110 is 一百一十, and 10 is 一十."""
    for size, unit in UNITS:
        if number >= size:
            count, rest = divmod(number, size)
            gap = "零" if rest < size // 10 else ""
            return say(count) + unit + (gap + say(rest) if rest else "")
    return ONES[number]


def _aloud(match: re.Match[str]) -> str:
    """A regular expression for every way of saying one number or character."""
    if match["over"]:
        return _value(match["under"]) + "分之" + _value(match["over"])
    if match["whole"] is None:
        return SYMBOLS.get(match[0], re.escape(match[0]))
    if match["part"]:
        aloud = _value(match["whole"]) + "点" + _one_by_one(match["part"])
    elif match["percent"]:
        aloud = _value(match["whole"]) + ("|百" if match["whole"] == "100" else "")
    else:
        aloud = f"(?:{_value(match['whole'])}|{_one_by_one(match['whole'])})"
    return f"百分之(?:{aloud})" if match["percent"] else aloud


def _value(digits: str) -> str:
    """As a quantity: 两 may replace 二 before a unit or alone; 一十 is 十 at the front, and may be elsewhere."""
    if (digits[0] == "0" and digits != "0") or len(digits) > 16:
        return "(?!)"  # nobody reads 05 or seventeen digits as a quantity
    text = re.sub("^一十", "十", say(int(digits))).replace("一十", "一?十")
    return re.sub("二(?=[百千])|(?<!十)二(?=[万亿])|^二$", "[二两]", text)


def _one_by_one(digits: str) -> str:
    return "".join("[一幺]" if digit == "1" else ONES[int(digit)] for digit in digits)
