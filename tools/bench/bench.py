#!/usr/bin/env python3
"""One command, one table: our engines beside FunASR's own loop, funasr-onnx and sherpa-onnx, on this machine.

Makes the real model's size with random weights (--model-dir takes a real one), and measures each engine in a process
of its own, in turns, so that what else the machine does hits all of them. Peers that are not installed are left out:

    pip install --no-deps -r requirements-bench.txt

Linux only: memory and CPU time are /proc's. Takes about ten minutes, with --hour half an hour more.
"""

from __future__ import annotations

import argparse
import json
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, Dict, Iterable, Sequence

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.bench.engines import ENGINES, OURS, Job  # noqa: E402
from tools.bench.peers import peers_folder  # noqa: E402
from tools.bench.process import Peak, SpawnedService, service_memory, silence  # noqa: E402
from tools.bench.report import machine, markdown  # noqa: E402
from tools.bench.worker import Worker, speech  # noqa: E402
from tools.random_model.make_random_model import make  # noqa: E402

CACHE = ROOT / ".cache"
PARTS = ("speed", "start", "memory", "silence", "tail", "hour")
SETTINGS = "0,10,5/1 5,10,5/1 0,10,5/2 5,10,5/2"
STARTS = 3  # of which the median counts
Results = Dict[str, Any]


def say(text: str) -> None:
    print(f"bench: {text}", file=sys.stderr)


def speed(jobs: Sequence[Job], rounds: int, chunks: int) -> dict[str, dict[str, Any]]:
    """By engine: ms for 600 ms of audio, and how many times faster than FunASR's own loop in the same round. With one
    thread ms of CPU time, which other programs disturb less; with two those on the clock."""
    clock = "cpu" if jobs[0].threads == 1 else "wall"
    found: dict[str, list[list[float]]] = {job.engine: [] for job in jobs}
    with ExitStack() as stack:
        workers = {job.engine: stack.enter_context(Worker(job)) for job in jobs}
        for worker in workers.values():
            worker.ready()
        for number in range(rounds):
            say(f"speed {jobs[0].chunk_size}, {jobs[0].threads} thread(s): round {number + 1} of {rounds}")
            for engine, worker in workers.items():
                found[engine].append(worker.ask(chunks=chunks)[clock])
    return {engine: of_rounds(ms, found.get("funasr")) for engine, ms in found.items()}


def of_rounds(ms: list[list[float]], reference: list[list[float]] | None) -> dict[str, Any]:
    median, p95 = np.percentile(np.concatenate(ms), [50, 95])
    times = None
    if reference is not None:
        ratios = [np.median(theirs) / np.median(ours) for ours, theirs in zip(ms, reference)]
        times = float(np.median(ratios))
    return {"median": float(median), "p95": float(p95), "times": times}


def all_speeds(job: Job, engines: Iterable[str], values: argparse.Namespace) -> Results:
    found: Results = {}
    for setting in values.settings.split():
        size, threads = parsed(setting)
        able = [engine for engine in engines if size in ENGINES[engine].chunk_sizes]
        jobs = [replace(job, engine=engine, chunk_size=size, threads=threads) for engine in able]
        found[setting] = speed(jobs, values.rounds, values.chunks)
        say(f"{setting}: " + ", ".join(f"{engine} {each['median']:.1f} ms" for engine, each in found[setting].items()))
    return found


def parsed(setting: str) -> tuple[tuple[int, int, int], int]:
    """``0,10,5/1``: chunk size and threads."""
    size, threads = setting.split("/")
    left, chunk, right = (int(part) for part in size.split(","))
    return (left, chunk, right), int(threads)


def starts(job: Job, engines: Iterable[str]) -> Results:
    """Seconds from the beginning of a process until its first chunk is decoded; for the services until they listen."""
    found: Results = {"engine": {}, "service": {}}
    for engine in engines:
        say(f"start: {engine}")
        took, service = [], []
        for _ in range(STARTS):
            with Worker(replace(job, engine=engine)) as worker:
                took.append(worker.ready())
            if engine in OURS:
                with SpawnedService(job.model_dir, engine, threads=1) as process:
                    service.append(process.ready())
        found["engine"][engine] = float(np.median(took))
        if service:
            found["service"][engine] = float(np.median(service))
    return found


