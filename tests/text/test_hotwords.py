"""Hotwords: reading the list, spelling the words, and finding them in the posteriors."""

from __future__ import annotations

import functools
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.errors import FatalError
from common.settings.files import read_hotwords
from common.settings.hotword_list import MAX_FILE_BYTES, MAX_LENGTH, MAX_WORDS, Hotword, parse_hotwords
from common.text.hotword_rescoring import FLOOR, rescore, settle
from common.text.hotword_sound import sounds_of_word
from common.text.hotword_spelling import BOOST, LeftOut, Lexicon, latin_words

TOKENS = ["<blank>", "<s>", "</s>", *"王伟炜张静敬竟说目的墓地第弟银行人北京大学背景一在们好经", *"ustvb"]
TOKENS += ["blue@@", "too@@", "th", "py@@", "thon", "good", "i@@", "phone", "<unk>"]
IDS = {token: index for index, token in enumerate(TOKENS)}
UNLIKELY = -11.0


@functools.lru_cache(maxsize=None)
def lexicon_of(words: str) -> Lexicon:
    return Lexicon.build(parse_hotwords("--hotwords", words.split()), TOKENS)


def posteriors(heard: str, likely: dict[int, dict[str, float]] | None = None) -> tuple[list[int], np.ndarray]:
    """The ids of ``heard`` (tokens between blanks, or one a character) and a row for each: it is nearly certain,
    everything else unlikely but for what ``likely`` says of a position: {token: log-posterior}."""
    tokens = [IDS[token] for token in (heard.split() if " " in heard else heard)]
    rows = np.full((len(tokens), len(TOKENS)), UNLIKELY, dtype=np.float32)
    rows[np.arange(len(tokens)), tokens] = -0.01
    for position, others in (likely or {}).items():
        for token, log_posterior in others.items():
            rows[position, IDS[token]] = log_posterior
    return tokens, rows


def text(tokens: tuple[int, ...]) -> str:
    return "".join(TOKENS[token] for token in tokens)


def written(heard: str, words: str, likely: dict[int, dict[str, float]] | None = None, first: int = 0) -> str:
    return text(rescore(*posteriors(heard, likely), lexicon_of(words), first))


def waiting(heard: str, words: str, likely: dict[int, dict[str, float]] | None = None, first: int = 0) -> str:
    tokens, rows = posteriors(heard, likely)
    return heard[len(settle(tokens[:first], tokens, rows, lexicon_of(words))) :]


