"""Sentences with numbers in them, spoken, and what a person accepts: the digits that were said, or the characters.

python -m tests.finals.number_sentences --count 1000                # what the product makes of them
python -m tests.finals.number_sentences --count 1000 --by cn2an     # or another library, once it is installed
"""

from __future__ import annotations

import argparse
import importlib
import random
import re
from dataclasses import dataclass
from typing import Callable, Iterator, Sequence

from tests.finals.spoken_numbers import KINDS, Slot, one_by_one, speak, string, value

# In braces what a number may be: from-to, # digits one by one, and the kinds further down.
TEXT = """
units, with those that begin with a numeral
    重量是{10-999}千克左右 跑了{10-99}千米 跑了{1000-99999}米 {10-999}千瓦的电机 {100-9999}千瓦时的电量
    含有{10-999}千卡 长{10-999}厘米宽{10-999}厘米 载重{10-99}吨 {10-999}公里每小时 气温{10-40}度 零下{10-40}度
    负{10-99}度 喝了{100-999}毫升水 身高{100-199}厘米 面积是{10-9999}平方米 频率是{10-99}千赫
quantities
    一共{10-99}个人 来了{100-999}人 有{1000-9999}只羊 印了{10000-999999}本 第{10-99}章 第{10-99}届会议
    {100-9999}多个 {10-99}多岁 大约{10-99}天 用了{10-99}年 背{10-999}个单词，写{10-99}页 {1-9}个人
    编号{10-99}和编号{10-99} 共{10-99}人，其中{10-99}人迟到 还剩{10-9999} 人数是{10-9999} {10-99}乘客
large figures
    人口有{1-9999}万 产量达到{1-99}亿吨 卖了{0万}元 总数{10000-99999999} 一共{1亿}人次 赔了{10-99}多万
    共{100000-9999999}元整 投资{.}亿元 涨到{.}万元
ranges
    {10-99}到{10-99}岁 {10-99}至{10-99}页 {10-99}到{10-99}万 {100-999}到{1000-9999}元 从{10-99}楼到{10-99}楼
    {%}到{%} {10-99}到{10-99}千米每小时 第{10-99}到第{10-99}名 {.}到{.}米
products, sums, scores
    {10-99}乘{10-99}厘米 {10-99}乘{10-99}毫米 {10-99}乘{10-99}等于多少 {10-99}加{10-99} {100-999}减{10-99}
    {#3}加{#3} {10-99}比{10-99}分 {1-9}比{1-9}获胜 比分是{10-99}比{1-9} {10-99}比{10-99}大 {1-9}乘{10-99}
clocks
    {1-24}点{10-59}到{1-24}点{10-59} {1-24}点{10-59}分 上午{1-12}点{10-59}出发 下午{1-12}点{半} {1-12}点{刻}
    {1-24}点{01-09}分 {1-12}点{10-59}分{10-59}秒 晚上{10-12}点开会 {10-59}分钟后 {10-23}小时{10-59}分
dates
    {y}年 {y}年{1-12}月 {y}年{1-12}月{1-31}号 {1-12}月{1-31}日 {y}年{1-12}月{1-31}号上午{1-12}点{半}
    {1-12}月{1-31}号到{1-12}月{1-31}号 {y}到{y}年 公元{100-999}年 {y}届毕业生 {10-31}号早上
routes, places, things with a number
    坐{10-999}路公交 坐{10-99}路车到{10-99}号楼 住在{10-99}层{#3}房间 {#4}室 航班{#4} {#3}国道 {10-99}号线
    下一站{10-99}中学 尾号{#4} 邮编{#6} 验证码是{#6} A{10-99}出口
telephone numbers
    我的电话是{p} 电话{p}，分机{#4} 打{#5}客服 座机是{#8}
decimals, parts, percent
    长{.}米 重{.}公斤 {.}倍 涨了{%} 下降了{%}个点 占{/} 还有{/}没完成 {.}千米 圆周率约{.} {100%}确定
money
    {10-999}块钱 {10-99}块{1-9} {1-9}块{1-9}毛 {1000-9999}元{1-9}角 {100-9999}美元 便宜了{10-99}块
neighbours, and what is vague
    {++} 我数{+++} 翻到{++}页 {~}岁 {~}个人 等了{~}天 大概{~}块 {~}万 百分之{~} {~}年级 {^}块 卖{^} {loose}元
side by side in one sentence
    {10-99}个班{100-999}人 {y}年有{10-99}人，{y}年有{100-999}人 {1-12}月{1-31}号{10-99}人 {10-99}岁的人有{%}
"""
TEMPLATES = tuple(" ".join(line for line in TEXT.splitlines() if line.startswith(" ")).split())


