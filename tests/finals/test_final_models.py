"""The models behind a final, through the code that loads the real ones: FunASR's classes, tiny, with random weights."""

from __future__ import annotations

import logging
import math
import random
import socket
import sys
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch
import yaml

from common.engines import hub as hubs
from common.engines.funasr.build import import_automodel
from common.engines.model_folder import read_folder
from common.errors import FatalError
from common.finals.load import load_finals
from common.finals.numbers import load_itn
from common.finals.punctuation import MARKS, PUNCTUATION, Punctuation, load_punctuation, with_marks
from common.finals.second_pass import SECOND_PASS, SecondPass, hotword_string, load_second_pass
from common.settings.flags import DEMO_MODEL
from common.settings.hotword_list import Hotword
from common.settings.services import StreamingConfig
from common.text.tokens_to_words import render
from common.wire.events import Final
from tests.engines.small_models import SPOKEN, make_punctuation, make_second_pass

CONFIG = StreamingConfig(device="cpu", threads=1)
HAS_WETEXT = sys.version_info >= (3, 9)


def loaded_punctuation(folder: Path) -> Punctuation:
    return load_punctuation(read_folder(folder, PUNCTUATION["ct-punc"]), CONFIG, "cpu")


@pytest.fixture(scope="module")
def punctuation_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_punctuation(tmp_path_factory.mktemp("models") / "ct-punc")


@pytest.fixture(scope="module")
def punctuation(punctuation_folder: Path) -> Punctuation:
    return loaded_punctuation(punctuation_folder)


def texts(count: int) -> list[str]:
    """Chinese with Latin words in it, up to 60 tokens: FunASR cuts a text into pieces of 20."""
    choose = random.Random(0)
    made = []
    for _ in range(count):
        words = choose.choices([*SPOKEN, "USB", "hello world", "API"], k=choose.randint(1, 60))
        made.append("".join(words).replace("USBUSB", "USB"))
    return made


def without_marks(text: str) -> str:
    return "".join(character for character in text if character not in MARKS and character != " ")


def test_punctuation_adds_marks_and_changes_no_character(punctuation: Punctuation) -> None:
    marks = set()
    for text in texts(30):
        result = punctuation(text)
        marks |= set(result) & MARKS
        assert without_marks(result) == text.replace(" ", "")  # a blank goes where a mark stands now
        assert not result.endswith(("。", "，", "、"))
    assert len(marks) > 1  # random weights say several


def test_the_marks_are_where_funasr_s_own_automodel_puts_them(
    punctuation: Punctuation, punctuation_folder: Path
) -> None:
    configuration = yaml.safe_load((punctuation_folder / "config.yaml").read_text(encoding="utf-8"))
    own = _own(configuration, punctuation_folder)
    for text in texts(10):
        assert punctuation(text) == with_marks(text, own.generate(input=text)[0]["text"])


def _own(configuration: dict[str, Any], folder: Path) -> Any:
    tokenizer_conf = {**configuration.pop("tokenizer_conf"), "token_list": str(folder / "tokens.json")}
    return import_automodel()(
        **configuration,
        tokenizer_conf=tokenizer_conf,
        init_param=str(folder / "model.pt"),
        device="cpu",
        disable_update=True,
        disable_pbar=True,
    )


