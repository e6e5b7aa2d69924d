"""Without a package: where it is needed its name and the command that installs it, elsewhere nothing."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from tests.audio import ROOT
from tests.process.spawned import Ended, checked, environment, run
from tests.process.test_speech import a_recording, transcripts

BLOCK = """
import os, sys
from importlib.machinery import PathFinder

class Without(PathFinder):
    @classmethod
    def find_spec(cls, name, path=None, target=None):
        return None if name in os.environ["MISSING"].split() else super().find_spec(name, path, target)

sys.meta_path[:] = [Without if finder is PathFinder else finder for finder in sys.meta_path]
"""
NEEDED_WITH = {  # package → (its module, what needs it)
    "funasr": ("funasr", ["--engine", "funasr"]),
    "torch": ("torch", ["--engine", "torch"]),
    "openvino": ("openvino", ["--engine", "openvino"]),
    "kaldi-native-fbank": ("kaldi_native_fbank", []),
    "silero-vad": ("silero_vad", []),
    "soxr": ("soxr", ["--input", "8000.wav"]),
    "soundfile": ("soundfile", ["--input", "8000.flac"]),
    "sounddevice": ("sounddevice", ["--input", "mic"]),
    "numpy": ("numpy", []),
    "pypinyin": ("pypinyin", ["--hotwords", "星期"]),
    "wetext": ("wetext", ["--itn"]),
    "PyYAML": ("yaml", []),
    "modelscope-hub": ("modelscope_hub", ["--hub", "ms"]),
    "huggingface_hub": ("huggingface_hub", ["--hub", "hf"]),
    "setuptools": ("setuptools distutils _distutils_hack", ["--engine", "funasr"]),  # Python has no distutils from 3.12
}
NEVER_NEEDED = {
    "modelscope": ["--engine", "funasr"],
    "torchaudio": ["--engine", "funasr"],
    "tqdm": [],
    "transformers": ["--engine", "funasr"],
}


def requirements() -> set[str]:
    files = ("requirements.txt", "requirements-runtime.txt")
    lines = [line for name in files for line in (ROOT / name).read_text(encoding="utf-8").splitlines()]
    return {match[1] for match in (re.match(r"([\w-]+)==", line) for line in lines) if match}


def test_every_package_of_the_requirements_is_tried_here() -> None:
    assert {*NEEDED_WITH, *NEVER_NEEDED} == requirements()


def without(tmp_path: Path, modules: str, *arguments: str) -> Ended:
    (tmp_path / "sitecustomize.py").write_text(BLOCK, encoding="utf-8")
    source = [] if "--input" in arguments else ["--input", str(a_recording())]
    model = [] if "--hub" in arguments else ["--demo"]
    changed = {"MISSING": modules, "PYTHONPATH": str(tmp_path)}
    if not model:
        changed["HOME"] = str(tmp_path)  # no model was downloaded there
    return run("asr_service", *model, *source, *arguments, **changed)


@pytest.mark.parametrize("package", NEEDED_WITH)
def test_a_package_that_is_missing_is_named_with_the_command_that_installs_it(tmp_path: Path, package: str) -> None:
    modules, arguments = NEEDED_WITH[package]
    for name in ("8000.wav", "8000.flac"):
        soundfile.write(str(tmp_path / name), np.zeros(8000, np.float32), 8000)
    arguments = [str(tmp_path / each) if each.startswith("8000.") else each for each in arguments]
    ended = without(tmp_path, modules, *arguments)
    assert [event["type"] for event in ended.events] == ["core.error_event"], ended.log
    assert (ended.errors, ended.status) == (["dependency_missing"], 3)
    message = ended.events[0]["message"]
    assert any(name in message for name in (package, *modules.split())), message
    assert "pip install" in message and "report it" not in message
    assert "Traceback" not in ended.log


@pytest.mark.parametrize("package", NEVER_NEEDED)
def test_a_package_that_is_not_needed_is_not_missed(tmp_path: Path, package: str) -> None:
    ended = without(tmp_path, package, *NEVER_NEEDED[package])
    assert (ended.status, ended.errors) == (0, [])
    assert ended.finals == [transcripts()[a_recording().name]]


def test_without_torch_a_prepared_engine_decodes(tmp_path: Path) -> None:
    run("asr_service", "--demo", "--engine", "openvino", "--input", str(a_recording()))  # prepared from here on
    ended = without(tmp_path, "torch")
    assert (ended.status, ended.finals) == (0, [transcripts()[a_recording().name]])
    assert "by openvino" in ended.log


def test_without_any_package_the_first_one_is_named() -> None:
    done = subprocess.run(
        [sys.executable, "-S", str(ROOT / "asr_service.py"), "--demo"],  # -S: no site-packages
        capture_output=True,
        stdin=subprocess.DEVNULL,
        env=environment(),
        check=False,
    )
    [error] = checked(done.stdout)
    assert (error["error_code"], done.returncode) == ("dependency_missing", 3)
    assert "No module named" in error["message"] and "pip install -r requirements.txt" in error["message"]
