"""Numbers in digits: random ones in many sentences and in none, and proposals that are wrong on purpose."""

from __future__ import annotations

import collections
import random
import re
import sys
from typing import Any, Callable

import pytest

from common.finals.numbers import InverseTextNormalizer, load_itn
from common.finals.numerals import said, say
from tests.finals.number_sentences import TEMPLATES, Sentence, fill, read_aloud, sentences
from tests.finals.spoken_numbers import Slot, speak

pytestmark = pytest.mark.skipif(sys.version_info < (3, 9), reason="wetext needs Python 3.9")


@pytest.fixture(scope="module")
def itn() -> InverseTextNormalizer:
    return load_itn()


def test_random_numbers_are_right_or_left_in_every_template(itn: InverseTextNormalizer) -> None:
    wrong, rates = judged(itn, count=4, seed=1)
    assert len(rates) >= 60
    assert wrong == []
    assert sum(rates.values()) / len(rates) >= 0.97


@pytest.mark.full
def test_of_many_random_numbers_one_in_a_thousand_is_wrong_at_most(itn: InverseTextNormalizer) -> None:
    wrong, rates = judged(itn, count=100, seed=2)
    assert len(wrong) <= 0.001 * 100 * len(TEMPLATES), wrong
    assert sum(rates.values()) / len(rates) >= 0.97
    assert {template: rate for template, rate in rates.items() if rate < 0.8} == {}


def judged(write: Callable[[str], str], count: int, seed: int) -> tuple[list[tuple[str, str]], dict[str, float]]:
    """What is wrong, as (spoken, written), and of each template's plain numbers the share that is in digits."""
    wrong = []
    plain: dict[str, int] = collections.Counter()
    turned: dict[str, int] = collections.Counter()
    for sentence in sentences(count, seed):
        text = write(sentence.spoken)
        found = sentence.in_digits(text)
        if found is None:
            wrong.append((sentence.spoken, text))
        plain[sentence.template] += sentence.plain
        turned[sentence.template] += found or 0
    return wrong, {template: turned[template] / total for template, total in plain.items() if total}


def test_the_judge_takes_characters_and_digits_and_nothing_else() -> None:
    sentence = Sentence("", ("重", Slot("三十六", ("36",), True), "千克"))
    assert [sentence.in_digits(text) for text in ("重三十六千克", "重36千克")] == [0, 1]
    for text in ("重30 6000克", "重35千克", "重36kg", "重3六千克", ""):
        assert sentence.in_digits(text) is None
    assert [sentence.in_any_style(text) for text in ("重36kg", "重30 6000克")] == [1, None]
    assert len({fill(template, random.Random(1)).spoken for template in TEMPLATES}) == len(TEMPLATES)


ALPHABET = "零一二三四五六七八九十百千万亿两幺〇点分之比到年月日号时秒块毛半几多来第周米克路个起乘加减5a，、 "
PHRASES = ("百分之", "分之", "二十", "三百", "五千", "一万", "十五", "千克", "零五", "一起", "上午", "四点", "星期")


@pytest.mark.parametrize("seed", range(4))
def test_any_text_read_aloud_is_what_was_said(itn: InverseTextNormalizer, seed: int) -> None:
    dice = random.Random(seed)
    changed = 0
    for _ in range(100):
        spoken = "".join(dice.choice((dice.choice(ALPHABET), dice.choice(PHRASES))) for _ in range(dice.randint(1, 14)))
        written = itn(spoken)
        assert re.fullmatch(read_aloud(written.replace("〇", "零")), spoken.replace("〇", "零")), (spoken, written)
        for touching in re.finditer(
            r"(?<=[0-9])[零一二三四五六七八九十百千两幺]|[零一二三四五六七八九十百千万亿两幺](?=[0-9])", written
        ):
            as_before = written[touching.start() - 1 : touching.end() + 1] in spoken
            is_unit = re.match("千[克米]", written[touching.start() :])
            is_large = touching[0] in "亿" and re.match("亿[0-9]+万", written[touching.start() :])
            assert as_before or is_unit or is_large, (spoken, written)
        changed += written != spoken
    assert changed > 10


