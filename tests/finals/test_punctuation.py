"""Whose characters and whose marks: only the marks of the model's answer reach a final."""

from __future__ import annotations

import pytest

from common.finals.punctuation import with_marks


@pytest.mark.parametrize(
    ("text", "marked", "expected"),
    [
        ("你好世界", "你好，世界。", "你好，世界"),
        ("你好吗", "你好吗？", "你好吗？"),
        ("你好吗世界", "你好吗？世界。", "你好吗？世界"),
        ("你好", "你好", "你好"),
        ("你好", "你好，", "你好"),
        ("苹果梨子香蕉", "苹果、梨子、香蕉。", "苹果、梨子、香蕉"),
        ("你好。世界", "你好。世界。", "你好。世界"),  # a mark of our own is a character like any other
        ("API好用", "Api好用。", "API好用"),
        ("打开USB谢谢", "打开 usb,谢谢。", "打开USB，谢谢"),
        ("我说hello world再见", "我说 hello, world 再见。", "我说hello，world再见"),
        ("hello world", "Hello, world.", "hello, world"),
        ("how are you", "How are you?", "how are you?"),
        ("it's ok", "It's ok.", "it's ok"),
        ("hello", " Hello.", "hello"),
        ("你 好", "你好。", "你 好"),
        ("你好", "，你好。", "你好"),
        ("你好世界", "你好，。世界。", "你好，世界"),
        ("", "", ""),
    ],
)
def test_only_the_marks_are_taken(text: str, marked: str, expected: str) -> None:
    assert with_marks(text, marked) == expected


@pytest.mark.parametrize("marked", ["你好。", "你号世界。", "", "世界，你好。"])
def test_an_answer_about_another_text_is_an_error(marked: str) -> None:
    with pytest.raises(ValueError, match="ct-punc wrote"):
        with_marks("你好世界", marked)
