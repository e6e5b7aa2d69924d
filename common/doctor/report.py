"""``--doctor``: is everything there that the services need, and what mends what is not. Mends and downloads nothing."""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import io
import platform
import re
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Callable, Mapping, cast

from common.doctor.finding import NOTE, OK, WRONG, Finding
from common.doctor.machine import cache_folder, microphone
from common.doctor.probes import PROBES, module_of
from common.engines.hub import in_cache
from common.engines.model_folder import STREAMING, Kind, read_folder
from common.errors import FatalError, describe
from common.settings.flags import DEMO_MODEL, CommonConfig

REQUIREMENTS = Path(__file__).resolve().parents[2] / "requirements.txt"
OLDEST_PYTHON = (3, 8)
SYSTEM_LIBRARIES = {  # what a package needs from the system: its name for apt-get, dnf, brew
    "sounddevice": ("libportaudio2", "portaudio", "portaudio"),
    "soundfile": ("libsndfile1", "libsndfile", "libsndfile"),
}


def report(config: CommonConfig, write: Callable[[str], None]) -> int:
    """Check this installation and what ``config`` asks for, a line at a time.

    Returns the exit status: 0 healthy, 1 something is wrong. Whatever is missing or broken is a line, not an error.
    """
    checks: list[Callable[[], Finding | None]] = [_python]
    checks += [partial(_package, name, probe, config) for name, probe in PROBES.items()]
    checks += [partial(microphone, config), cache_folder, partial(_device, config)]
    if config.final_model is not None or config.punc_model is not None:
        from common.finals.load import final_models

        checks += [partial(_final_model, value, kinds, config.hub) for value, kinds in final_models(config)]
    findings: list[Finding] = []

    def tell(check: Callable[[], Finding | None]) -> None:
        finding = _guarded(check)
        if finding is not None:
            write(finding.lines())
            findings.append(finding)

    for check in checks:
        tell(check)
    tell(partial(_model, config, all(finding.status != WRONG for finding in findings)))
    wrong = sum(finding.status == WRONG for finding in findings)
    means = "".join(f"; {finding.means}" for finding in findings if finding.means)
    write(f"{wrong} thing(s) WRONG\n" if wrong else f"healthy{means}\n")
    return 1 if wrong else 0


def _guarded(check: Callable[[], Finding | None]) -> Finding | None:
    """What a check finds; what packages print meanwhile is thrown away."""
    aside = io.StringIO()
    try:
        with contextlib.redirect_stdout(aside), contextlib.redirect_stderr(aside):
            return check()
    except FatalError as error:  # its message ends with what to do
        return Finding(WRONG, str(error))
    except (Exception, SystemExit) as error:  # broken packages raise anything at all when they are imported
        return Finding(WRONG, describe(error), "" if isinstance(error, OSError) else INSTALL_ALL)


def _python() -> Finding:
    text = f"Python {platform.python_version()} ({sys.executable}), {platform.platform()}"
    if sys.version_info[:2] < OLDEST_PYTHON:
        return Finding(WRONG, text, "install Python {}.{} or newer, then make setup".format(*OLDEST_PYTHON))
    return Finding(OK, text)


def _spare(name: str, config: CommonConfig) -> str:
    """Why ``config`` can do without the package, or an empty string."""
    if name == "torchaudio":
        return "harmless: it is not used then, kaldi-native-fbank does its work"
    if name == "sounddevice":
        return "" if config.input == "mic" or config.input_device else "needed for a microphone only"
    if name == "torch" and _does_without_torch(config):
        return "needed for GPUs, --engine torch and funasr, --final-model and --punc-model only"
    if name == "openvino":
        return "" if config.engine == "openvino" else "without it torch decodes, several times slower"
    if name == "funasr":
        asked = config.engine == "funasr" or config.final_model or config.punc_model
        return "" if asked else "needed for --engine funasr, --final-model and --punc-model only"
    if name == "pypinyin":
        return "" if config.hotwords else "needed for hotwords only"
    if name == "wetext":
        return "" if config.itn else "needed for --itn only"
    hub = {"modelscope-hub": "ms", "huggingface-hub": "hf"}.get(name)
    if hub is None or (hub == config.hub and config.model_dir is None and not config.demo):
        return ""
    return f"needed to download a model with --hub {hub} only"


def _does_without_torch(config: CommonConfig) -> bool:
    """Whether OpenVINO decodes, and nothing else needs torch."""
    on_cpu = config.engine in ("auto", "openvino") and config.device in ("auto", "cpu")
    finals = config.final_model or config.punc_model
    return on_cpu and not finals and importlib.util.find_spec("openvino") is not None


