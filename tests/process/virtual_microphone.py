"""A virtual microphone: a PulseAudio server of its own whose null sink is recorded by the service."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Iterator

MISSING = [name for name in ("pulseaudio", "pactl", "paplay") if shutil.which(name) is None]
SINK = "vmic"


class VirtualMicrophone:
    """What is played into it is what the service's default microphone hears. It can be lost in several ways."""

    def __init__(self, folder: Path, rate: int, channels: int) -> None:
        runtime = folder / "runtime"
        runtime.mkdir(mode=0o700)
        self.environment = {**os.environ, "XDG_RUNTIME_DIR": str(runtime), "HOME": str(folder)}
        for name in ("PULSE_SERVER", "PULSE_RUNTIME_PATH", "DISPLAY"):
            self.environment.pop(name, None)
        self.environment.setdefault("XDG_CACHE_HOME", str(Path.home() / ".cache"))  # where an engine is prepared once
        self._log = folder / "pulseaudio.log"
        self._format = [f"rate={rate}", f"channels={channels}"]
        self.start_server()
        self.plug_in()

    def play(self, path: Path, sink: str = SINK) -> None:
        """Play a sound file; returns when it has been played."""
        self._run("paplay", f"--device={sink}", str(path), timeout=120)

    def plug_in(self, sink: str = SINK) -> None:
        """A microphone more; it is the default from here on."""
        self._run("pactl", "load-module", "module-null-sink", f"sink_name={sink}", *self._format)
        self._run("pactl", "set-default-source", f"{sink}.monitor")

    def unplug(self) -> None:
        """Every microphone."""
        self._run("pactl", "unload-module", "module-null-sink")

    def listeners(self) -> int:
        """How many streams have it open: with none the system's microphone light is off."""
        listing = ["pactl", "list", "short", "source-outputs"]
        done = subprocess.run(listing, env=self.environment, check=True, timeout=20, capture_output=True)
        return len(done.stdout.splitlines())

    def start_server(self) -> None:
        arguments = ["pulseaudio", "-n", "--exit-idle-time=-1", "--daemonize=no", "--use-pid-file=no"]
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                [*arguments, "-L", "module-native-protocol-unix"], env=self.environment, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 20
        while subprocess.run(["pactl", "info"], env=self.environment, capture_output=True, check=False).returncode:
            assert self._server.poll() is None, "pulseaudio ended"
            assert time.monotonic() < deadline, "pulseaudio does not answer"
            time.sleep(0.1)

    def kill_server(self) -> None:
        self._server.kill()
        self._server.wait()

    def freeze_server(self) -> None:
        """It is there and answers nothing, not even a call that closes a stream."""
        self._server.send_signal(signal.SIGSTOP)

    def thaw_server(self) -> None:
        self._server.send_signal(signal.SIGCONT)

    def _run(self, *command: str, timeout: float = 20) -> None:
        subprocess.run(command, env=self.environment, check=True, timeout=timeout, stdout=subprocess.DEVNULL)


@contextlib.contextmanager
def virtual_microphone(folder: Path, rate: int = 16000, channels: int = 1) -> Iterator[VirtualMicrophone]:
    microphone = VirtualMicrophone(folder, rate, channels)
    try:
        yield microphone
    finally:
        microphone.kill_server()
