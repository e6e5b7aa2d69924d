"""The real process: spawned, fed, listened to."""

from __future__ import annotations

import base64
import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import Any, Iterator

import numpy as np

from tests.audio import ROOT

KEYS = {
    "voice.asr_text.partial": ["type", "ts", "trace_id", "source", "text", "confidence"],
    "voice.asr_text.final": ["type", "ts", "trace_id", "source", "text", "confidence"],
    "core.error_event": ["type", "ts", "trace_id", "source", "error_code", "message"],
    "core.control_ack": ["type", "ts", "trace_id", "source", "id", "ok"],
}


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


def checked(stdout: bytes) -> list[dict[str, Any]]:
    """Every byte of stdout as events: whole lines, the keys in their order, time stamps that never fall."""
    assert stdout == b"" or stdout.endswith(b"\n")
    events = [json.loads(line) for line in stdout.decode("utf-8").splitlines()]
    for event in events:
        keys = list(event)
        if event["type"] == "core.control_ack":
            keys = keys[:6]  # what follows depends on the command
        assert keys == KEYS[event["type"]]
        assert len(event["trace_id"]) == 32 and set(event["trace_id"]) <= set("0123456789abcdef")
    stamps = [event["ts"] for event in events]
    assert stamps == sorted(stamps)
    return events


def command(script: str, *arguments: str) -> list[str]:
    return [sys.executable, str(ROOT / f"{script}.py"), *arguments]


def environment(**changes: str) -> dict[str, str]:
    """The test's own environment, without what would colour or buffer a child differently."""
    return {**{key: value for key, value in os.environ.items() if key != "PYTHONUNBUFFERED"}, **changes}


def run(script: str, *arguments: str, stdin: bytes | None = None, timeout: float = 120, **env: str) -> Ended:
    """Run a script to its end."""
    done = subprocess.run(
        command(script, *arguments),
        input=b"" if stdin is None else stdin,
        capture_output=True,
        timeout=timeout,
        env=environment(**env),
        check=False,
    )
    return Ended(checked(done.stdout), done.stderr.decode("utf-8", errors="replace"), done.returncode)


class Running:
    """A process that hears raw PCM on stdin until it is told to end; its lines are read as they come."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.stdout = b""
        self.log = b""
        self._readers = [threading.Thread(target=self._read, args=(name,)) for name in ("stdout", "stderr")]
        for reader in self._readers:
            reader.start()

    def _read(self, name: str) -> None:
        stream = getattr(self.process, name)
        for line in stream:
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
        return Ended(checked(self.stdout), self.log.decode("utf-8", errors="replace"), status)


@contextlib.contextmanager
def running_process(process: subprocess.Popen[bytes]) -> Iterator[Running]:
    """The process with its lines; killed at the end if it is still there."""
    try:
        yield Running(process)
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
    with running_process(process) as running:
        running.wait_for(b"listening", "log")
        yield running