class TestReading:
    def test_words_between_blanks(self) -> None:
        assert parse_hotwords("--hotwords", " 王炜  张敬 ") == (Hotword("王炜"), Hotword("张敬"))

    @pytest.mark.parametrize("line", ["王炜,张敬", "王炜，张敬", "王炜、张敬", "王炜;张敬；", "，王炜 ， 张敬、"])
    def test_commas_part_words_as_blanks_do(self, line: str) -> None:
        assert parse_hotwords("--hotwords", line) == (Hotword("王炜"), Hotword("张敬"))

    def test_a_file_has_a_word_a_line_with_weights_comments_and_a_byte_order_mark(self, tmp_path: Path) -> None:
        file = tmp_path / "words.txt"
        content = "\ufeff王炜\r\n\n# names\n阿里巴巴 20\nhello world 40  # a phrase\n  C# 5\nＰｙｔｈｏｎ\n王炜 30\n"
        file.write_bytes(content.encode("utf-8"))
        assert read_hotwords("--hotwords", f"@{file}") == (
            Hotword("王炜", 30),
            Hotword("阿里巴巴", 20),
            Hotword("hello world", 40),
            Hotword("C#", 5),
            Hotword("Python"),
        )

    def test_what_is_no_file_name_is_left_to_the_check(self) -> None:
        assert read_hotwords("--hotwords", "王炜 张敬") == "王炜 张敬"
        assert read_hotwords("hotwords", ()) == ()

    @pytest.mark.parametrize("name", ["no/such/file", "no\0such"])
    def test_a_file_that_cannot_be_opened_is_named(self, name: str) -> None:
        with pytest.raises(FatalError) as refused:
            read_hotwords("--hotwords", f"@{name}")
        assert refused.value.error_code == "config_invalid"
        assert f"--hotwords @{name}: " in str(refused.value)

    def test_a_list_of_words_as_in_CONFIG_and_in_a_command(self) -> None:
        assert parse_hotwords("hotwords", ["王炜", "张敬 30"]) == (Hotword("王炜"), Hotword("张敬", 30))
        assert parse_hotwords("hotwords", ()) == ()

    def test_what_was_read_can_be_read_again(self) -> None:
        once = parse_hotwords("hotwords", ["王炜", "张敬 30"])
        assert parse_hotwords("hotwords", once) == once

    def test_an_entry_of_a_list_is_never_a_file(self, tmp_path: Path) -> None:
        (tmp_path / "words").write_text("王炜", encoding="utf-8")
        assert parse_hotwords("hotwords", [f"@{tmp_path / 'w'}"[:MAX_LENGTH]])[0].text.startswith("@")

    @pytest.mark.parametrize(
        ("value", "said"),
        [
            ("王炜 20", "20 is no word; weights are written in a file"),
            ("王炜，20", "20 is no word; weights are written in a file"),
            ("，、;", "--hotwords has no word in it"),
            (7, 'must be "WORD WORD", "@FILE" or a list of words, not 7'),
            ([7], "entry 1: 7 is no string"),
            (["王炜", ""], "entry 2: '' is no word"),
            (["，。"], "is no word"),
            (["王\x00炜"], "is no word"),
            (["王炜 101"], "a weight goes from 1 to 100, not 101"),
            (["王炜 0"], "a weight goes from 1 to 100, not 0"),
            (["王炜 -3"], "a weight goes from 1 to 100, not -3"),
            (["王" * (MAX_LENGTH + 1)], f"at most {MAX_LENGTH} characters"),
            ([f"a{number}" for number in range(MAX_WORDS + 1)], f"more than {MAX_WORDS} hotwords"),
        ],
    )
    def test_what_cannot_be_used_is_refused_with_one_line(self, value: Any, said: str) -> None:
        with pytest.raises(FatalError) as refused:
            parse_hotwords("--hotwords", value)
        assert refused.value.error_code == "config_invalid"
        assert said in str(refused.value) and "\n" not in str(refused.value)

    @pytest.mark.parametrize(
        ("content", "said"),
        [
            ("王炜\n张敬\n".encode("gbk"), "line 1: not UTF-8"),
            ("王炜\n".encode() + b"\xff\xfe\n", "line 2: not UTF-8 (byte 0xff); save the file as UTF-8"),
            ("王炜\n张敬 1000\n".encode(), "line 2: a weight goes from 1 to 100"),
            (b"a" * (MAX_FILE_BYTES + 1), "larger than 2 MB"),
        ],
    )
    def test_a_bad_file_is_refused_with_its_name_and_line(self, tmp_path: Path, content: bytes, said: str) -> None:
        file = tmp_path / "words.txt"
        file.write_bytes(content)
        with pytest.raises(FatalError) as refused:
            read_hotwords("--hotwords", f"@{file}")
        assert str(file) in str(refused.value) and said in str(refused.value)


