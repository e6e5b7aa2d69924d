"""The model's own spelling of Latin words, read from a folder that may be damaged."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.engines import seg_dict
from common.engines.choose import load_engine
from common.engines.seg_dict import read_spellings
from common.settings.flags import DEMO_MODEL
from common.settings.services import StreamingConfig


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "seg_dict"
    path.write_bytes(content)
    return path


def test_the_words_that_are_asked_for_are_read_and_no_other(tmp_path: Path) -> None:
    path = written(tmp_path, "你 你\nhello hel@@ lo\nmonday mon@@ day\nit's it 's\n".encode())
    assert read_spellings(path, {"monday", "it's", "google"}) == {"monday": ["mon@@", "day"], "it's": ["it", "'s"]}
    assert read_spellings(path, set()) == {}


@pytest.mark.parametrize("end", ["\n", "\r\n", "", " \n", "\t\n"])
def test_a_line_ends_as_it_likes_and_the_last_one_counts(tmp_path: Path, end: str) -> None:
    path = written(tmp_path, f"monday mo@@ nday\n  monday\tmon@@  day{end}".encode())
    assert read_spellings(path, {"monday"}) == {"monday": ["mon@@", "day"]}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"monday\n",
        b"monday tues@@ day\n",  # pieces of another word
        b"monday mon@@\n",
        b"monday mon@@ day day\n",
        b"monday mon@@ d\xffay\n",
        b"monday \xff\xfe\n",
        b"monday mon@@ day".replace(b" ", b"\0"),
        "monday mon@@ day\n".encode("utf-16"),
        b"\n\n \n",
        b"x" * 100_000,
    ],
    ids=range(11),
)
def test_a_damaged_line_spells_nothing(tmp_path: Path, content: bytes) -> None:
    assert read_spellings(written(tmp_path, content), {"monday"}) == {}
    around = b"hello hel@@ lo\n" + content + b"\nokay o@@ kay\n"
    assert set(read_spellings(written(tmp_path, around), {"hello", "okay", "monday"})) == {"hello", "okay"}


def test_a_file_that_is_gone_or_too_large_spells_nothing_and_a_warning_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert read_spellings(tmp_path / "seg_dict", {"monday"}) == {}
    assert read_spellings(tmp_path, {"monday"}) == {}
    monkeypatch.setattr(seg_dict, "MOST_BYTES", 10)
    assert read_spellings(written(tmp_path, b"monday mon@@ day\n"), {"monday"}) == {}
    assert [record.levelno for record in caplog.records] == [logging.WARNING] * 3
    assert all("Latin hotwords are spelled without" in record.getMessage() for record in caplog.records)


@given(st.binary(max_size=200), st.integers(0, 200), st.binary(max_size=8))
def test_whatever_is_damaged_what_is_read_spells_its_word(
    tmp_path_factory: pytest.TempPathFactory, noise: bytes, place: int, instead: bytes
) -> None:
    content = b"monday mon@@ day\n" + noise + b"\nhello hel@@ lo\n"
    content = content[:place] + instead + content[place + len(instead) :]
    path = written(tmp_path_factory.mktemp("damaged"), content)
    for word, pieces in read_spellings(path, {"monday", "hello"}).items():
        assert "".join(pieces).replace("@@", "") == word


@pytest.mark.parametrize("engine", ["torch", "funasr"])
def test_an_engine_knows_the_spelling_of_its_folder(engine: str) -> None:
    loaded = load_engine(StreamingConfig(model_dir=str(DEMO_MODEL), device="cpu", threads=1, engine=engine))
    spelled = loaded.spellings({"bluetooth", "nonsense"})
    assert spelled == {"bluetooth": ["blue@@", "too@@", "th"]}
    assert set(spelled["bluetooth"]) <= set(loaded.token_list)
