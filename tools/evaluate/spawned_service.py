"""A recording through a service process in real time, with the wall clock of the lines it prints."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO, Any, Sequence

import numpy as np

from common.units import SAMPLE_RATE
from tools.evaluate.timeline import Line, Spoken

LISTENING = b"INFO listening"  # on stderr, when the first sample of a paced file has just begun to be spoken


def listen_in_real_time(call: Sequence[str], samples: np.ndarray) -> list[Line]:
    """Start ``call`` (script and flags) on ``samples`` (16 kHz mono float32), paced; raises SystemExit if it fails."""
    import soundfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recording.wav"
        soundfile.write(str(path), samples, SAMPLE_RATE, subtype="FLOAT")
        command = [sys.executable, *call, "--input", str(path), "--realtime", "--extended", "--log-level", "info"]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert process.stdout is not None and process.stderr is not None
        log: list[tuple[float, bytes]] = []
        reader = threading.Thread(target=_collect, args=(process.stderr, log), daemon=True)
        reader.start()
        printed: list[tuple[float, bytes]] = []
        _collect(process.stdout, printed)
        status = process.wait()
        reader.join()
    began = next((at for at, line in log if line.startswith(LISTENING)), None)
    if status or began is None:
        raise SystemExit("the service failed: " + b"".join(line for _, line in (*log, *printed)).decode())
    events = ((at - began, json.loads(line)) for at, line in printed)
    return [line_of(at, event) for at, event in events if event["type"].startswith("voice.asr_text.")]


def _collect(stream: IO[bytes], into: list[tuple[float, bytes]]) -> None:
    for line in stream:
        into.append((time.monotonic(), line))


def line_of(at: float, event: dict[str, Any]) -> Line:
    """Of a text event that was printed with ``--extended``."""
    words = tuple(Spoken(w["text"].lower(), w["start_ms"] / 1000, w["end_ms"] / 1000) for w in event["words"])
    start = event["start_ms"] / 1000
    return Line(at, event["trace_id"], event["text"], words, event.get("stable", 0), start, event.get("end_reason"))