def _package(name: str, probe: Callable[[str], str], config: CommonConfig) -> Finding:
    installed, spare = _version(name), _spare(name, config)
    try:
        found = f"{name} {installed}: {probe(name)}"
    except (Exception, SystemExit) as error:
        cause = error.__cause__ if isinstance(error, FatalError) and error.__cause__ else error
        what = str(cause) if isinstance(cause, FatalError) else describe(cause)
        text = f"{name} {installed or 'is not installed'}: {what}" + (f" ({spare})" if spare else "")
        return Finding(NOTE if spare else WRONG, text, _mend(name, installed, cause))
    pinned = _pinned(name)
    if installed is None or not pinned or installed.split("+")[0] in pinned:
        return Finding(OK, found)
    return Finding(NOTE, f"{found}; tested with {' or '.join(sorted(pinned))}", INSTALL_ALL)


def _device(config: CommonConfig) -> Finding:
    from common.engines.device import choose_device

    return Finding(OK, f"--device {config.device}: {choose_device(config.device)}, --threads {config.threads}")


def _model(config: CommonConfig, can_load: bool) -> Finding:
    """Check the files and, if ``can_load``, everything: every tensor is loaded and one inference is run."""
    folder = _model_folder(config)
    if folder is None:
        advice = "start once with a network, give a downloaded folder with --model-dir, or try --demo"
        means = "the first start downloads the model (about 880 MB, once)"
        return Finding(NOTE, "model not downloaded yet, so recognition was not tried", advice, means)
    if not can_load:
        read_folder(folder)
        return Finding(NOTE, f"model {folder}: all six files are there; not loaded because of what is {WRONG}")
    from common.engines.choose import load_engine
    from common.settings.services import ModelConfig

    begin = time.monotonic()
    load_engine(cast(ModelConfig, replace(config, model_dir=str(folder))))
    return Finding(OK, f"model {folder}: loaded, one chunk decoded, {time.monotonic() - begin:.1f} s")


def _model_folder(config: CommonConfig) -> Path | None:
    """Where the model lies, or None if it is still to be downloaded. Never touches the network."""
    if config.model_dir is not None:
        return Path(config.model_dir)
    if config.demo:
        return DEMO_MODEL
    try:
        return in_cache(config.hub, STREAMING)
    except FatalError:  # the hub's package does not import, which has a line of its own
        return None


def _final_model(value: str, kinds: Mapping[str, Kind], hub: str) -> Finding:
    from common.finals.load import located

    kind, folder = located(value, kinds, hub)
    if folder is None:
        means = f"the first start downloads {kind.name} (about {kind.size}, once)"
        return Finding(NOTE, f"{kind.name} not downloaded yet", f"start once with a network, or {kind.instead}", means)
    read_folder(folder, kind)
    return Finding(OK, f"{kind.name} {folder}: all of its files are there")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except Exception:  # not installed, or its metadata is damaged
        return None


def _pinned(name: str) -> set[str]:
    """The versions of ``name`` in the requirements: several where they depend on the version of Python."""
    lines: list[str] = []
    for path in (REQUIREMENTS, REQUIREMENTS.with_name("requirements-runtime.txt")):
        with contextlib.suppress(OSError, ValueError):
            lines += path.read_text(encoding="utf-8").splitlines()
    pins = (re.match(r"([\w.-]+)==([^\s;]+)", line) for line in lines)
    return {pin[2] for pin in pins if pin and pin[1].replace("_", "-") == name}


def _mend(name: str, installed: str | None, error: BaseException) -> str:
    """The command that mends a package that does not import."""
    if name == "torchaudio":
        return ""
    if installed is None or (isinstance(error, ModuleNotFoundError) and error.name != module_of(name)):
        return INSTALL_ALL  # it, or something that it needs, is missing
    if name in SYSTEM_LIBRARIES and isinstance(error, OSError) and sys.platform != "win32":
        debian, fedora, homebrew = SYSTEM_LIBRARIES[name]
        if sys.platform == "darwin":
            return f"brew install {homebrew}"
        return f"sudo dnf install {fedora}" if shutil.which("dnf") else f"sudo apt-get install {debian}"
    if name == "torch" and isinstance(error, OSError) and sys.platform == "win32":
        return "winget install Microsoft.VCRedist.2015+.x64"  # the DLLs that torch's wheel expects
    return _pip("--force-reinstall", "--no-deps", f"{name}=={installed.split('+')[0]}")


def _pip(*arguments: str) -> str:
    """A pip command for the Python that runs this: the one on the PATH is often another's."""
    command = [sys.executable, "-m", "pip", "install", *arguments]
    return subprocess.list2cmdline(command) if sys.platform == "win32" else " ".join(map(shlex.quote, command))


INSTALL_ALL = _pip("-r", str(REQUIREMENTS))
