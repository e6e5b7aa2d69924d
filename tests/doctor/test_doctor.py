"""--doctor: a broken part is a line with the command that mends it, never a crash; only what is needed counts."""

from __future__ import annotations

import errno
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from common.doctor import machine
from common.doctor import report as doctor
from common.settings.flags import DEMO_MODEL
from common.settings.services import StreamingConfig
from tests.audio import ROOT
from tests.engines.small_models import make_punctuation

INSTALL_ALL = r"-m pip install -r '?/.*requirements\.txt"  # quoted where the path holds a blank


def run(
    *arguments: str, options: tuple[str, ...] = (), broken: dict[str, str] | None = None, folder: Path = ROOT
) -> Any:
    """Spawn ``--doctor``; ``broken``: packages put before the real ones, and the line that each consists of."""
    for package, line in (broken or {}).items():
        (folder / package).mkdir()
        (folder / package / "__init__.py").write_text(line)
    environment = dict(os.environ, PYTHONPATH=str(folder) if broken else "", PYTHONIOENCODING="utf-8")
    command = [sys.executable, *options, str(ROOT / "asr_service.py"), "--doctor", *arguments]
    done = subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300, env=environment, check=False)
    assert "Traceback" not in done.stdout + done.stderr, done.stderr
    return done


def finding(output: str, package: str) -> tuple[str, str]:
    """The status of ``package`` and all that is said about it, the mending command included."""
    match = re.search(rf"^(ok|note|WRONG) +{re.escape(package)} .*(?:\n +→.*)?", output, re.MULTILINE)
    assert match, f"nothing about {package} in {output}"
    return match[1], match[0]


def test_this_installation_is_healthy_and_decodes_with_the_demo_model() -> None:
    done = run("--demo")
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "healthy"), done.stdout
    for package in ("Python", "numpy", "torch", "kaldi-native-fbank", "funasr", "silero-vad", "soxr", "soundfile"):
        assert finding(done.stdout, package)[0] == "ok"
    assert re.search(r"^ok +model .*demo.model: loaded, one chunk decoded", done.stdout, re.MULTILINE)


def test_a_torchaudio_or_portaudio_that_cannot_load_is_a_note(tmp_path: Path) -> None:
    lines = {
        "torchaudio": "raise OSError('libtorch_cuda.so: cannot open shared object file')",
        "sounddevice": "raise OSError('PortAudio library not found')",
        "modelscope_hub": "raise TypeError('not for this Python')",
    }
    done = run("--demo", broken=lines, folder=tmp_path)
    assert done.returncode == 0, done.stdout
    status, text = finding(done.stdout, "torchaudio")
    assert status == "note" and "libtorch_cuda" in text and "harmless" in text
    status, text = finding(done.stdout, "sounddevice")
    assert status == "note" and "microphone" in text
    assert re.search(
        r"→ (sudo apt-get install libportaudio2|sudo dnf install portaudio|brew install portaudio|.* pip)", text
    )
    assert finding(done.stdout, "modelscope-hub")[0] == "note"


def test_a_broken_package_is_wrong_and_the_rest_is_still_checked(tmp_path: Path) -> None:
    lines = {
        "torch": "raise ImportError('it is broken')",
        "soxr": "import a_package_that_is_not_there",
        "kaldi_native_fbank": "raise SystemExit('not even an Exception')",
    }
    done = run("--demo", "--engine", "torch", broken=lines, folder=tmp_path)
    assert done.returncode == 1, done.stdout
    status, text = finding(done.stdout, "torch")
    assert status == "WRONG" and "ImportError: it is broken" in text
    assert re.search(r"→ .*-m pip install --force-reinstall --no-deps torch==[\d.]+$", text)
    status, text = finding(done.stdout, "soxr")
    assert status == "WRONG" and "a_package_that_is_not_there" in text and re.search(INSTALL_ALL, text)
    assert finding(done.stdout, "kaldi-native-fbank")[0] == "WRONG"
    assert finding(done.stdout, "soundfile")[0] == "ok"
    assert "all six files are there" in done.stdout


