"""Numbers in digits: what is written anew, what stays, and that wetext needs neither a network nor stdout."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from common.finals.numbers import InverseTextNormalizer, load_itn
from tests.audio import ROOT

pytestmark = pytest.mark.skipif(sys.version_info < (3, 9), reason="wetext needs Python 3.9")


@pytest.fixture(scope="module")
def itn() -> InverseTextNormalizer:
    return load_itn()


@pytest.mark.parametrize(
    ("spoken", "written"),
    [
        ("二零二六年三月五号", "2026年3月5号"),
        ("二零二六年三月五日，星期四", "2026年3月5日，星期四"),
        ("一九九八年十二月三十一日", "1998年12月31日"),
        ("二〇二六年", "2026年"),
        ("三月五号到三月七号", "3月5号到3月7号"),
        ("请在二零二六年三月五号八点半来", "请在2026年3月5号8点半来"),
        ("下午三点二十五分", "下午3点25分"),
        ("八点一刻", "8点1刻"),
        ("十二点零五分", "12点05分"),
        ("十点十分", "10点10分"),
        ("四十五分钟", "45分钟"),
        ("我的电话是一三八零零一三八零零零", "我的电话是13800138000"),
        ("幺幺零", "110"),
        ("一二三四五六七", "1234567"),
        ("房间号幺二零三", "房间号1203"),
        ("两千五百元五角", "2500元5角"),
        ("三块五毛钱", "3块5毛钱"),
        ("一千五百美元", "1500美元"),
        ("一千万美元", "1000万美元"),
        ("一亿两千万", "1亿2000万"),
        ("一万两千三百四十五点六", "12345.6"),
        ("三点五公斤", "3.5公斤"),
        ("一百公里每小时", "100公里每小时"),
        ("二十三到二十五度", "23到25度"),
        ("零下十五度", "零下15度"),
        ("百分之三点五", "3.5%"),
        ("四分之三", "3/4"),
        ("三比二", "3:2"),
        ("第三十五章", "第35章"),
        ("二十多个", "20多个"),
        ("二十五 二十六", "25 26"),
        ("windows 十一", "windows 11"),
        ("京A一二三四五", "京A12345"),
    ],
)
def test_numbers_are_written_in_digits(itn: InverseTextNormalizer, spoken: str, written: str) -> None:
    assert itn(spoken) == written


@pytest.mark.parametrize(
    "text",
    [
        "你好，世界？",
        "打开USB接口",
        "hello world",
        "it's fine, ok",
        "2026年3月5号",
        "一下",
        "一个人",
        "三个",
        "三四个",
        "三五成群",
        "十几个",
        "几十个",
        "十来个",
        "十分好",
        "十字路口",
        "一心一意",
        "七上八下",
        "万一",
        "千万不要",
        "星期四",
        "四川",
        "二维码",
        "百度",
        'he said "hi" \\ ok',
        "👋",
        " ",
        "",
    ],
)
def test_what_is_no_number_or_none_for_certain_stays(itn: InverseTextNormalizer, text: str) -> None:
    assert itn(text) == text


def test_quotes_and_blanks_around_a_number_stay(itn: InverseTextNormalizer) -> None:
    assert itn(' 他说"二十"\\👋 ') == ' 他说"20"\\👋 '


def test_a_grammar_that_leaves_something_out_is_an_error_and_no_shorter_text() -> None:
    class Deaf:
        def Normalizer(self, **_: Any) -> None: ...

        def tag(self, text: str, lang: str, operator: str) -> str:
            return 'char { value: "二" }'

    with pytest.raises(ValueError, match="wetext reads '二十'"):
        InverseTextNormalizer(Deaf())("二十")


def test_it_connects_to_nothing_and_prints_nothing() -> None:
    code = """
import socket
def refuse(*arguments): raise SystemExit("it connects")
socket.socket.connect = socket.getaddrinfo = refuse
from common.finals.numbers import load_itn
assert load_itn()("二十") == "20"
"""
    done = subprocess.run([sys.executable, "-c", code], cwd=str(ROOT), capture_output=True, check=False, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