def memories(job: Job, engines: Iterable[str]) -> Results:
    """Peak MB, resident and private, from the beginning of the process through an utterance of 20 s."""
    found: Results = {"engine": {}, "service": {}}
    for engine in engines:
        say(f"memory: {engine}")
        with Worker(replace(job, engine=engine)) as worker, Peak(worker.process.pid) as peak:
            worker.ready()
            worker.ask(chunks=32)
        found["engine"][engine] = peak.largest
        if engine in OURS:
            found["service"][engine] = service_memory(job.model_dir, engine, speech()[: 20 * 16000])
    return found


def measure(values: argparse.Namespace, job: Job, engines: list[str]) -> Results:
    parts = values.only.split(",") if values.only else [part for part in PARTS if part != "hour" or values.hour]
    ours = [engine for engine in engines if engine in OURS]
    results: Results = {"parts": parts}
    for engine in ours:
        say(f"{engine}: its first start may build a cache")
        with Worker(replace(job, engine=engine)) as worker:
            worker.ready()
    if "start" in parts:
        results["start"] = starts(job, engines)
    if "memory" in parts:
        results["memory"] = memories(job, engines)
    if "speed" in parts:
        results["speed"] = all_speeds(job, engines, values)
    if "silence" in parts:
        say("silence")
        results["silence"] = {engine: silence(job.model_dir, engine, seconds=30) for engine in ours}
    if "tail" in parts:
        say("tail")
        results["tail"] = tails(job, ours, values.rounds)
    if "hour" in parts:
        results["hour"] = hours(job, ours, values.minutes)
    return results


def tails(job: Job, engines: Iterable[str], rounds: int) -> Results:
    found: Results = {}
    for engine in engines:
        with Worker(replace(job, engine=engine)) as worker:
            worker.ready()
            found[engine] = worker.ask(tail=rounds)
    return found


def hours(job: Job, engines: Iterable[str], minutes: int) -> Results:
    found: Results = {}
    for engine in engines:
        say(f"{minutes} minutes through {engine}")
        with Worker(replace(job, engine=engine)) as worker:
            worker.ready()
            found[engine] = worker.ask(minutes=minutes)["minutes"]
    return found


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-dir", help="a paraformer-zh-streaming folder; else random weights of its size")
    parser.add_argument("--cache", type=Path, default=CACHE, help="where random weights and ONNX files are kept")
    parser.add_argument("--engines", help=f"of {','.join(ENGINES)}; else all that are installed")
    parser.add_argument("--only", help=f"of {','.join(PARTS)}; else all, the hour with --hour")
    parser.add_argument("--hour", action="store_true", help="an hour of speech through each of our engines too")
    parser.add_argument("--minutes", type=int, default=60, help="of that hour")
    parser.add_argument("--settings", default=SETTINGS, help="chunk sizes and threads of the speeds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--chunks", type=int, default=32, help="of 600 ms, an engine and round")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--json", type=Path, metavar="FILE")
    return parser.parse_args()


def main() -> None:
    values = arguments()
    if not Path("/proc/self/smaps_rollup").exists():
        sys.exit("bench: needs Linux's /proc")
    engines = values.engines.split(",") if values.engines else list(ENGINES)
    for engine in [each for each in engines if not ENGINES[each].is_installed]:
        say(f"{engine} is left out: {ENGINES[engine].needs} is not installed")
        engines.remove(engine)
    model_dir = Path(values.model_dir) if values.model_dir else make(values.cache / "random-model")
    needs_onnx = any(engine.endswith("-onnx") for engine in engines)
    cache = values.cache if values.model_dir is None else values.cache / "onnx-of-model-dir"
    peers = str(peers_folder(model_dir, cache)) if needs_onnx else None
    job = Job("", str(model_dir), peers)
    about = machine(model_dir)
    results = {"machine": about, **measure(values, job, engines)}
    table = markdown(results, engines)
    print(table)
    if values.markdown:
        values.markdown.write_text(table + "\n", encoding="utf-8")
    if values.json:
        values.json.write_text(json.dumps(results, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