def test_without_any_package_every_one_is_named_with_the_command_that_installs_it() -> None:
    done = run("--demo", options=("-S",))  # -S: no site-packages
    assert done.returncode == 1
    for package in ("numpy", "torch", "silero-vad", "soxr", "soundfile", "kaldi-native-fbank"):
        status, text = finding(done.stdout, package)
        assert status == "WRONG" and "not installed" in text and re.search(INSTALL_ALL, text)
    for package in ("sounddevice", "openvino", "funasr", "pypinyin"):
        assert finding(done.stdout, package)[0] == "note"


def model_report(monkeypatch: pytest.MonkeyPatch, **settings: Any) -> tuple[int, str]:
    """The report of Python, device and model alone, in this process."""
    monkeypatch.setattr(doctor, "PROBES", {})
    lines: list[str] = []
    status = doctor.report(StreamingConfig(device="cpu", **settings), lines.append)
    return status, "".join(lines)


@pytest.mark.parametrize("name", ["seg_dict", "model.pt"])
def test_a_damaged_model_folder_is_wrong_by_name(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    folder = tmp_path / "模型 folder"
    shutil.copytree(str(DEMO_MODEL), str(folder))
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2] if name == "model.pt" else b"")
    status, text = model_report(monkeypatch, model_dir=str(folder))
    assert status == 1 and f"{folder / name}" in text and "download the model again" in text


def test_what_finals_need_is_checked_where_it_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = make_punctuation(tmp_path / "ct-punc")
    status, text = model_report(monkeypatch, demo=True, punc_model=str(folder))
    assert status == 0 and f"ct-punc {folder}: all of its files are there" in text
    (folder / "tokens.json").unlink()
    status, text = model_report(monkeypatch, demo=True, punc_model=str(folder))
    assert status == 1 and f"tokens.json is missing in {folder}" in text

    def broken(_name: str) -> str:
        raise ImportError("it is broken")

    monkeypatch.setattr(doctor, "PROBES", {"wetext": broken})
    for itn in (False, True):
        assert doctor.report(StreamingConfig(device="cpu", demo=True, itn=itn), lambda _: None) == int(itn)


def test_a_device_that_is_not_there_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "PROBES", {})
    lines: list[str] = []
    assert doctor.report(StreamingConfig(device="cuda:63", demo=True), lines.append) == 1
    assert "cuda:63" in "".join(lines) and "--device cpu" in "".join(lines)


@pytest.mark.parametrize("hub", ["ms", "hf"])
def test_a_model_that_is_not_downloaded_is_a_note_and_nothing_is_downloaded(
    monkeypatch: pytest.MonkeyPatch, hub: str
) -> None:
    connections = []

    def connect(_socket: Any, address: Any) -> None:
        connections.append(address)
        raise OSError("no network in this test")

    monkeypatch.setattr(socket.socket, "connect", connect)
    nowhere = replace(doctor.STREAMING, hub_names={hub: "nobody/a-model-that-is-not-there"})
    monkeypatch.setattr(doctor, "STREAMING", nowhere)
    status, text = model_report(monkeypatch, hub=hub)
    assert (status, connections) == (0, [])
    assert "not downloaded yet" in text and "--model-dir" in text and "--demo" in text


def test_a_version_that_was_not_tested_is_a_note(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pins = tmp_path / "requirements.txt"
    pins.write_text('soxr==0.0.1; python_version < "3.9"\nsoxr==0.0.2; python_version >= "3.9"\n')
    monkeypatch.setattr(doctor, "REQUIREMENTS", pins)
    monkeypatch.setattr(doctor, "PROBES", {"soxr": lambda _: "imports"})
    lines: list[str] = []
    assert doctor.report(StreamingConfig(device="cpu", demo=True), lines.append) == 0
    status, text = finding("".join(lines), "soxr")
    assert status == "note" and "tested with 0.0.1 or 0.0.2" in text


@pytest.mark.parametrize(("settings", "status"), [({}, 0), ({"input": "mic"}, 1), ({"input_device": "USB"}, 1)])
def test_portaudio_is_wrong_only_where_a_microphone_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], status: int
) -> None:
    def broken(_name: str) -> str:
        raise OSError("PortAudio library not found")

    monkeypatch.setattr(doctor, "PROBES", {"sounddevice": broken})
    assert doctor.report(StreamingConfig(device="cpu", model_dir=str(DEMO_MODEL), **settings), lambda _: None) == status