class TestSpelling:
    @pytest.mark.parametrize(
        ("word", "spelled"),
        [
            ("王炜", "王 炜"),
            ("bluetooth", "blue@@ too@@ th"),
            ("Python", "py@@ thon"),
            ("USB", "u s b"),
            ("北京bluetooth", "北 京 blue@@ too@@ th"),
            ("good iphone", "good i@@ phone"),
            ("张T", "张 t"),
        ],
    )
    def test_a_word_is_spelled_in_the_tokens_of_the_model(self, word: str, spelled: str) -> None:
        lexicon = Lexicon.build([Hotword(word)], TOKENS)
        columns = lexicon.words[0, : lexicon.lengths[0]]
        assert [TOKENS[lexicon.tokens[column]] for column in columns] == spelled.split()

    def test_the_spelling_of_the_model_itself_comes_first(self) -> None:
        lexicon = Lexicon.build([Hotword("bluetooth")], TOKENS, seg_dict={"bluetooth": ["blue@@", "thon"]})
        assert [TOKENS[lexicon.tokens[column]] for column in lexicon.words[0]] == ["blue@@", "thon"]

    def test_a_spelling_that_is_not_in_the_model_s_tokens_is_not_used(self) -> None:
        lexicon = Lexicon.build([Hotword("python")], TOKENS, seg_dict={"python": ["p@@", "ython"]})
        assert [TOKENS[lexicon.tokens[column]] for column in lexicon.words[0]] == ["py@@", "thon"]

    def test_latin_words_are_those_that_the_model_may_spell_its_own_way(self) -> None:
        texts = ["Python", "USB", "王炜", "good iPhone", "北京bluetooth", "it's", "C#", "I"]
        assert latin_words(map(Hotword, texts)) == {"python", "good", "iphone", "bluetooth", "it's"}

    @pytest.mark.parametrize(
        ("word", "why"),
        [
            ("赵炜", "the model cannot write 赵"),
            ("王炜7", "the model cannot write 7"),
            ("google", "the model has no pieces for google; write it in capitals if it is said by letters"),
            ("ZZ", "the model cannot write z"),
            ("王", "a single character would be found everywhere"),
        ],
    )
    def test_a_word_that_cannot_be_used_is_left_out_and_named(self, word: str, why: str) -> None:
        lexicon = lexicon_of(f"{word} 张敬")
        assert lexicon.left_out == (LeftOut(word, why),)
        assert len(lexicon) == 1

    def test_the_weight_scales_the_boost_and_20_is_the_default(self) -> None:
        lexicon = Lexicon.build([Hotword("王炜"), Hotword("张敬", 40)], TOKENS)
        assert lexicon.boosts.tolist() == [2 * BOOST, 4 * BOOST]


