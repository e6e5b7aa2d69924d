#!/usr/bin/env python3
"""Play minutes or hours of audio to a service, as fast as it goes, and say whether cost or memory grow.

    python tools/soak/soak.py 60 --service streaming --demo --threads 1
    python tools/soak/soak.py 60 --service slices --demo --threads 1 --spawn

The audio is made from a seed: the demo's recordings at many levels, silence and noise between them. A tenth of it is
played once to warm up and then ten times, so that cost is compared on the same audio. --spawn feeds a process; without
it the service runs here, and what one chunk costs is known. Needs Linux, whose /proc tells what memory is used.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from common.settings.services import ModelConfig, SliceConfig, StreamingConfig  # noqa: E402
from common.units import SAMPLE_RATE  # noqa: E402
from common.wire.lines import to_line  # noqa: E402
from tools.bench.process import cpu_seconds, memory  # noqa: E402
from tools.check.check_events import check  # noqa: E402

TENTHS = 10
TICK = 0.01  # seconds: what /proc counts processor time in; a few minutes of audio are too short for a ratio
BLOCK = 1600  # samples
SCRIPTS = {"slices": "asr_service.py", "streaming": "asr_service_streaming.py"}


def made(seconds: float, seed: int) -> np.ndarray:
    """Recordings, silence and noise, 16-bit."""
    import soundfile

    rng = np.random.default_rng(seed)
    paths = sorted((ROOT / "demo" / "speech").glob("*.wav"))
    recordings = [soundfile.read(str(path), dtype="float32")[0] for path in paths]
    pieces: list[np.ndarray] = []
    while sum(map(len, pieces)) < seconds * SAMPLE_RATE:
        speech = recordings[int(rng.integers(len(recordings)))] * rng.uniform(0.2, 1.0)
        silence = np.zeros(int(rng.choice([0.3, 1.5, 6.0]) * SAMPLE_RATE), dtype=np.float32)
        noise = rng.normal(size=int(rng.uniform(0, 3) * SAMPLE_RATE)) * rng.uniform(0, 0.02)
        hiss = rng.normal(size=len(speech)) * rng.choice([0.0, 0.002, 0.01])
        pieces += [speech + hiss, silence, noise]
    samples = np.concatenate(pieces)[: int(seconds * SAMPLE_RATE)]
    clipped: np.ndarray = np.clip(samples, -1, 1) * 32767
    return clipped.astype("<i2")


class Report:
    """CPU seconds and memory behind every tenth."""

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._spent = cpu_seconds(pid)
        self.costs: list[float] = []
        self.resident: list[float] = []

    def warm(self) -> None:
        """From here on it counts: the model is loaded and has decoded everything once."""
        self._spent = cpu_seconds(self._pid)
        self._warm = memory(self._pid)["resident"]

    def tenth(self) -> None:
        spent = cpu_seconds(self._pid)
        self.costs.append(spent - self._spent)
        self.resident.append(memory(self._pid)["resident"])
        self._spent = spent
        print(f"tenth {len(self.costs)}: {self.costs[-1]:.1f} CPU s, {self.resident[-1]:.1f} MB", file=sys.stderr)

    def text(self) -> str:
        growth = self.resident[-1] - self._warm
        return (
            f"cost of a tenth: {self.costs[0]:.2f} CPU s first, {self.costs[-1]:.2f} last, "
            f"ratio {self.costs[-1] / max(self.costs[0], TICK):.3f}\n"
            f"memory: {self._warm:.1f} MB behind the warm-up, {self.resident[-1]:.1f} at the end: "
            f"{growth:+.1f} MB"
        )


class TimedEngine:
    """An engine that notes what each decoded chunk cost, in ms."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.token_list, self.about, self.spellings = engine.token_list, engine.about, engine.spellings
        self.chunks: list[float] = []

    def session(self) -> Any:
        return TimedSession(self._engine.session(), self.chunks)


