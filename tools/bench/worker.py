"""One engine in a process of its own, so that engines can be measured in turns: the process, and its client.

The process reads a line of JSON for each request and answers with one: ``{"chunks": n}`` gives
``{"wall": [ms…], "cpu": [ms…]}``, ``{"minutes": n}`` gives ``{"minutes": [...]}``, ``{"tail": n}`` what looking at the
tail costs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Iterator

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from common.settings.flags import DEMO_SPEECH  # noqa: E402
from common.units import SAMPLE_RATE, VAD_FRAME_SAMPLES  # noqa: E402
from tools.bench.engines import ENGINES, Begin, Job, slice_service, streaming_services  # noqa: E402
from tools.bench.process import memory  # noqa: E402

STEP = 9600  # samples: 600 ms
UTTERANCE = 33  # steps: the services' longest utterance is 20 s


class Worker:
    """A spawned process with one engine, which ``with`` ends."""

    def __init__(self, job: Job) -> None:
        self._begin = time.monotonic()
        command = [sys.executable, str(Path(__file__).resolve()), json.dumps(asdict(job))]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def ready(self) -> float:
        """Wait until it has decoded its first chunk; seconds since it was spawned."""
        self._answer()
        return time.monotonic() - self._begin

    def ask(self, **request: Any) -> dict[str, Any]:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(request).encode() + b"\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with status {self.process.wait()}; its log is above")
        answer: dict[str, Any] = json.loads(line)
        return answer


def speech() -> np.ndarray:
    """The bundled recording, its first minute: 16 kHz mono float32."""
    import soundfile

    from common.engines.quiet import without_digital_silence

    samples, _ = soundfile.read(str(DEMO_SPEECH), dtype="float32", frames=100 * STEP)
    return without_digital_silence(samples, 0)


def steps(begin: Begin, samples: np.ndarray) -> Iterator[tuple[float, float]]:
    """Decode ``samples`` again and again, an utterance of 20 s after the other; wall and CPU ms of each 600 ms but
    the first of an utterance, in which an engine that looks ahead does nothing."""
    position = 0
    while True:
        feed = begin()
        for number in range(UTTERANCE):
            piece = samples[position : position + STEP]
            position = (position + STEP) % len(samples)
            wall, cpu = time.perf_counter(), time.process_time()
            feed(piece)
            if number > 0:
                yield (time.perf_counter() - wall) * 1000, (time.process_time() - cpu) * 1000


def minutes_of_a_service(job: Job, count: int) -> list[dict[str, float]]:
    """The same minute of speech ``count`` times through a service without a pause: mean CPU ms for each 600 ms of it,
    and the process's memory behind it in MB."""
    samples = speech()
    service = slice_service(job)
    found = []
    for _ in range(count):
        before = time.process_time()
        for start in range(0, len(samples), STEP):
            for _event in service.hear(samples[start : start + STEP], backlog=len(samples)):
                pass
        took = (time.process_time() - before) * 1000 * STEP / len(samples)
        found.append({"ms": took, **memory(os.getpid())})
    return found


def shares_of_a_core(job: Job, rounds: int) -> dict[str, float]:
    """CPU time over the time of speech without a pause: of the streaming service, and of the same that never looks at
    the tail. A minute each in turns; the medians of ``rounds``."""
    samples, services = speech(), dict(zip(("with", "without"), streaming_services(job)))
    shares: dict[str, list[float]] = {name: [] for name in services}
    for _ in range(rounds):
        for name, service in services.items():
            before = time.process_time()
            for start in range(0, len(samples), VAD_FRAME_SAMPLES):
                for _event in service.hear(samples[start : start + VAD_FRAME_SAMPLES]):
                    pass
            shares[name].append((time.process_time() - before) * SAMPLE_RATE / len(samples))
    return {name: float(np.median(each)) for name, each in shares.items()}


def main() -> None:
    replies = os.fdopen(os.dup(1), "w", buffering=1)  # libraries print to stdout
    os.dup2(2, 1)
    job = Job(**json.loads(sys.argv[1]))
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[: job.threads])
    begin, samples = ENGINES[job.engine].open(job), speech()
    measured = steps(begin, samples)
    next(measured)
    print(json.dumps({"ready": True}), file=replies)
    for line in sys.stdin:
        request = json.loads(line)
        if "minutes" in request:
            answer: dict[str, Any] = {"minutes": minutes_of_a_service(job, request["minutes"])}
        elif "tail" in request:
            answer = shares_of_a_core(job, request["tail"])
        else:
            wall, cpu = zip(*(next(measured) for _ in range(request["chunks"])))
            answer = {"wall": wall, "cpu": cpu}
        print(json.dumps(answer), file=replies)


if __name__ == "__main__":
    main()
