"""Text from tokens: FunASR's rules, over the whole utterance."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.text.tokens_to_words import join, render, settled, words


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        ("", ""),
        ("你 好 世 界", "你好世界"),
        ("hello world", "hello world"),
        ("播 放 hello music 吧", "播放hello music吧"),
        ("mon@@ day", "monday"),
        ("blue@@ too@@ th 开", "bluetooth开"),
        ("mon@@ 你", "mon你"),  # a Chinese character closes the word
        ("mon@@", "mon"),  # so does the end
        ("the day after", "the day after"),
        ("打 开 u s b", "打开USB"),
        ("u s b 口", "USB口"),
        ("a", "a"),
        ("维 生 素 c", "维生素c"),
        ("k t v hello", "KTV hello"),
        ("hello k t v", "hello KTV"),
        ("it 's fine", "it's fine"),
        ("i 'm here", "i'm here"),
        ("a b@@ c", "a bc"),  # a piece is no spelled letter
        ("<s> 你 <unk> 好 </s>", "你好"),
        ("<unk>", ""),
        ("mon@@ <unk> day", "monday"),
        ("@@ 你", "你"),
        ("5 g", "5 g"),
        ("i i i think", "i i i think"),  # a stutter is no abbreviation: I is a word
        ("我 i i", "我i i"),
        ("i i 'm here", "i i'm here"),
        ("a a a big house", "a a a big house"),
        ("b b b but why", "b b b but why"),
        ("t t tues@@ day", "t t tuesday"),
        ("w w w", "WWW"),
        ("a a 制", "AA制"),
        ("三 a", "三a"),
        ("a a a 级", "AAA级"),
        ("q q music", "QQ music"),
        ("c c t v channel", "CCTV channel"),
        ("i i t", "IIT"),
        ("i t i s", "ITIS"),
    ],
)
def test_render(tokens: str, text: str) -> None:
    assert render(tokens.split()) == text


def test_a_word_piece_before_it_is_whole_and_a_lone_letter_are_not_settled() -> None:
    def settled_text(tokens: str) -> str:
        return join(settled(words(tokens.split())))

    assert settled_text("你 mon@@") == "你"
    assert settled_text("你 mon@@ day") == "你monday"
    assert settled_text("你 k") == "你"
    assert settled_text("你 k 吧") == "你k吧"
    assert settled_text("你 k t") == "你KT"


def test_a_letter_said_again_and_again_is_not_settled_before_it_is_clear_whether_it_is_a_stutter() -> None:
    def settled_text(tokens: str) -> str:
        return join(settled(words(tokens.split())))

    for stutter in ("i i", "a a", "b b", "w w w"):
        assert settled_text(f"你 {stutter}") == "你"
    assert settled_text("你 b b but") == "你b b but"
    assert settled_text("你 b b b@@") == "你b b"
    assert settled_text("你 q q 好") == "你QQ好"
    assert settled_text("你 i i t") == "你IIT"


def test_each_letter_of_a_stutter_is_a_word_with_its_own_token() -> None:
    assert [(word.text, word.tokens) for word in words(["i", "i", "i", "think"])] == [
        ("i", (0,)),
        ("i", (1,)),
        ("i", (2,)),
        ("think", (3,)),
    ]


def test_every_token_that_is_no_special_belongs_to_one_word() -> None:
    tokens = ["<s>", "你", "mon@@", "day", "u", "s", "b", "<unk>", "好"]
    assert [index for word in words(tokens) for index in word.tokens] == [1, 2, 3, 4, 5, 6, 8]


token = st.sampled_from(
    ["你", "好", "mon@@", "day", "u", "s", "b", "i", "'s", "hello", "th@@", "b@@", "but", "<unk>", "a", "5", "@@", "'"]
)


@given(st.lists(token, max_size=14), st.lists(token, max_size=6))
def test_settled_text_is_a_prefix_of_whatever_follows(before: list[str], after: list[str]) -> None:
    text = join(settled(words(before)))
    assert render(before).startswith(text)
    assert join(settled(words(before + after))).startswith(text)
    assert render(before + after).startswith(text)