def test_every_needed_package_is_pinned() -> None:
    for name in doctor.PROBES:
        assert doctor._pinned(name), f"{name} is not in requirements.txt"


@pytest.mark.parametrize(
    ("platform", "has_dnf", "package", "command"),
    [
        ("linux", False, "sounddevice", "sudo apt-get install libportaudio2"),
        ("linux", True, "sounddevice", "sudo dnf install portaudio"),
        ("darwin", False, "sounddevice", "brew install portaudio"),
        ("win32", False, "sounddevice", "pip install --force-reinstall --no-deps sounddevice==1.0"),
        ("linux", False, "soundfile", "sudo apt-get install libsndfile1"),
        ("win32", False, "torch", "winget install Microsoft.VCRedist.2015+.x64"),
        ("linux", False, "torch", "pip install --force-reinstall --no-deps torch==1.0"),
    ],
)
def test_what_mends_a_library_that_does_not_load_depends_on_the_system(
    monkeypatch: pytest.MonkeyPatch, platform: str, has_dnf: bool, package: str, command: str
) -> None:
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setattr(shutil, "which", lambda _: "/usr/bin/dnf" if has_dnf else None)
    assert doctor._mend(package, "1.0", OSError("cannot load library")).endswith(command)


# --- what the machine has -----------------------------------------------------------------------------------------

LINE = re.compile(r"(ok|note|WRONG) +\S.*|       → .*|healthy.*|\d+ thing\(s\) WRONG")


def test_what_packages_print_is_no_part_of_the_report(tmp_path: Path) -> None:
    noise = "import sys; print('Notice: ffmpeg is not installed'); print('a warning', file=sys.stderr)"
    done = run("--demo", broken={"funasr": noise, "modelscope_hub": noise}, folder=tmp_path)
    assert "Notice" not in done.stdout + done.stderr and "a warning" not in done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if not LINE.fullmatch(line)] == []


def test_an_environment_without_torch_is_healthy_where_a_prepared_engine_decodes(tmp_path: Path) -> None:
    run("--demo", "--engine", "openvino")  # the engine is in the cache from here on
    missing = {"torch": "raise ModuleNotFoundError('No module named torch')"}
    done = run("--demo", broken=missing, folder=tmp_path)
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, "healthy"), done.stdout
    assert finding(done.stdout, "torch")[0] == "note"
    assert re.search(r"^ok +model .*: loaded, one chunk decoded", done.stdout, re.MULTILINE)


@pytest.mark.parametrize("arguments", [["--engine", "torch"], ["--punc-model", "ct-punc"], ["--device", "cuda"]])
def test_an_environment_without_torch_is_wrong_where_torch_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    def broken(_name: str) -> str:
        raise ModuleNotFoundError("No module named 'torch'", name="torch")

    settings: dict[str, Any] = {arguments[0][2:].replace("-", "_"): arguments[1]}
    found = doctor._package("torch", broken, StreamingConfig(**settings))
    assert found.status == "WRONG" and "torch" in found.mend


def said(
    monkeypatch: pytest.MonkeyPatch, devices: list[dict[str, int]] | Exception, **settings: Any
) -> tuple[int, str]:
    """The report where PortAudio finds these devices, or raises."""

    def query_devices() -> list[dict[str, int]]:
        if isinstance(devices, Exception):
            raise devices
        return devices

    monkeypatch.setitem(sys.modules, "sounddevice", SimpleNamespace(query_devices=query_devices))
    return model_report(monkeypatch, **settings)


SPEAKERS = [{"max_input_channels": 0}]


