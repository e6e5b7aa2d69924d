#!/usr/bin/env python3
"""How long a resume takes until the service listens, and a pause until the final is there.

Spawns asr_service_streaming.py on the demo model. The resume opens the default microphone (any, real or
virtual; without one it is left out); the pause ends an utterance of demo speech sent as JSON lines.
Prints medians and 95th percentiles in ms.
"""

from __future__ import annotations

import argparse
import base64
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
SERVICE = [sys.executable, str(ROOT / "asr_service_streaming.py"), "--demo", "--log-level", "warning"]


class Client:
    """A spawned service; commands go in, lines come out."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen([*SERVICE, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def send(self, kind: str, **fields: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"type": kind, **fields}).encode() + b"\n")
        self.process.stdin.flush()

    def wait_for(self, kind: str) -> dict[str, Any]:
        """The next line of this type."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            event: dict[str, Any] = json.loads(line)
            if event["type"] == "core.error_event":
                raise RuntimeError(event["message"])
            if event["type"] == kind:
                return event
        raise RuntimeError("the service ended")

    def asked(self, command: str) -> dict[str, Any]:
        self.send(f"core.control.{command}", id=command)
        return self.wait_for("core.control_ack")


def resumes(count: int) -> list[float]:
    """Seconds from each resume to its acknowledgement."""
    client = Client("--input", "mic", "--start-paused")
    client.asked("status")
    took = []
    for _ in range(count):
        begin = time.monotonic()
        if not client.asked("resume")["ok"]:
            raise RuntimeError("the microphone does not open")
        took.append(time.monotonic() - begin)
        client.asked("pause")
    client.asked("stop")
    return took


def pauses(count: int) -> list[float]:
    """Seconds from each pause, in mid-utterance with nothing left to decode, to the final."""
    import soundfile

    speech, _ = soundfile.read(str(ROOT / "demo" / "speech" / "single01.wav"), dtype="int16", frames=2 * 16000)
    client = Client("--input", "jsonl")
    took = []
    for _ in range(count):
        client.send("voice.audio.append", audio=base64.b64encode(speech.tobytes()).decode())
        while client.asked("status")["backlog_ms"]:
            pass
        begin = time.monotonic()
        client.send("core.control.pause")
        client.wait_for("voice.asr_text.final")
        took.append(time.monotonic() - begin)
        client.asked("resume")
    client.asked("stop")
    return took


def row(name: str, seconds: list[float]) -> str:
    median, p95 = np.percentile(np.array(seconds) * 1000, [50, 95])
    return f"| {name} | {median:.0f} | {p95:.0f} | {len(seconds)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=20)
    count = parser.parse_args().count
    print("| what | median, ms | p95, ms | times |\n|---|---|---|---|")
    print(row("pause → final", pauses(count)))
    try:
        print(row("resume → listening", resumes(count)))
    except RuntimeError as error:
        print(f"resume → listening: not measured: {error}", file=sys.stderr)


if __name__ == "__main__":
    main()