class TestRescoring:
    def test_without_a_lexicon_nothing_changes(self) -> None:
        tokens, rows = posteriors("王伟说")
        assert rescore(tokens, rows, None) == rescore(tokens, rows, lexicon_of("")) == tuple(tokens)
        assert settle((), tokens, rows, None) == settle((), tokens, rows, lexicon_of("")) == tuple(tokens)

    def test_an_empty_utterance_stays_empty(self) -> None:
        assert rescore([], np.zeros((0, len(TOKENS)), np.float32), lexicon_of("王炜")) == ()
        assert settle((), [], np.zeros((0, len(TOKENS)), np.float32), lexicon_of("王炜")) == ()

    def test_a_homophone_is_rewritten_however_unlikely_the_model_finds_it(self) -> None:
        assert written("张静说王伟好", "王炜 张敬") == "张敬说王炜好"
        assert written("目的", "墓地") == "墓地"

    def test_a_character_of_two_readings_sounds_as_the_word_reads_it(self) -> None:
        assert lexicon_of("银行").sounds.tolist() == sorted(lexicon_of("银行").sounds.tolist())
        assert written("人行", "银行") == "人行"  # rén is no yín

    def test_a_stranger_needs_the_model_behind_it(self) -> None:
        assert written("张们", "张敬") == "张们"
        assert written("张们", "张敬", {1: {"敬": -2.5}}) == "张敬"
        assert written("张们", "张敬", {1: {"敬": -FLOOR - 1}}) == "张们"

    def test_another_tone_is_not_enough_for_a_word_of_two(self) -> None:
        assert written("张静", "张京") == "张静"
        assert written("张静", "张京", {1: {"京": -4.0}}) == "张京"

    def test_two_strangers_are_no_word_of_two(self) -> None:
        assert written("说们", "张敬", {0: {"张": -0.5}, 1: {"敬": -0.5}}) == "说们"

    @pytest.mark.parametrize("word", ["北京大学", "人北京大学"])
    def test_a_long_word_does_not_override_one_character_that_was_heard_clearly(self, word: str) -> None:
        heard = word.replace("大", "第")
        at = heard.index("第")
        assert written(heard, word, {at: {"大": -3.5}}) == heard  # not far off, and still clearly another
        assert written(heard, word, {at: {"大": -2.5}}) == word  # it may have been this one

    def test_a_long_word_does_not_override_another_tone_that_was_heard_clearly(self) -> None:
        assert written("北经大学", "北京大学") == "北京大学"  # the same tone
        assert written("背京大学", "北京大学", {0: {"北": -8.0}}) == "背京大学"
        assert written("背京大学", "北京大学", {0: {"北": -4.0}}) == "北京大学"

    def test_a_weight_above_the_ordinary_overrides_more(self) -> None:
        tokens, rows = posteriors("北京第学", {2: {"大": -5.0}})
        for weight, found in ((20, "北京第学"), (40, "北京大学")):
            assert text(rescore(tokens, rows, Lexicon.build([Hotword("北京大学", weight)], TOKENS))) == found

    def test_several_homophones_are_rewritten_in_a_long_word(self) -> None:
        assert written("王伟张静", "王炜张敬") == "王炜张敬"

    def test_no_weight_lifts_a_word_over_the_floor(self) -> None:
        tokens, rows = posteriors("张们", {1: {"敬": -FLOOR - 1}})
        assert text(rescore(tokens, rows, Lexicon.build([Hotword("张敬", 100)], TOKENS))) == "张们"

    def test_among_hotwords_that_sound_alike_the_model_chooses(self) -> None:
        assert written("张竟", "张静 张敬", {1: {"静": -9.0, "敬": -8.0}}) == "张敬"
        assert written("张竟", "张静 张敬", {1: {"静": -8.0, "敬": -9.0}}) == "张静"
        assert written("张静", "张静 张敬") == "张静"

    def test_of_overlapping_words_the_greater_gain_wins(self) -> None:
        assert written("背景大学", "北京 北京大学", {0: {"北": -2.0}, 1: {"京": -2.0}}) == "北京大学"
        assert written("背景一", "北京 北京大学", {0: {"北": -2.0}, 1: {"京": -2.0}}) == "北京一"

    def test_a_latin_word_is_found_by_its_posteriors(self) -> None:
        assert written("u s t", "USB", {2: {"b": -1.0}}) == "usb"
        assert written("blue@@ thon", "good", {1: {"good": -0.5}}) == "blue@@thon"  # a piece stays with its word

    def test_printed_tokens_stay(self) -> None:
        assert written("张静说", "张敬", first=2) == "张静说"
        assert written("目的", "墓地", first=1) == "目的"

    def test_a_word_may_begin_in_what_is_printed_if_it_says_the_same(self) -> None:
        assert written("张静说", "张敬", first=1) == "张敬说"


class TestHoldingBack:
    def test_a_token_that_an_unfinished_hotword_would_rewrite_waits(self) -> None:
        assert waiting("好目", "墓地") == "目"
        assert waiting("好目的", "墓地") == ""

    def test_a_token_that_the_hotword_would_leave_does_not_wait(self) -> None:
        assert waiting("好张", "张敬") == ""

    def test_a_token_that_sounds_otherwise_does_not_wait(self) -> None:
        assert waiting("好们", "墓地") == ""

    def test_a_hotword_waits_for_a_longer_one_that_may_take_its_place(self) -> None:
        assert waiting("墓弟", "墓地 的们好") == ""
        assert waiting("墓弟", "墓地 弟们好") == "弟"
        assert waiting("目弟", "墓地 弟们好") == "目弟"

    def test_printed_tokens_do_not_wait(self) -> None:
        assert waiting("好目", "墓地", first=2) == ""

    def test_what_waited_is_settled_with_the_word_or_without_it(self) -> None:
        lexicon = lexicon_of("墓地")
        tokens, rows = posteriors("好目的们")
        assert text(settle((), tokens[:2], rows[:2], lexicon)) == "好"
        assert text(settle(tokens[:1], tokens[:3], rows[:3], lexicon)) == "好墓地"
        tokens, rows = posteriors("好目们")
        assert text(settle(tokens[:1], tokens, rows, lexicon)) == "好目们"


