"""Bad input to the spawned process: the right code, one line that names it, the right status."""

from __future__ import annotations

import json
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path

import pytest

from common.engines.model_folder import STREAMING
from tests.audio import ROOT
from tests.process.spawned import Ended, checked, environment, run
from tests.process.test_speech import SCRIPTS, a_recording, transcripts

DEMO_MODEL = Path(__file__).resolve().parents[2] / "demo" / "model"


def fails(ended: Ended, code: str, status: int, *words: str) -> None:
    """Exactly one line: the error event, naming ``words``; no traceback on stderr."""
    assert [event["type"] for event in ended.events] == ["core.error_event"], ended.log
    assert (ended.errors, ended.status) == ([code], status)
    for word in words:
        assert word in ended.events[0]["message"]
    assert "Traceback" not in ended.log


def breaks(folder: Path, package: str, error: str) -> None:
    """With ``folder`` on PYTHONPATH, importing ``package`` raises ``error``."""
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text(f"raise {error}")


def hears_a_recording(packages: Path) -> Ended:
    """Its text comes out, whatever is broken in ``packages``."""
    path = a_recording()
    ended = run("asr_service", "--demo", "--input", str(path), PYTHONPATH=str(packages))
    assert (ended.status, ended.finals) == (0, [transcripts()[path.name]])
    return ended


@pytest.mark.parametrize("script", SCRIPTS)
def test_a_bad_flag_is_config_invalid_with_status_2(script: str) -> None:
    fails(run(script, "--endpoint-silence-ms", "soon"), "config_invalid", 2, "--endpoint-silence-ms", "soon")
    fails(run(script, "--colour", "red"), "config_invalid", 2, "--colour", "--help")


def test_a_bad_value_in_the_scripts_config_is_config_invalid_too(tmp_path: Path) -> None:
    script = (ROOT / "asr_service.py").read_text(encoding="utf-8").replace("chunk_sec=0.6", "chunk_sec=9")
    (tmp_path / "edited.py").write_text(script, encoding="utf-8")
    edited = [sys.executable, str(tmp_path / "edited.py")]
    done = subprocess.run(edited, capture_output=True, env=environment(PYTHONPATH=str(ROOT)), check=False)
    [error] = checked(done.stdout)
    assert (error["error_code"], done.returncode) == ("config_invalid", 2)
    assert "chunk_sec" in error["message"]


