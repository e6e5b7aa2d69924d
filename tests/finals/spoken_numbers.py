"""Random numbers as they are spoken, and what a person accepts in their place."""

from __future__ import annotations

import random
import re
from dataclasses import dataclass
from typing import Callable

ONES = "零一二三四五六七八九"


@dataclass(frozen=True)
class Slot:
    """A number as it was said, all that a person accepts in digits, and whether it ought to be in digits."""

    said: str
    written: tuple[str, ...]
    plain: bool


def speak(number: int, two: str = "二") -> str:
    """A number below 10**12 in full, with ``two`` before 百, 千, 万 and 亿."""
    text = ""
    group_names = ("", "万", "亿")
    groups = [number // 10 ** (4 * place) % 10**4 for place in range(3)]
    for place in (2, 1, 0):
        group = groups[place]
        if group == 0:
            continue
        if text and (group < 1000 or groups[place + 1] == 0):
            text += "零"
        figures = f"{group:04d}".lstrip("0")
        inside = ""
        for figure, unit in zip(figures, ("千", "百", "十", "")[-len(figures) :]):
            if figure != "0":
                inside += ONES[int(figure)] + unit
            elif not inside.endswith("零"):
                inside += "零"
        text += inside.rstrip("零") + group_names[place]
    text = re.sub("^一十", "十", text or "零")
    return re.sub("(?<!十)二(?=[百千万亿])", two, text)


def one_by_one(digits: str, one: str = "一") -> str:
    return "".join(one if digit == "1" else ONES[int(digit)] for digit in digits)


def value(dice: random.Random, low: int, high: int) -> Slot:
    number = dice.randint(low, high) if high < 10 * low or high < 100 else int(low * (high / low) ** dice.random())
    return _quantity(dice, number)


def _quantity(dice: random.Random, number: int) -> Slot:
    written = [str(number)]
    if number % 10**4 == 0:
        written.append(f"{number // 10**4}万")
    if number % 10**8 == 0:
        written.append(f"{number // 10**8}亿")
    elif number > 10**8 and number % 10**4 == 0:
        written.append(f"{number // 10**8}亿{number % 10**8 // 10**4}万")
    return Slot(speak(number, dice.choice("二两两")), tuple(written), number >= 10)


def string(dice: random.Random, length: int) -> Slot:
    digits = "".join(dice.choice("0123456789") for _ in range(length))
    return Slot(one_by_one(digits, dice.choice("一幺")), (digits,), True)


def decimal(dice: random.Random) -> Slot:
    whole = dice.choice((0, *range(10), *range(10, 300)))
    digits = str(dice.randint(1, 999)).rstrip("0")
    said = speak(whole) + "点" + one_by_one(digits)
    return Slot(said, (f"{whole}.{digits}",), True)


def percent(dice: random.Random) -> Slot:
    amount = dice.choice((decimal, lambda dice: value(dice, 1, 9), lambda dice: value(dice, 10, 200)))(dice)
    return Slot("百分之" + amount.said, (amount.written[0] + "%",), True)


def fraction(dice: random.Random) -> Slot:
    over = dice.randint(1, 30)
    under = dice.randint(2, 60)
    return Slot(f"{speak(under)}分之{speak(over)}", (f"{over}/{under}",), True)


def year(dice: random.Random) -> Slot:
    digits = str(dice.choice((dice.randint(1900, 2040), dice.randint(1100, 2099))))
    said = one_by_one(digits)
    if digits.startswith("200") and dice.random() < 0.3:
        said = speak(int(digits), "两")
    return Slot(said, (digits,), True)


def telephone(dice: random.Random) -> Slot:
    digits = "1" + dice.choice("3456789") + "".join(dice.choice("0123456789") for _ in range(9))
    return Slot(one_by_one(digits, dice.choice("一幺")), (digits,), True)


def neighbours(dice: random.Random, count: int) -> Slot:
    """十七十八 and the like, nothing between them; two that together would be one number are not drawn."""
    first = dice.choice((dice.randint(11, 90), dice.randint(11, 90), dice.randint(101, 900)))
    numbers = [first + index * dice.choice((1, 1, 1, 2)) for index in range(count)]
    if first % 10 == 0:
        return neighbours(dice, count)  # 二十 二十一 may be heard as one
    digits = [str(number) for number in numbers]
    said = "".join(speak(number) for number in numbers)
    return Slot(said, tuple(mark.join(digits) for mark in (" ", "、", "，")), False)


def vague(dice: random.Random) -> Slot:
    left = dice.randint(1, 8)
    pair = ONES[left] + ONES[left + 1] if left > 1 else dice.choice(("一两", "一二"))
    tens = ONES[dice.randint(2, 9)] + "十"
    forms = (pair, pair + "十", pair + "百", "十" + pair, tens + pair, ONES[dice.randint(1, 9)] + "百" + pair)
    return Slot(
        dice.choice((*forms, "几十", "十几", tens + "几", "三五", "百八十", "好几百", "数十", "十来", "两三")),
        (),
        False,
    )


def hundreds(dice: random.Random) -> Slot:
    """两万三四, 三百七八, 千八百: neither one number nor the other."""
    left = dice.randint(3, 8)
    head = ONES[dice.randint(1, 9)] + dice.choice("百千万")
    return Slot(
        dice.choice((head + ONES[left] + ONES[left + 1], "千" + ONES[left] + "百", "百" + ONES[left] + "十")), (), False
    )


def loose(dice: random.Random) -> Slot:
    """一万八 for 一万八千."""
    power = dice.choice((2, 3, 4, 8))
    head, tail = dice.randint(1, 9), dice.randint(1, 9)
    unit = {2: "百", 3: "千", 4: "万", 8: "亿"}[power]
    return Slot(f"{ONES[head]}{unit}{ONES[tail]}", (str(head * 10**power + tail * 10 ** (power - 1)),), False)


KINDS: dict[str, Callable[[random.Random], Slot]] = {
    ".": decimal,
    "%": percent,
    "/": fraction,
    "y": year,
    "p": telephone,
    "~": vague,
    "^": hundreds,
    "loose": loose,
    "++": lambda dice: neighbours(dice, 2),
    "+++": lambda dice: neighbours(dice, 3),
    "100%": lambda dice: Slot("百分之百", ("100%",), True),
    "刻": lambda dice: Slot("一刻", ("1刻", "15"), False),
    "半": lambda dice: Slot("半", ("30",), False),
    "01-09": lambda dice: (lambda minute: Slot(f"零{ONES[minute]}", (f"0{minute}", str(minute)), True))(
        dice.randint(1, 9)
    ),
    "0万": lambda dice: _quantity(dice, dice.randint(1, 9999) * 10**4),
    "1亿": lambda dice: _quantity(
        dice, dice.choice((dice.randint(1, 99) * 10**8, dice.randint(10001, 999999) * 10**4))
    ),
}