WORDS = ["张敬", "王炜", "墓地", "弟弟们", "北京大学", "北京", "京大", "大学好", "USB", "bluetooth", "地第一", "一张静"]
words = st.lists(st.sampled_from(WORDS), max_size=8, unique=True)
heard_tokens = st.lists(st.integers(min_value=3, max_value=len(TOKENS) - 1), max_size=14)


def random_rows(tokens: list[int], seed: int) -> np.ndarray:
    """Log-posteriors of which ``tokens`` are the best, some others close behind."""
    rng = np.random.default_rng(seed)
    rows = rng.choice([-3.0, -6.0, -9.0, -12.0], p=[0.05, 0.1, 0.25, 0.6], size=(len(tokens), len(TOKENS)))
    rows += rng.uniform(-0.5, 0.5, rows.shape)
    rows[np.arange(len(tokens)), tokens] = -0.1
    return rows.astype(np.float32)


@given(words, heard_tokens, st.integers(0, 99), st.data())
def test_rescoring_is_never_longer_or_shorter_and_never_touches_what_is_printed(
    chosen: list[str], tokens: list[int], seed: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, len(tokens)))
    found = rescore(tokens, random_rows(tokens, seed), lexicon_of(" ".join(chosen)), first)
    assert len(found) == len(tokens)
    assert list(found[:first]) == tokens[:first]


@given(words, heard_tokens, st.integers(0, 99))
def test_what_changed_is_whole_hotwords_that_do_not_overlap(chosen: list[str], tokens: list[int], seed: int) -> None:
    lexicon = lexicon_of(" ".join(chosen))
    found = rescore(tokens, random_rows(tokens, seed), lexicon)
    spelled = {
        tuple(lexicon.tokens[lexicon.words[word, : lexicon.lengths[word]]].tolist()) for word in range(len(lexicon))
    }
    explained = [True]  # up to each position: the changes are a row of hotwords and of tokens as heard
    for end in range(1, len(tokens) + 1):
        as_heard = explained[end - 1] and found[end - 1] == tokens[end - 1]
        explained.append(
            as_heard or any(explained[end - len(word)] for word in spelled if found[:end][-len(word) :] == word)
        )
    assert explained[-1]


@given(words, heard_tokens, heard_tokens, st.integers(0, 99))
def test_no_later_token_changes_what_is_not_held_back(
    chosen: list[str], before: list[int], after: list[int], seed: int
) -> None:
    lexicon = lexicon_of(" ".join(chosen))
    rows = random_rows(before + after, seed)
    settled = len(settle((), before, rows[: len(before)], lexicon))
    now = rescore(before, rows[: len(before)], lexicon)
    later = rescore(before + after, rows, lexicon)
    assert later[:settled] == now[:settled]


@given(words, heard_tokens, st.integers(0, 99), st.data())
def test_settling_chunk_by_chunk_only_appends(
    chosen: list[str], tokens: list[int], seed: int, data: st.DataObject
) -> None:
    lexicon = lexicon_of(" ".join(chosen))
    rows = random_rows(tokens, seed)
    settled: tuple[int, ...] = ()
    for count in sorted(data.draw(st.lists(st.integers(0, len(tokens)), max_size=5))):
        before = settled
        settled = settle(before, tokens[:count], list(rows[:count]), lexicon)
        assert settled[: len(before)] == before
        assert len(settled) <= max(count, len(before))


def test_a_word_right_after_what_is_settled_is_found_however_much_that_is() -> None:
    for settled in ("", "一", "一在", "一在们好经一在们好经"):
        assert written(f"{settled}王伟说", "王炜", first=len(settled)) == f"{settled}王炜说"


def test_what_hotwords_need_and_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pypinyin", None)
    with pytest.raises(FatalError, match=r"pypinyin.*pip install -r requirements\.txt") as missing:
        sounds_of_word("银行")
    assert missing.value.error_code == "dependency_missing"
