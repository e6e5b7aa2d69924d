"""What ``--doctor`` asks each package: a probe imports it and says what it found."""

from __future__ import annotations

import importlib
from typing import Callable


def _torch(_name: str) -> str:
    import torch

    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    gpus = ", ".join(torch.cuda.get_device_name(index) for index in range(count))
    return f"CUDA {gpus or 'no'}, MPS {'yes' if torch.backends.mps.is_available() else 'no'}"


def _funasr(_name: str) -> str:
    from common.engines.funasr.build import import_automodel

    import_automodel()
    return "imports"


def _silero(_name: str) -> str:
    from common.speech.vad import load_vad

    load_vad()
    return "its model runs"


def _soundfile(_name: str) -> str:
    import soundfile

    mp3 = "reads mp3" if "MP3" in soundfile.available_formats() else "too old to read mp3"
    return f"libsndfile {soundfile.__libsndfile_version__}, {mp3}"


def _sounddevice(_name: str) -> str:
    import sounddevice

    return str(sounddevice.get_portaudio_version()[1].split(",")[0])


def _hub(name: str) -> str:
    from common.engines.hub import snapshot_download

    snapshot_download("ms" if name == "modelscope-hub" else "hf")
    return "imports"


def _imports(name: str) -> str:
    importlib.import_module(module_of(name))
    return "imports"


def _openvino(_name: str) -> str:
    from common.engines.openvino.package import openvino

    openvino()
    return "imports"


PROBES: dict[str, Callable[[str], str]] = {  # each imports its package and says what it found
    "numpy": _imports,
    "torch": _torch,
    "openvino": _openvino,
    "torchaudio": _imports,
    "kaldi-native-fbank": _imports,
    "funasr": _funasr,
    "silero-vad": _silero,
    "soxr": _imports,
    "soundfile": _soundfile,
    "sounddevice": _sounddevice,
    "pypinyin": _imports,
    "wetext": _imports,
    "modelscope-hub": _hub,
    "huggingface-hub": _hub,
}


def module_of(name: str) -> str:
    return name.replace("-", "_")
