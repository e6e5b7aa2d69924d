"""The models behind a final, through the code that loads the real ones: FunASR's classes, tiny, with random weights."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

from common.config import StreamingConfig
from common.events import FatalError
from common.funasr_engine import import_automodel
from common.model_files import read_folder
from common.punctuation import MARKS, PUNCTUATION, Punctuation, load_punctuation, with_marks
from tests.engine.small_models import SPOKEN, make_punctuation

CONFIG = StreamingConfig(device="cpu", threads=1)


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