def test_a_device_that_is_not_there_is_config_invalid() -> None:
    arguments = ["--demo", "--input", str(a_recording()), "--device", "cuda:63"]
    fails(run("asr_service", *arguments), "config_invalid", 2, "cuda:63", "--device cpu")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("absent.wav", None),
        ("text.wav", b"this is no sound"),
        ("empty.wav", b""),
        ("cut.wav", b"RIFF\x10\x00\x00\x00WAVEfmt "),
    ],
)
def test_a_file_that_cannot_be_heard_is_audio_input_failed(tmp_path: Path, name: str, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    fails(run("asr_service", "--demo", "--input", str(tmp_path / name)), "audio_input_failed", 3, name)


def test_a_folder_and_a_channel_that_is_not_there_are_refused(tmp_path: Path) -> None:
    folder = str(tmp_path)
    fails(run("asr_service", "--demo", "--input", folder), "audio_input_failed", 3, folder, "is a folder")
    arguments = ["--demo", "--input", str(a_recording()), "--channel", "2"]
    fails(run("asr_service", *arguments), "config_invalid", 2, "--channel 2")


def damaged(folder: Path, name: str, content: bytes | None) -> str:
    shutil.copytree(str(DEMO_MODEL), str(folder))
    if content is None:
        (folder / name).unlink()
    else:
        (folder / name).write_bytes(content)
    return str(folder)


@pytest.mark.parametrize("name", STREAMING.files)
def test_a_model_folder_without_one_of_its_files_is_refused_by_name(tmp_path: Path, name: str) -> None:
    folder = damaged(tmp_path / "model", name, None)
    fails(run("asr_service", "--model-dir", folder, "--input", str(a_recording())), "model_load_failed", 3, name)


@pytest.mark.parametrize(
    ("name", "content", "word"),
    [
        ("config.yaml", b"model: SenseVoiceSmall\n", "SenseVoiceSmall"),
        ("config.yaml", b"model: [", "damaged"),
        ("tokens.json", b'["<blank>", "<s>"', "damaged"),
        ("tokens.json", json.dumps(["<blank>", "<s>", "</s>", "好", "<unk>"]).encode(), "same model"),
        ("am.mvn", b"<Nnet>\n", "am.mvn"),
        ("model.pt", (DEMO_MODEL / "model.pt").read_bytes()[:100_000] if DEMO_MODEL.is_dir() else b"", "model.pt"),
        ("model.pt", b"\x80\x04cos\nsystem\n(S'true'\ntR.", "model.pt"),
    ],
    ids=["another-model", "bad-yaml", "cut-tokens", "other-tokens", "bad-mvn", "truncated", "pickled-code"],
)
def test_a_damaged_or_foreign_model_folder_is_refused_by_name(
    tmp_path: Path, name: str, content: bytes, word: str
) -> None:
    folder = damaged(tmp_path / "model", name, content)
    ended = run("asr_service", "--model-dir", folder, "--input", str(a_recording()))
    fails(ended, "model_load_failed", 3, name if word == "damaged" else word)


def test_code_in_a_checkpoint_is_not_executed(tmp_path: Path) -> None:
    proof = tmp_path / "executed"
    code = f"cos\nsystem\n(S'touch {proof}'\ntR.".encode()
    folder = damaged(tmp_path / "model", "model.pt", code)
    fails(run("asr_service", "--model-dir", folder, "--input", str(a_recording())), "model_load_failed", 3)
    assert not proof.exists()


def test_a_download_that_is_impossible_says_what_else_to_try(tmp_path: Path) -> None:
    offline = {"HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    ended = run("asr_service", "--hub", "hf", "--input", str(a_recording()), **offline)
    fails(ended, "model_load_failed", 1, "--model-dir", "--hub ms", "--demo")


def test_a_model_in_the_hubs_cache_is_used_offline(tmp_path: Path) -> None:
    name = STREAMING.hub_names["ms"].replace("/", "--")
    cache = tmp_path / ".cache" / "modelscope" / "models" / name / "snapshots" / "master"
    shutil.copytree(str(DEMO_MODEL), str(cache))
    path = a_recording()
    offline = {"HOME": str(tmp_path), "https_proxy": "http://127.0.0.1:9", "HTTPS_PROXY": "http://127.0.0.1:9"}
    ended = run("asr_service", "--input", str(path), **offline)
    assert (ended.status, ended.finals) == (0, [transcripts()[path.name]]), ended.log


@pytest.mark.parametrize("package", ["torch", "openvino", "funasr"])
def test_a_package_that_cannot_load_is_dependency_missing_with_its_remedy(tmp_path: Path, package: str) -> None:
    breaks(tmp_path, package, f"ImportError('{package} is broken')")
    asked = ("--demo", "--engine", package, "--input", str(a_recording()))
    ended = run("asr_service", *asked, PYTHONPATH=str(tmp_path))
    fails(ended, "dependency_missing", 3, package, "pip install")


def test_without_openvino_torch_decodes(tmp_path: Path) -> None:
    breaks(tmp_path, "openvino", "ImportError('openvino is broken')")
    assert "by torch" in hears_a_recording(tmp_path).log


def test_a_torchaudio_that_cannot_load_does_not_matter(tmp_path: Path) -> None:
    breaks(tmp_path, "torchaudio", "OSError('libtorch_cuda.so: not found')")
    hears_a_recording(tmp_path)


def test_stdin_that_ends_at_once_prints_nothing() -> None:
    ended = run("asr_service", "--demo", "--input", "-", stdin=b"")
    assert (ended.status, ended.events) == (0, [])


def test_a_wav_file_whose_header_promises_more_than_there_is_is_heard_to_its_end(tmp_path: Path) -> None:
    path = a_recording()
    content = bytearray(path.read_bytes())
    assert content[:4] == b"RIFF"
    content[4:8] = struct.pack("<I", 0xFFFFFFF0)
    data = content.index(b"data")
    content[data + 4 : data + 8] = struct.pack("<I", 0xFFFFFF00)
    (tmp_path / "endless.wav").write_bytes(bytes(content))
    ended = run("asr_service", "--demo", "--input", str(tmp_path / "endless.wav"))
    assert (ended.status, ended.finals) == (0, [transcripts()[path.name]])
    assert os.path.getsize(tmp_path / "endless.wav") < 1_000_000