def test_a_machine_without_a_microphone_is_told_what_that_means(monkeypatch: pytest.MonkeyPatch) -> None:
    status, text = said(monkeypatch, SPEAKERS, model_dir=str(DEMO_MODEL))
    assert status == 0 and "note   no microphone is found here" in text
    assert "only --input FILE, - and jsonl can be heard" in text.splitlines()[-1]
    status, text = said(monkeypatch, SPEAKERS, model_dir=str(DEMO_MODEL), input="mic")
    assert status == 1 and "WRONG  no microphone is found here" in text
    status, text = said(monkeypatch, [{"max_input_channels": 2}], model_dir=str(DEMO_MODEL))
    assert text.splitlines()[-1] == "healthy" and "1 input device(s)" in text
    for settings in ({"demo": True}, {"input": "a.wav"}, {"input": "-"}, {"input": "jsonl"}):
        assert "microphone" not in said(monkeypatch, SPEAKERS, **{"model_dir": str(DEMO_MODEL), **settings})[1]
    assert "microphone" not in said(monkeypatch, OSError("no PortAudio"), model_dir=str(DEMO_MODEL))[1]


def test_a_machine_without_a_model_is_told_what_that_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "in_cache", lambda *_: None)
    status, text = said(monkeypatch, SPEAKERS, input="a.wav")
    assert status == 0 and "recognition was not tried" in text
    assert text.splitlines()[-1] == "healthy; the first start downloads the model (about 880 MB, once)"


def of_the_cache(text: str) -> str:
    [line] = [line for line in text.splitlines() if "cache folder" in line and line[:2] in ("ok", "no", "WR")]
    return line


def cache_report(monkeypatch: pytest.MonkeyPatch, folder: Path | str) -> str:
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    found = machine.cache_folder()
    assert "pip" not in found.lines() and (found.status == "ok" or "XDG_CACHE_HOME" in found.mend)
    return of_the_cache(found.lines())


def test_a_cache_folder_that_can_be_written_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine, "ROOM_BYTES", 0)
    assert cache_report(monkeypatch, tmp_path / "new") == (
        f"ok     cache folder {tmp_path / 'new' / 'funasr-streaming'}: can be written"
    )
    assert list((tmp_path / "new" / "funasr-streaming").iterdir()) == []


def test_a_cache_folder_that_cannot_be_used_says_why_and_what_that_means(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    line = cache_report(monkeypatch, tmp_path / "file" / "deeper")
    assert "a part of its path is a file" in line and "every start prepares the engine again" in line
    monkeypatch.setattr(machine, "ROOM_BYTES", 1 << 60)
    assert "MB are free" in cache_report(monkeypatch, tmp_path)
    for number, words in ((errno.EROFS, "cannot be written"), (errno.ENOSPC, "its disk is full")):

        def fails(*_: Any, number: int = number, **__: Any) -> None:
            raise OSError(number, os.strerror(number))

        monkeypatch.setattr(machine.tempfile, "NamedTemporaryFile", fails)
        assert words in cache_report(monkeypatch, tmp_path)


@pytest.mark.skipif(not hasattr(os, "getuid") or os.getuid() != 0, reason="becomes another user")
def test_a_cache_folder_of_somebody_else_is_said_to_be_that() -> None:
    code = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); from common.doctor.machine import cache_folder;"
        "os.environ['XDG_CACHE_HOME'] = sys.argv[2]; os.setuid(65534); print(cache_folder().lines())"
    )
    with tempfile.TemporaryDirectory() as home:
        os.chmod(home, 0o755)
        folder = Path(home, "funasr-streaming")
        folder.mkdir(mode=0o700)
        done = subprocess.run([sys.executable, "-c", code, str(ROOT), home], capture_output=True, check=True)
    assert f"{folder} belongs to somebody else (user 0, you are 65534)" in done.stdout.decode()


def test_a_user_without_a_home_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def nowhere() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setattr(Path, "home", nowhere)
    found = machine.cache_folder()
    assert found.status == "note" and "no cache folder" in found.text and "XDG_CACHE_HOME" in found.mend
