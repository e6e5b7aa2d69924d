"""Hotwords on the demo model: those it mishears are found, and nothing is found where none was said.

It was trained to hear a rare word in one of twenty places where its commoner homophone stands (HOMOPHONES in
tools/train/lexicon.py), so that it writes the commoner one: what a large model does with the names a user knows.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Callable, Iterator

import numpy as np
import pytest

from common.engines.seam import Engine
from common.settings.hotword_list import parse_hotwords
from common.settings.services import ModelConfig, SliceConfig, StreamingConfig
from common.text.hotword_rescoring import rescore, settle
from common.text.hotword_spelling import Lexicon
from common.text.tokens_to_words import render
from tests.accuracy.through import recognise
from tests.audio import DEMO_SPEECH, read
from tools.train.grammar import Sentence, sentences
from tools.train.lexicon import HOMOPHONES, words
from tools.train.speak import TRAINING_VOICES, available, in_room, random_manner, speak

pytestmark = pytest.mark.skipif(not available(), reason="espeak-ng is not installed: apt-get install espeak-ng")

PAIRS = HOMOPHONES[:20] + HOMOPHONES[30:]  # names and nouns
COMMON = tuple(common for common, _ in PAIRS)
HOTWORDS = tuple(rare for _, rare in PAIRS)
OTHERS = (  # names, places and nouns, some close to words of the grammar: 体形/提醒, 一元/医院, 中药/重要
    *words(
        """王静 张伟 刘洁 周明 吴芳 孙杰 胡杰 林静 何洁 郭强 罗伟 谢娜 唐宇 许强 董明 黄明 沈阳
    王明明 李子林 陈伟明 周红雨 马天宇 李雨晨 孙红雷 张明宇 何家明 郭小明 徐小平 梁家辉 王子文
    海南 台北 海口 安庆 信阳 福安 大理 丽水 台州 温州 南通 平安 西安路 南京路 海洋馆 水上公园 北海
    体形 一元 世间 小喜 中药 天机 时机 关心 开机 放心 会面 电子 期末 家长 机长 生日会 天文馆 电子表
    广场 红豆 北方 水表 火星"""
    ),
)
CHUNK = (5, 10, 5)
DIGITS = "一二三四五六七八九十"
DATE = re.compile(f"[{DIGITS}]+月[{DIGITS}]+号")
SENTENCES = 150


@dataclass(frozen=True)
class Decoded:
    """A sentence as it was decoded: a row of log-posteriors for each token, and how many were committed
    after each chunk."""

    text: str
    tokens: tuple[int, ...]
    rows: np.ndarray
    counts: tuple[int, ...]


class Recorder:
    """The demo engine, a sentence at a time."""

    def __init__(self, engine: Engine) -> None:
        self.token_list = engine.token_list
        self._engine = engine

    def __call__(self, text: str, samples: np.ndarray) -> Decoded:
        session, counts = self._engine.session(), []
        for start in range(0, len(samples), 9600):
            hypothesis = session.accept(samples[start : start + 9600])
            counts += [len(hypothesis.tokens)] if hypothesis else []
        hypothesis = session.finish()
        rows = np.array(hypothesis.log_posteriors).reshape(-1, len(self.token_list))
        return Decoded(text, hypothesis.tokens, rows, tuple(counts))


def decoded(recorder: Recorder, chosen: list[Sentence]) -> Iterator[Decoded]:
    for index, sentence in enumerate(chosen):
        voice = TRAINING_VOICES[index % len(TRAINING_VOICES)]
        speech = speak(sentence, voice, random_manner(index), peak=0.4)
        yield recorder(sentence.text, in_room(speech, 0.6, 1.2, 40, "room", seed=index))


def append_only(found: Decoded, lexicon: Lexicon) -> tuple[tuple[int, ...], int]:
    """The tokens as a service prints them that never takes any back, and how many waited for a later chunk."""
    settled: tuple[int, ...] = ()
    waited = 0
    for count in found.counts:
        settled = settle(settled, found.tokens[:count], found.rows[:count], lexicon)
        waited += count - len(settled)
    heard = settled + found.tokens[len(settled) :]
    return rescore(heard, found.rows, lexicon, len(settled)), waited


@pytest.fixture(scope="module")
def recorder(demo_engine: Callable[[ModelConfig], Engine]) -> Recorder:
    return Recorder(demo_engine(StreamingConfig(chunk_size=CHUNK)))


def lexicon_of(recorder: Recorder, words: tuple[str, ...]) -> Lexicon:
    lexicon = Lexicon.build(parse_hotwords("hotwords", words), recorder.token_list)
    assert not lexicon.left_out
    return lexicon


@pytest.mark.parametrize("kind", [SliceConfig, StreamingConfig])
@pytest.mark.parametrize(
    ("recording", "hotword", "heard"),
    [
        ("single03", "", "沈冰说路上堵车"),  # the example of the manual
        ("single03", "沈兵", "沈兵说路上堵车"),
        ("single01", "四月十号", "四月四号是星期几"),  # what was heard clearly stays
        ("single01", "四月四日", "四月四号是星期几"),
        ("single01", "四月七号", "四月四号是星期几"),
    ],
)
def test_a_hotword_of_ordinary_weight_is_found_and_overrides_nothing_that_was_heard_clearly(
    demo_engine: Callable[[ModelConfig], Engine], kind: Any, recording: str, hotword: str, heard: str
) -> None:
    config = kind(device="cpu", hotwords=parse_hotwords("hotwords", hotword))
    assert recognise(demo_engine(config), read(DEMO_SPEECH / f"{recording}.wav"), config) == [heard]


@pytest.mark.full
def test_hotwords_that_the_model_writes_as_a_commoner_homophone_are_found(recorder: Recorder) -> None:
    token_list, lexicon = recorder.token_list, lexicon_of(recorder, HOTWORDS)
    chosen = [each for each in sentences("homophones", 2 * SENTENCES, seed=7) if any(w in each.text for w in HOTWORDS)]
    said = plain = boosted = printed = 0
    missed = []
    for found in decoded(recorder, chosen[:SENTENCES]):
        before = render([token_list[token] for token in found.tokens])
        after = render([token_list[token] for token in rescore(found.tokens, found.rows, lexicon)])
        as_printed = render([token_list[token] for token in append_only(found, lexicon)[0]])
        for word in HOTWORDS:
            said += found.text.count(word)
            plain += min(found.text.count(word), before.count(word))
            boosted += min(found.text.count(word), after.count(word))
            printed += min(found.text.count(word), as_printed.count(word))
            if after.count(word) < found.text.count(word):
                missed.append(f"{word}: {found.text} → {before} → {after}")
    print(f"\nof {said} hotwords: {plain} found without, {boosted} with the list; {printed} in append-only text")
    print("\n".join(missed))
    assert plain <= 0.2 * said and boosted >= 0.8 * said and printed >= 0.8 * said


@pytest.mark.full
def test_sentences_without_a_hotword_stay_as_they_are(recorder: Recorder) -> None:
    """Of the sentences that contain none, nor a word that sounds exactly like one."""
    token_list, lexicon = recorder.token_list, lexicon_of(recorder, HOTWORDS + OTHERS)
    assert len(lexicon) == 100
    chosen = [
        each
        for each in sentences("test", 3 * SENTENCES, seed=7)
        if not any(word in each.text for word in HOTWORDS + OTHERS + COMMON)
    ][: 2 * SENTENCES]
    sentences_changed, tokens, waited = [], 0, 0
    for found in decoded(recorder, chosen):
        after = rescore(found.tokens, found.rows, lexicon)
        printed, waiting = append_only(found, lexicon)
        assert printed == after
        tokens += len(found.tokens)
        waited += waiting
        if after != found.tokens:
            texts = [render([token_list[token] for token in each]) for each in (found.tokens, after)]
            sentences_changed.append(f"{found.text}: {texts[0]} → {texts[1]}")
    print(f"\n{len(sentences_changed)} of {len(chosen)} sentences changed; {waited} of {tokens} tokens waited a chunk")
    assert len(sentences_changed) <= 0.01 * len(chosen), "\n".join(sentences_changed)


@pytest.mark.full
def test_a_date_that_was_heard_is_not_overridden_by_another_that_is_listed(recorder: Recorder) -> None:
    """One digit of the date is another in the hotword; ordinary weight."""
    token_list = recorder.token_list
    chosen = [each for each in sentences("test", 10 * SENTENCES, seed=11) if DATE.search(each.text)]
    tried, overridden = 0, []
    for found in decoded(recorder, chosen[:60]):
        text = render([token_list[token] for token in found.tokens])
        date = DATE.search(text)
        if date is None or date.group() not in found.text:
            continue
        for place, said in enumerate(date.group()):
            for digit in DIGITS if said in DIGITS else "":
                word = date.group()[:place] + digit + date.group()[place + 1 :]
                after = rescore(found.tokens, found.rows, lexicon_of(recorder, (word,)))
                tried += digit != said
                if after != found.tokens:
                    overridden.append(f"{text}: {word}")
    print(f"\n{len(overridden)} of {tried} listed dates override another that was heard")
    assert tried > 500 and len(overridden) <= 0.01 * tried, "\n".join(overridden)
