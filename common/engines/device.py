"""Which device computes, and packages that may be missing."""

from __future__ import annotations

import ctypes
import logging
import platform

from common.errors import FatalError, bad_setting
from common.packages import import_or_explain

log = logging.getLogger(__name__)

NVIDIA_DRIVER = {"Windows": "nvcuda.dll"}.get(platform.system(), "libcuda.so.1")


def choose_device(wanted: str) -> str:
    """``wanted`` as torch names it. auto is CUDA where there is one, else the CPU: MPS only when asked for, as the
    streaming path is not tested on it. torch is imported only if a GPU may be meant.

    Raises FatalError ``config_invalid`` for a device that this machine does not have.
    """
    if wanted == "auto":
        return "cuda:0" if _has_nvidia_driver() and _torch_sees_cuda() else "cpu"
    if wanted == "cpu":
        return "cpu"
    torch = import_or_explain("torch")
    if wanted.startswith("cuda"):
        index = int(wanted[5:] or 0)
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if index >= count:
            raise bad_setting(
                f"--device {wanted}: torch {torch.__version__} sees {count} CUDA device(s); use --device cpu"
            )
        return f"cuda:{index}"
    if not torch.backends.mps.is_available():
        raise bad_setting("--device mps: torch sees no Apple GPU here; use --device cpu")
    return wanted


def _torch_sees_cuda() -> bool:
    try:
        torch = import_or_explain("torch")
    except FatalError as error:
        log.info("an NVIDIA GPU may be here, which takes torch; the CPU decodes without it: %s", error)
        return False
    return bool(torch.cuda.is_available())


def _has_nvidia_driver() -> bool:
    try:
        ctypes.CDLL(NVIDIA_DRIVER)
    except OSError:
        return False
    return True
