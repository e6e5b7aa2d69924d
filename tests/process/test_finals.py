"""Polished finals of the spawned process, on the demo model: --itn and a tiny punctuation model of the real class."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from common.finals.numbers import load_itn
from common.finals.punctuation import MARKS
from tests.audio import read
from tests.engines.small_models import make_punctuation
from tests.process.spawned import listening, run
from tests.process.test_speech import a_recording, transcripts

pytestmark = pytest.mark.skipif(sys.version_info < (3, 9), reason="wetext needs Python 3.9")
DATE = a_recording("月")
DIGITS = set("0123456789")


def test_numbers_are_in_digits_in_finals_alone() -> None:
    ended = run("asr_service_streaming", "--demo", "--itn", "--extended", "--input", str(DATE))
    assert (ended.status, ended.errors) == (0, []), ended.log
    spoken = transcripts()[DATE.name]
    assert ended.finals == [load_itn()(spoken)] and DIGITS & set(ended.finals[0])
    partials = [event for event in ended.events if event["type"] == "voice.asr_text.partial"]
    assert partials and not any(DIGITS & set(event["text"]) for event in partials)
    assert not any(event["stable"] for event in partials)
    [final] = [event for event in ended.events if event["type"] == "voice.asr_text.final"]
    assert "".join(word["text"] for word in final["words"]) == spoken


def test_punctuation_and_digits_together_leave_stdout_to_events(tmp_path: Path) -> None:
    folder = make_punctuation(tmp_path / "标点 model")
    path = a_recording("听")
    arguments = ["--demo", "--itn", "--punc-model", str(folder), "--input", str(path)]
    ended = run("asr_service_streaming", *arguments)
    assert (ended.status, ended.errors) == (0, []), ended.log
    [final] = ended.finals
    assert "".join(character for character in final if character not in MARKS) == transcripts()[path.name]


def hanging_wetext(folder: Path) -> str:
    """A path to import from: a wetext that hangs on all but the text of its warm-up."""
    (folder / "wetext").mkdir()
    code = """import time
class Normalizer:
    def __init__(self, **_): ...
    def normalize(self, text):
        time.sleep(0 if text in "二零二六年三月五号" else 60)
        return text
"""
    (folder / "wetext" / "__init__.py").write_text(code, encoding="utf-8")
    return str(folder)


def test_a_step_that_hangs_costs_its_time_limit_and_the_streaming_text_is_printed(tmp_path: Path) -> None:
    arguments = ["--demo", "--itn", "--final-timeout-ms", "300", "--input", str(DATE)]
    ended = run("asr_service", *arguments, PYTHONPATH=hanging_wetext(tmp_path))
    assert (ended.status, ended.errors) == (0, ["postprocess_failed"]), ended.log
    assert ended.finals == [transcripts()[DATE.name]]
    assert "not done within 300 ms" in ended.events[-2]["message"]


def test_a_step_that_hangs_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", hanging_wetext(tmp_path))
    with listening("asr_service", "--itn", "--final-timeout-ms", "60000", "--threads", "1") as running:
        running.speak(np.concatenate([read(DATE), np.zeros(16000, np.float32)]))  # so that the final is waited for
        running.signal(signal.SIGTERM)
        begin = time.monotonic()
        ended = running.end()
    assert time.monotonic() - begin < 4  # two seconds, and a busy machine
    assert (ended.status, len(ended.finals)) == (0, 1), ended.log
    assert ended.errors[0] in ("postprocess_failed", "infer_final_failed")  # the latter where the machine is too busy


def test_a_wetext_that_does_not_load_is_told_at_the_start(tmp_path: Path) -> None:
    (tmp_path / "wetext").mkdir()
    (tmp_path / "wetext" / "__init__.py").write_text("raise ImportError('wetext is broken')")
    ended = run("asr_service", "--demo", "--itn", "--input", str(DATE), PYTHONPATH=str(tmp_path))
    assert (ended.errors, ended.status) == (["dependency_missing"], 3)
    assert "wetext is broken; pip install" in ended.events[0]["message"]


def test_a_folder_that_is_not_there_is_model_load_failed_and_names_the_flag(tmp_path: Path) -> None:
    arguments = ["--demo", "--final-model", str(tmp_path / "none"), "--input", str(DATE)]
    ended = run("asr_service", *arguments)
    assert (ended.errors, ended.status) == (["model_load_failed"], 3)
    assert "--final-model takes a folder, or paraformer-zh" in ended.events[0]["message"]