@dataclass(frozen=True)
class Sentence:
    template: str
    parts: tuple[str | Slot, ...]

    @property
    def spoken(self) -> str:
        return "".join(part if isinstance(part, str) else part.said for part in self.parts)

    @property
    def slots(self) -> list[Slot]:
        return [part for part in self.parts if isinstance(part, Slot)]

    @property
    def plain(self) -> int:
        return sum(slot.plain for slot in self.slots)

    def in_digits(self, text: str) -> int | None:
        """How many of the plain numbers ``text`` has in digits. None if it has anything that was not said."""
        match = re.fullmatch("".join(_accepted(part) for part in self.parts), text, re.ASCII)
        if match is None:
            return None
        return sum(slot.plain and group != slot.said for slot, group in zip(self.slots, match.groups()))

    def in_any_style(self, text: str) -> int | None:
        """The same for writers of 36kg, 2026/03/05 and 8:30a.m.: only the digits are looked at."""
        ways: dict[tuple[str, ...], int] = {(): 0}
        for slot in self.slots:
            longer = dict(ways)
            for way, count in ways.items():
                longer.update({way + _digits(written): count + slot.plain for written in slot.written})
            ways = longer
        return ways.get(_digits(text))


def _digits(text: str) -> tuple[str, ...]:
    return tuple(digits.lstrip("0") or "0" for digits in re.findall(r"\d+(?:\.\d+)?", text, re.ASCII))


def _accepted(part: str | Slot) -> str:
    if isinstance(part, Slot):
        return "(" + "|".join(re.escape(text) for text in (part.said, *part.written)) + ")"
    return {"比": "[比:]", "加": "[加+]", "减": "[减-]", "乘": "[乘×]"}.get(part) or re.escape(part)


def read_aloud(text: str) -> str:
    """A regular expression for all that ``text`` may be said as, made without the product's own reader."""

    def amount(digits: str) -> str:
        said = [speak(int(digits), "[二两]").replace("一十", "一?十")] if len(digits) <= 12 else []
        return "(?:" + "|".join([*said, *(["[二两]"] if digits == "2" else [])]) + ")"

    def number(match: re.Match[str]) -> str:
        if match["under"]:
            return f"{amount(match['under'])}分之{amount(match['over'])}"
        percent = "百分之" if match["percent"] else ""
        if match["point"]:
            return percent + amount(match["whole"]) + "点" + one_by_one(match["point"], "[一幺]")
        whole = match["whole"]
        ways = [
            amount(whole),
            one_by_one(whole, "[一幺]").replace("零", "[零〇]"),
            whole,
        ]  # or it had been digits before
        return f"{percent}(?:{'|'.join(ways + ['百'] * (whole == '100'))})"

    digits = r"(?P<over>\d+)/(?P<under>\d+)|(?P<whole>\d+)(?:\.(?P<point>\d+))?(?P<percent>%)?|(?P<other>.)"
    symbols = {":": "比", "+": "加", "-": "减", "×": "乘以?", "=": "等于"}
    return re.sub(
        digits,
        lambda match: symbols.get(match["other"], re.escape(match["other"])) if match["other"] else number(match),
        text,
        flags=re.ASCII | re.DOTALL,
    )


def fill(template: str, dice: random.Random) -> Sentence:
    parts: list[str | Slot] = []
    for text, slot in re.findall(r"([^{]*)(?:\{([^}]*)\})?", template):
        parts += [text] if text else []
        if slot in KINDS:
            parts.append(KINDS[slot](dice))
        elif slot.startswith("#"):
            parts.append(string(dice, int(slot[1:])))
        elif slot:
            low, high = slot.split("-")
            parts.append(value(dice, int(low), int(high)))
    return Sentence(template, tuple(parts))


def sentences(count: int, seed: int) -> Iterator[Sentence]:
    """``count`` of each template, the same ones for a ``seed``."""
    for template in TEMPLATES:
        dice = random.Random(f"{seed} {template}")
        for _ in range(count):
            yield fill(template, dice)


WRITERS: dict[str, Callable[[], Callable[[str], str]]] = {
    "product": lambda: importlib.import_module("common.finals.numbers").load_itn(),
    "wetext": lambda: importlib.import_module("wetext").Normalizer(lang="zh", operator="itn").normalize,
    "WeTextProcessing": lambda: importlib.import_module("itn.chinese.inverse_normalizer").InverseNormalizer().normalize,
    "cn2an": lambda: lambda text: importlib.import_module("cn2an").transform(text, "cn2an"),
    "chinese2digits": lambda: (
        lambda text: importlib.import_module("chinese2digits").takeNumberFromString(text)["replacedText"]
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--count", type=int, default=100, help="sentences of each template")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--by", choices=sorted(WRITERS), default="product")
    options = parser.parse_args(arguments)
    write = WRITERS[options.by]()
    total = plain = 0
    wrong = {"to the character": 0, "in any style": 0}
    turned = dict(wrong)
    for sentence in sentences(options.count, options.seed):
        try:
            text = write(sentence.spoken)
        except Exception:
            text = sentence.spoken  # chinese2digits raises for some
        total += 1
        plain += sentence.plain
        for style, count in (
            ("to the character", sentence.in_digits(text)),
            ("in any style", sentence.in_any_style(text)),
        ):
            wrong[style] += count is None
            turned[style] += count or 0
    print(f"{options.by}: {total} sentences of {len(TEMPLATES)} templates")
    for style in wrong:
        right = 100 * (1 - wrong[style] / total)
        print(f"{style}: {right:.2f} % right or left, {100 * turned[style] / plain:.1f} % of plain numbers in digits")


if __name__ == "__main__":
    main()
