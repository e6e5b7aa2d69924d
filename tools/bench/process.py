"""What a process costs, as Linux's /proc has it, and the services measured from outside."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
BLOCK = 1600  # samples: 100 ms


def memory(pid: int) -> dict[str, float]:
    """MB: ``resident``, ``private`` (no other process has it mapped) and ``anonymous`` (no file is behind it: only what
    it holds itself, which the kernel cannot take back)."""
    found: dict[str, int] = {}
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines()[1:]:
        name, value = line.split(":")
        found[name] = int(value.split()[0])
    private = found["Private_Clean"] + found["Private_Dirty"]
    return {"resident": found["Rss"] / 1024, "private": private / 1024, "anonymous": found["Anonymous"] / 1024}


class Peak:
    """The largest memory of a process while ``with`` lasts, looked at every 20 ms."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._over = threading.Event()
        self.largest = {"resident": 0.0, "private": 0.0, "anonymous": 0.0}
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Peak:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._over.wait(0.02):
            try:
                now = memory(self._pid)
            except (OSError, KeyError, IndexError):  # it has just begun, or ended
                continue
            self.largest = {name: max(value, now[name]) for name, value in self.largest.items()}


def cpu_seconds(pid: int) -> float:
    """User and system time of all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class SpawnedService:
    """asr_service.py on raw PCM from a pipe; ``with`` ends it."""

    def __init__(self, model_dir: str, engine: str, threads: int) -> None:
        self._begin = time.monotonic()
        command = [sys.executable, str(ROOT / "asr_service.py"), "--model-dir", model_dir, "--input", "-"]
        command += ["--engine", engine, "--device", "cpu", "--threads", str(threads)]
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )

    def __enter__(self) -> SpawnedService:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stderr):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()

    def ready(self) -> float:
        """Wait until it listens; seconds since it was spawned."""
        log = b""
        while b"listening" not in log:
            line = self.process.stderr.readline() if self.process.stderr is not None else b""
            if not line:
                raise RuntimeError(f"the service ended: {log.decode(errors='replace')}")
            log += line
        return time.monotonic() - self._begin

    def hear(self, samples: np.ndarray) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
        self.process.stdin.flush()


def silence(model_dir: str, engine: str, seconds: float) -> float:
    """CPU seconds a second that the service takes while nobody speaks: noise of ±1/32768, paced as it would come."""
    noise = np.random.default_rng(0).integers(-1, 2, size=BLOCK) / 32767
    with SpawnedService(model_dir, engine, threads=1) as service:
        service.ready()
        service.hear(noise)
        time.sleep(1)
        cpu, begin = cpu_seconds(service.process.pid), time.monotonic()
        for number in range(int(seconds * 10)):
            time.sleep(max(0.0, begin + number / 10 - time.monotonic()))
            service.hear(noise)
        return (cpu_seconds(service.process.pid) - cpu) / (time.monotonic() - begin)


def service_memory(model_dir: str, engine: str, samples: np.ndarray) -> dict[str, Any]:
    """Peak MB of the service from its first moment until it has heard ``samples``, as fast as it can."""
    with SpawnedService(model_dir, engine, threads=1) as service, Peak(service.process.pid) as peak:
        service.ready()
        service.hear(samples)
        assert service.process.stdin is not None
        service.process.stdin.close()
        service.process.wait()
    return peak.largest