class Proposer:
    """wetext, as somebody would have it who wants wrong numbers in the text."""

    def __init__(self, answer: Callable[[str], str]) -> None:
        self.normalize = answer

    def Normalizer(self, **_: Any) -> Proposer:
        return self


@pytest.mark.parametrize(
    "answer",
    [
        lambda part: "",
        lambda part: "1718",
        lambda part: "16 17",
        lambda part: "20 5000",
        lambda part: part[:-1] + "5",
        lambda part: "5" + part[1:],
        lambda part: f"{len(part)}-{len(part) + 1}",
        lambda part: f"{part}1",
        lambda part: "3:2",
        lambda part: "36千克",
        lambda part: "1000万500",
    ],
)
def test_nothing_passes_that_was_not_said_whatever_wetext_proposes(answer: Callable[[str], str]) -> None:
    wrong, _ = judged(InverseTextNormalizer(Proposer(answer)), count=1, seed=3)
    assert wrong == []


def test_what_wetext_proposes_is_written_if_it_is_what_was_said() -> None:
    def write(text: str, **proposed: str) -> str:
        return InverseTextNormalizer(Proposer(lambda part: proposed.get(part, part)))(text)

    assert write("有二十五个", 二十五="25") == "有25个"
    assert write("有二十五个", 二十五="26") == "有二十五个"
    assert write("三比二十", 三比二十="3:20", 二十="20") == "3:20"
    assert write("三比二十", 三比二十="3:21", 二十="20") == "3比20"
    assert write("三比二十", 三比二十="3:20", 二十="21") == "三比二十"


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("0", "零"),
        ("2", "两"),
        ("10", "十"),
        ("12", "十二"),
        ("12", "一二"),
        ("110", "一百一十"),
        ("110", "一百十"),
        ("110", "幺幺零"),
        ("200", "两百"),
        ("2002", "二千零二"),
        ("20000", "两万"),
        ("120000", "十二万"),
        ("1000万", "一千万"),
        ("05", "零五"),
        ("3.05", "三点零五"),
        ("0.5%", "百分之零点五"),
        ("100%", "百分之百"),
        ("100%", "百分之一百"),
        ("3/4", "四分之三"),
        ("3:2", "三比二"),
        ("2+3=5", "二加三等于五"),
        ("3×4", "三乘以四"),
        ("3×4", "三乘四"),
        ("2+3", "二加三"),
        ("3个[.]", "三个[.]"),
    ],
)
def test_digits_read_aloud(written: str, spoken: str) -> None:
    assert said(written, spoken)


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("5", "五十"),
        ("05", "五"),
        ("10", "一十"),
        ("15", "一十五"),
        ("12", "十两"),
        ("12", "一两"),
        ("22", "二十两"),
        ("102", "一百两"),
        ("120000", "十两万"),
        ("105", "一百五"),
        ("150", "一百五"),
        ("1005", "一千五"),
        ("1718", "十七十八"),
        ("25 6", "二十五六"),
        ("50%", "五十"),
        ("50", "百分之五十"),
        ("10%", "百分之百"),
        ("3/4", "三分之四"),
        ("3/4", "三四"),
        ("03/05", "五分之三"),
        ("3.5", "三五"),
        ("3:2", "二比三"),
        ("8-3", "八减三"),
        ("3个.", "三个好"),
        ("1" * 17, "一" * 16),
        ("٣", "三"),
    ],
)
def test_digits_that_were_not_said(written: str, spoken: str) -> None:
    assert not said(written, spoken)


def test_a_number_is_said_as_the_tests_say_it() -> None:
    dice = random.Random(5)
    for number in [*range(2500), *(10**power + add for power in range(4, 12) for add in range(-2, 3))]:
        assert said(str(number), speak(number))
    for _ in range(1500):
        number = int(10 ** (12 * dice.random()))
        assert said(str(number), speak(number, "两"))
        assert not said(str(number + dice.choice((-1, 1)) * 10 ** dice.randrange(12)), speak(number))
    assert say(10**16 - 1).startswith("九千九百九十九万九千九百九十九亿")