def test_a_model_that_was_trained_on_words_gets_its_word_list(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    jieba = pytest.importorskip("jieba")
    punctuation = loaded_punctuation(make_punctuation(tmp_path / "ct-punc", words="你好世界 100 n\n"))
    assert jieba.dt.tmp_dir == str(tmp_path / "funasr-streaming")
    assert list(jieba.cut("你好世界", HMM=False)) == ["你好世界"]
    result = punctuation("你好世界今天USB天气")
    assert without_marks(result) == "你好世界今天USB天气"


@pytest.mark.parametrize("name", PUNCTUATION["ct-punc"].files)
def test_a_punctuation_folder_without_one_of_its_files_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = make_punctuation(tmp_path / "ct-punc")
    (folder / name).unlink()
    with pytest.raises(FatalError, match=name) as refused:
        loaded_punctuation(folder)
    assert refused.value.error_code == "model_load_failed"


def test_a_checkpoint_of_another_model_and_another_kind_of_model_are_refused(tmp_path: Path) -> None:
    folder = make_punctuation(tmp_path / "ct-punc")
    torch.save({"embed.weight": torch.zeros(1)}, str(folder / "model.pt"))
    with pytest.raises(FatalError, match="must come from the same model"):
        loaded_punctuation(folder)
    text = (folder / "config.yaml").read_text(encoding="utf-8").replace("CTTransformer", "SomethingElse")
    (folder / "config.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(FatalError, match=r"SomethingElse.*--punc-model a ct-punc folder"):
        loaded_punctuation(folder)


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    folder = make_punctuation(tmp_path / "ct-punc")
    proof = tmp_path / "executed"
    (folder / "model.pt").write_bytes(f"cos\nsystem\n(S'touch {proof}'\ntR.".encode())
    with pytest.raises(FatalError, match="damaged or not a checkpoint"):
        loaded_punctuation(folder)
    assert not proof.exists()


def loaded_second_pass(folder: Path) -> SecondPass:
    return load_second_pass(read_folder(folder, SECOND_PASS), CONFIG, "cpu")


@pytest.fixture(scope="module")
def second_pass_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_second_pass(tmp_path_factory.mktemp("models") / "paraformer-zh")


@pytest.fixture(scope="module")
def second_pass(second_pass_folder: Path) -> SecondPass:
    return loaded_second_pass(second_pass_folder)


def heard() -> np.ndarray:
    return np.random.default_rng(0).normal(0, 0.1, 32000).astype(np.float32)


def test_a_second_pass_gives_the_text_of_funasr_s_own_automodel(
    second_pass: SecondPass, second_pass_folder: Path
) -> None:
    configuration = yaml.safe_load((second_pass_folder / "config.yaml").read_text(encoding="utf-8"))
    configuration["frontend_conf"].update(cmvn_file=str(second_pass_folder / "am.mvn"), dither=0.0)
    configuration["tokenizer_conf"]["seg_dict"] = str(second_pass_folder / "seg_dict")
    own = _own(configuration, second_pass_folder)
    for hotwords in ([], [Hotword("世界")], [Hotword("世界", 50.0), Hotword("hello")]):
        words = " ".join(hotword.text for hotword in hotwords) or None
        [expected] = own.generate(input=heard(), hotword=words)
        text = second_pass(heard(), hotwords)
        assert text == render(expected["text"].split())
        assert len(text) > 3 and "@@" not in text and "<" not in text


def test_the_same_audio_gives_the_same_text(second_pass: SecondPass) -> None:
    assert second_pass(heard(), ()) == second_pass(heard().astype(np.float64), ())


def test_a_second_pass_that_hears_nothing_gives_no_text(tmp_path: Path) -> None:
    deaf = loaded_second_pass(make_second_pass(tmp_path / "paraformer-zh", fire_bias=-50.0))
    assert deaf(heard(), [Hotword("世界")]) == ""


def test_an_utterance_of_a_few_frames_is_heard(second_pass: SecondPass) -> None:
    assert isinstance(second_pass(heard()[:3000], ()), str)


def test_more_hotwords_than_seaco_attends_to_at_once(second_pass: SecondPass) -> None:
    hotwords = [Hotword(first + second) for first in SPOKEN[:10] for second in SPOKEN[:10]]
    assert second_pass(heard(), hotwords)


@pytest.mark.parametrize("word", ["http://127.0.0.1:9/words.txt", "/etc/hosts.txt", "https", "世界"])
def test_a_hotword_is_neither_downloaded_nor_read(
    second_pass: SecondPass, word: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError("it connects")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    with caplog.at_level(logging.INFO):
        assert second_pass(heard(), [Hotword(word)])
    assert "as str" in caplog.text and "local txt" not in caplog.text and "url" not in caplog.text


def test_without_hotwords_there_is_no_hotword_string() -> None:
    assert hotword_string(()) is None
    assert hotword_string([Hotword("甲"), Hotword("乙", 3.0)]) == " 甲 乙 "


@pytest.mark.parametrize("name", SECOND_PASS.files)
def test_a_second_pass_folder_without_one_of_its_files_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = make_second_pass(tmp_path / "paraformer-zh")
    (folder / name).unlink()
    with pytest.raises(FatalError, match=name) as refused:
        loaded_second_pass(folder)
    assert refused.value.error_code == "model_load_failed"


def test_a_streaming_model_is_no_second_pass() -> None:
    with pytest.raises(FatalError, match="--final-model a paraformer-zh folder"):
        loaded_second_pass(DEMO_MODEL)


def hub(cached: Path | None, online: Path | None) -> Callable[[str], Any]:
    """A hub with ``cached`` in its cache and ``online`` to download; None: nothing there."""

    def snapshot_download(name: str, local_files_only: bool = False) -> str:
        folder = cached if local_files_only else online
        if folder is None:
            raise OSError(f"no {name} here")
        return str(folder)

    return lambda _: snapshot_download


def finals_of(**settings: Any) -> Any:
    return load_finals(StreamingConfig(device="cpu", threads=1, **settings), lambda: math.inf)


def test_without_a_flag_there_are_no_finals_to_polish() -> None:
    assert finals_of() is None


def test_all_steps_together_from_folders_and_from_the_hub_s_cache(
    punctuation_folder: Path, second_pass_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(hubs, "snapshot_download", hub(second_pass_folder, None))
    finals = finals_of(final_model="paraformer-zh", punc_model=str(punctuation_folder), itn=HAS_WETEXT)
    audio = finals.audio([Hotword("世界")])
    audio.pieces.append(heard())
    again = loaded_second_pass(second_pass_folder)(heard(), audio.hotwords)
    text = loaded_punctuation(punctuation_folder)(again)
    text = load_itn()(text) if HAS_WETEXT else text
    assert list(finals.polish(Final("a" * 32, "你好", 0.9), audio)) == [Final("a" * 32, text, 0.9)]


def test_a_model_that_is_not_in_the_cache_is_downloaded_once_and_said_so(
    punctuation_folder: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(hubs, "snapshot_download", hub(None, punctuation_folder))
    with caplog.at_level(logging.INFO):
        finals = finals_of(punc_model="ct-punc")
    assert "downloading iic/punc_ct-transformer_cn-en-common-vocab471067-large (about 1.1 GB, once)" in caplog.text
    [final] = finals.polish(Final("a" * 32, "你好世界", 0.9))
    assert without_marks(final.text) == "你好世界"


@pytest.mark.parametrize(
    ("settings", "code", "words"),
    [
        ({"final_model": "paraformer-zh"}, "model_load_failed", "--final-model, or leave it out"),
        ({"punc_model": "ct-punc"}, "model_load_failed", "--hub hf, give a downloaded folder with --punc-model"),
        ({"punc_model": "ct-punc-c", "hub": "hf"}, "config_invalid", "--hub ms"),
        ({"punc_model": "no such folder"}, "model_load_failed", "a folder, or ct-punc or ct-punc-c"),
    ],
    ids=str,
)
def test_what_cannot_be_found_says_what_else_to_do(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], code: str, words: str
) -> None:
    monkeypatch.setattr(hubs, "snapshot_download", hub(None, None))
    with pytest.raises(FatalError) as refused:
        finals_of(**settings)
    assert refused.value.error_code == code
    assert words in str(refused.value)