class TimedSession:
    """Around the session, not inside it: a session that refers to itself stays until Python looks for such circles."""

    def __init__(self, session: Any, chunks: list[float]) -> None:
        self._session, self._chunks = session, chunks
        self.peek, self.finish = session.peek, session.finish

    def accept(self, samples: np.ndarray) -> Any:
        begin = time.perf_counter()
        decoded = self._session.accept(samples)
        if decoded is not None:
            self._chunks.append((time.perf_counter() - begin) * 1000)
        return decoded


def inside(config: ModelConfig, tenth: np.ndarray) -> tuple[Report, list[bytes], str]:
    """Through a service in this process."""
    from common.engines.choose import load_engine
    from common.speech.service import Service
    from common.speech.vad import load_vad
    from tools.evaluate.paced import partials_of

    engine = TimedEngine(load_engine(config))
    service = Service(config, engine, load_vad(), partials_of(config))
    samples = tenth.astype(np.float32) / 32768
    report = Report(os.getpid())
    lines: list[bytes] = []
    edges = [0]
    begin = time.perf_counter()
    for number in range(1 + TENTHS):
        for start in range(0, len(samples), BLOCK):
            for event in service.hear(samples[start : start + BLOCK]):
                lines.append(to_line(event, time.time_ns() // 1_000_000).encode())
        report.tenth() if number else report.warm()
        edges.append(len(engine.chunks))
    lines += [to_line(event, time.time_ns() // 1_000_000).encode() for event in service.end()]
    first, last = engine.chunks[edges[1] : edges[2]], engine.chunks[edges[-2] :]
    one, other = statistics.median(first), statistics.median(last)
    speed = (1 + TENTHS) * len(samples) / SAMPLE_RATE / (time.perf_counter() - begin)
    what = f"chunks: {len(engine.chunks)}; one costs {one:.2f} ms in the first tenth, {other:.2f} in the last "
    return report, lines, what + f"(medians), ratio {other / one:.3f}; {speed:.0f} times as fast as spoken"


def outside(call: list[str], tenth: np.ndarray) -> tuple[Report, list[bytes], str]:
    """Through a process of its own, on raw PCM."""
    process = subprocess.Popen(call, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert process.stdin is not None and process.stdout is not None
    lines: list[bytes] = []
    reader = threading.Thread(target=lines.extend, args=(process.stdout,))
    reader.start()
    report = Report(process.pid)
    for number in range(1 + TENTHS):
        process.stdin.write(tenth.tobytes())
        process.stdin.flush()
        report.tenth() if number else report.warm()
    process.stdin.close()
    reader.join()
    return report, lines, f"exit status {process.wait()}"


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("minutes", type=float, help="of audio")
    parser.add_argument("--service", choices=sorted(SCRIPTS), default="streaming")
    parser.add_argument("--spawn", action="store_true", help="feed a process instead of a service in this one")
    parser.add_argument("--demo", action="store_true", help="the bundled model")
    parser.add_argument("--model-dir", metavar="DIR")
    parser.add_argument("--engine", default="auto")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    tenth = made(options.minutes * 60 / TENTHS, options.seed)
    model = ["--demo"] if options.model_dir is None else ["--model-dir", options.model_dir]
    if options.spawn:
        call = [sys.executable, str(ROOT / SCRIPTS[options.service]), *model, "--input", "-"]
        call += ["--engine", options.engine, "--threads", str(options.threads)]
        report, lines, what = outside(call, tenth)
    else:
        kind = SliceConfig if options.service == "slices" else StreamingConfig
        settings = {"model_dir": options.model_dir, "demo": options.model_dir is None}
        config = kind(engine=options.engine, threads=options.threads, **settings)
        report, lines, what = inside(config, tenth)
    violations = check(lines, append_only=options.service == "slices")
    for violation in violations[:20]:
        print(violation)
    kept = sum(map(sys.getsizeof, lines)) / 1e6
    print(f"{report.text()} ({kept:.1f} MB are the lines, which are kept to be checked)\n{what}")
    print(f"lines: {len(lines)}, violations of the protocol: {len(violations)}")
    return 1 if violations else 0


if __name__ == "__main__":
    sys.exit(main())
