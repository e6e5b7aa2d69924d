"""The real process: spawned, fed, listened to."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterator

import numpy as np

from tests.audio import ROOT
from tools.check.check_events import check

SLOW_IMPORTS = """
import hashlib, os, sys

class Wait:
    def find_spec(self, name, path=None, target=None):
        while name in ("torch", "openvino") and not os.path.exists({go_on!r}):
            hashlib.pbkdf2_hmac("sha256", b"x" * 9, b"y" * 9, {rounds})

sys.meta_path.insert(0, Wait())
"""
SERVICE_PYTHON = os.environ.get("SERVICE_PYTHON", sys.executable)  # of another environment: the runtime alone
A_MOMENT, MINUTES = 50_000, 200_000_000  # rounds inside a library, where Python runs no signal handler


@dataclass(frozen=True)
class Ended:
    """What a process printed, and how it ended."""

    events: list[dict[str, Any]]
    log: str
    status: int

    @property
    def finals(self) -> list[str]:
        return [event["text"] for event in self.events if event["type"] == "voice.asr_text.final"]

    @property
    def errors(self) -> list[str]:
        return [event["error_code"] for event in self.events if event["type"] == "core.error_event"]


def checked(stdout: bytes, **options: Any) -> list[dict[str, Any]]:
    """Every byte of stdout as events that keep the protocol's guarantees; ``options`` are those of ``check``."""
    lines = io.BytesIO(stdout).readlines()
    broken = check(lines, **options)
    assert not broken, broken
    return [json.loads(line) for line in lines]


def command(script: str, *arguments: str) -> list[str]:
    return [SERVICE_PYTHON, str(ROOT / f"{script}.py"), *arguments]


def environment(**changes: str) -> dict[str, str]:
    """The test's own environment, without what would colour or buffer a child differently."""
    return {**{key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}, **changes}


def run(script: str, *arguments: str, stdin: bytes | None = None, timeout: float = 120, **env: str) -> Ended:
    """Run a script to its end. Finals that are polished may differ from their partials."""
    done = subprocess.run(
        command(script, *arguments),
        input=b"" if stdin is None else stdin,
        capture_output=True,
        timeout=timeout,
        env=environment(**env),
        check=False,
    )
    polished = {"--itn", "--final-model", "--punc-model"} & set(arguments)
    events = checked(done.stdout, append_only=script == "asr_service" and not polished)
    return Ended(events, done.stderr.decode("utf-8", errors="replace"), done.returncode)


def slow_loading(folder: Path, rounds: int = A_MOMENT) -> tuple[dict[str, str], Path]:
    """An environment in which the packages that compute load only once a file exists, however fast the machine is."""
    go_on = folder / "go-on"
    (folder / "sitecustomize.py").write_text(SLOW_IMPORTS.format(go_on=str(go_on), rounds=rounds), encoding="utf-8")
    return {"PYTHONPATH": str(folder)}, go_on


class Running:
    """A process that hears raw PCM on stdin until it is told to end; its lines are read as they come."""

    def __init__(self, process: subprocess.Popen[bytes], append_only: bool = False) -> None:
        self.process = process
        self.append_only = append_only  # it is asr_service.py
        self.stdout = b""
        self.log = b""
        self.sent: list[bytes] = []  # lines to stdin
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in ("stdout", "stderr")]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        for line in getattr(self.process, name) or ():  # it may be a terminal, which the test reads itself
            if name == "stdout":
                self.stdout += line
            else:
                self.log += line

    def speak(self, samples: np.ndarray) -> None:
        """Write raw PCM to stdin as it would be spoken."""
        assert self.process.stdin is not None
        for start in range(0, len(samples), 1600):
            self.process.stdin.write((np.clip(samples[start : start + 1600], -1, 1) * 32767).astype("<i2").tobytes())
            self.process.stdin.flush()
            time.sleep(0.1)

    def send(self, **command: Any) -> None:
        """Write a JSON line to stdin."""
        self.send_line(json.dumps(command).encode())

    def send_line(self, line: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        self.sent.append(line + b"\n")

    def say(self, samples: np.ndarray, block: int = 1600) -> None:
        """Send audio as JSON lines."""
        for start in range(0, len(samples), block):
            pcm = (np.clip(samples[start : start + block], -1, 1) * 32767).astype("<i2").tobytes()
            self.send(type="voice.audio.append", audio=base64.b64encode(pcm).decode())

    def close_stdin(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()

    def wait_for(self, text: bytes, stream: str = "stdout", timeout: float = 90) -> None:
        deadline = time.monotonic() + timeout
        while text not in (self.stdout if stream == "stdout" else self.log):
            assert time.monotonic() < deadline, f"no {text!r} in {timeout} s; log: {self.log.decode()}"
            assert self.process.poll() is None, f"ended early: {self.log.decode()}"
            time.sleep(0.02)

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self, timeout: float = 20) -> Ended:
        """Wait for the process, without touching its stdin."""
        status = self.process.wait(timeout)
        for reader in self._readers:
            reader.join(timeout)
        events = checked(self.stdout, append_only=self.append_only, commands=self.sent)
        return Ended(events, self.log.decode("utf-8", errors="replace"), status)


@contextlib.contextmanager
def running_process(process: subprocess.Popen[bytes], append_only: bool = False) -> Iterator[Running]:
    """The process with its lines; killed at the end if it is still there."""
    try:
        yield Running(process, append_only)
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()
        if process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()


@contextlib.contextmanager
def listening(script: str, *arguments: str, source: str = "-") -> Iterator[Running]:
    """A spawned service on the demo model that listens to its stdin: raw PCM at 16 kHz, or ``jsonl``."""
    process = subprocess.Popen(
        command(script, "--demo", "--input", source, *arguments),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    with running_process(process, append_only=script == "asr_service") as running:
        running.wait_for(b"listening", "log")
        yield running
