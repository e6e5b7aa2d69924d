"""What ``--doctor`` says of the machine: is there a microphone, and can engines be kept in the cache folder."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from common.doctor.finding import NOTE, OK, WRONG, Finding
from common.engines.cache_folder import cache_path
from common.settings.flags import CommonConfig

ROOM_BYTES = 300_000_000  # an engine of the real model takes 216 MB, and a little more while it is made
ELSEWHERE = "export XDG_CACHE_HOME=FOLDER, a folder that you can write to"
NO_CACHE = "without it every start prepares the engine again"
NO_MICROPHONE = "without a microphone only --input FILE, - and jsonl can be heard"
CAUSES = {
    errno.EROFS: "it is on a file system that cannot be written",
    errno.ENOSPC: "its disk is full",
    errno.EDQUOT: "your quota on its disk is used up",
    errno.ENOTDIR: "a part of its path is a file",
}


def microphone(config: CommonConfig) -> Finding | None:
    """None if PortAudio does not load, which has a line of its own, or if no microphone is needed."""
    named = config.input == "mic" or config.input_device is not None
    if not named and (config.input is not None or config.demo):
        return None
    try:
        import sounddevice

        devices = [device for device in sounddevice.query_devices() if device["max_input_channels"] > 0]
    except Exception:
        return None
    if devices:
        return Finding(OK, f"microphone: {len(devices)} input device(s); --list-devices names them")
    advice = "plug one in, allow this program to use it in the privacy settings, or start a sound server"
    return Finding(WRONG if named else NOTE, "no microphone is found here", advice, NO_MICROPHONE)


def cache_folder() -> Finding:
    """Whether compiled engines can be kept. Makes the folder if it is missing, as the first start would."""
    try:
        root = cache_path()
    except RuntimeError as error:  # no HOME, and the system does not know the user
        return Finding(NOTE, f"no cache folder: {error}", ELSEWHERE, NO_CACHE)
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=str(root), prefix=".doctor-") as file:
            file.write(bytes(1 << 20))
            file.flush()
        free = shutil.disk_usage(str(root)).free
    except OSError as error:
        return Finding(NOTE, f"cache folder {root}: {_cause(root, error)}", ELSEWHERE, NO_CACHE)
    if free < ROOM_BYTES:
        return Finding(NOTE, f"cache folder {root}: only {free // 1_000_000} MB are free", ELSEWHERE, NO_CACHE)
    return Finding(OK, f"cache folder {root}: can be written")


def _cause(root: Path, error: OSError) -> str:
    """Why a folder cannot be made or written, in words."""
    if error.errno in CAUSES:
        return CAUSES[error.errno]
    there = next((each for each in (root, *root.parents) if each.exists()), root)
    owner = there.stat().st_uid if there.exists() else 0
    if error.errno in (errno.EACCES, errno.EPERM) and hasattr(os, "getuid") and owner != os.getuid():
        return f"{there} belongs to somebody else (user {owner}, you are {os.getuid()})"
    return f"{type(error).__name__}: {error}"
