"""A virtual microphone: a PulseAudio server of its own whose null sink is recorded by the service."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import Iterator

MISSING = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
SINK = "vmic"


class VirtualMicrophone:
    """What is played into it is what the service's default microphone hears."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.environment = environment

    def play(self, path: Path) -> None:
        """Play a sound file; returns when it has been played."""
        subprocess.run(["paplay", f"--device={SINK}", str(path)], env=self.environment, check=True, timeout=120)


@contextlib.contextmanager
def virtual_microphone(folder: Path, rate: int, channels: int) -> Iterator[VirtualMicrophone]:
    runtime = folder / "runtime"
    runtime.mkdir(mode=0o700)
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "HOME": str(folder)}
    for name in ("PULSE_SERVER", "PULSE_RUNTIME_PATH", "DISPLAY"):
        environment.pop(name, None)
    sink = f"module-null-sink sink_name={SINK} rate={rate} channels={channels}"
    arguments = ["pulseaudio", "-n", "--exit-idle-time=-1", "--daemonize=no", "--use-pid-file=no"]
    arguments += ["-L", "module-native-protocol-unix", "-L", sink]
    log = (folder / "pulseaudio.log").open("wb")
    server = subprocess.Popen(arguments, env=environment, stdout=log, stderr=log)
    try:
        _wait_for(environment, server)
        subprocess.run(["pactl", "set-default-source", f"{SINK}.monitor"], env=environment, check=True, timeout=20)
        yield VirtualMicrophone(environment)
    finally:
        server.kill()
        server.wait()
        log.close()


def _wait_for(environment: dict[str, str], server: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while subprocess.run(["pactl", "info"], env=environment, capture_output=True, check=False).returncode != 0:
        assert server.poll() is None, "pulseaudio ended"
        assert time.monotonic() < deadline, "pulseaudio does not answer"
        time.sleep(0.1)
