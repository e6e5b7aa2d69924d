#!/usr/bin/env python3
"""How often to look at the tail of an utterance, and how sure to be of what is shown: a row for each choice.

    python -m tests.accuracy.spoken sentences --count 120
    python tools/tune/tune_tail.py sentences/*.wav --reference sentences/transcripts.tsv --times sentences/times.tsv \\
        --model-dir demo/model

Each recording is decoded once, with a look at every 32 ms; what a service would have shown is then replayed for each
--partial-interval-ms and each --unsure (the posterior below which the last tentative characters are held back), on the
simulated clock of evaluate/paced.py. Further rows with --step-ms N let every inference take N ms instead of what was
measured: the real checkpoint's time, for one. Chunks alone are FunASR's own way, text when a chunk is complete.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Iterator, NamedTuple, Optional, Tuple

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from common.engines.choose import load_engine
from common.engines.seam import Engine, Hypothesis, Session
from common.settings.command_line import build_parser, parse
from common.settings.services import StreamingConfig
from common.speech.partials import Partials
from common.speech.service import Service
from common.speech.vad import load_vad
from common.units import SAMPLE_RATE, VAD_FRAME_SAMPLES
from tools.evaluate.evaluate import Recording, recordings
from tools.evaluate.paced import listen, with_silence
from tools.evaluate.report import pair, percent
from tools.evaluate.scores import Scores

# What a session answered and the seconds that took, by what was asked and how many pieces it had heard.
Trace = Dict[Tuple[str, int], Tuple[Optional[Hypothesis], float]]


class Recorder:
    """A session that remembers what it answered and how long that took."""

    def __init__(self, session: Session, trace: Trace) -> None:
        self._session, self._trace, self._heard = session, trace, 0

    def accept(self, samples: np.ndarray) -> Hypothesis | None:
        self._heard += 1
        return self._timed("accept", lambda: self._session.accept(samples))

    def peek(self, quiet: np.ndarray | None = None) -> Hypothesis:
        return self._timed("peek", lambda: self._session.peek(quiet)) or Hypothesis()

    def finish(self) -> Hypothesis:
        return self._timed("finish", self._session.finish) or Hypothesis()

    def _timed(self, asked: str, step: Callable[[], Hypothesis | None]) -> Hypothesis | None:
        begin = time.perf_counter()
        answer = step()
        self._trace[asked, self._heard] = (answer, time.perf_counter() - begin)
        return answer


class Replay:
    """A session that answers from a trace, and lets a clock go on by the time it took."""

    def __init__(self, trace: Trace, clock: list[float], step_sec: float | None) -> None:
        self._trace, self._clock, self._step_sec, self._heard = trace, clock, step_sec, 0

    def accept(self, samples: np.ndarray) -> Hypothesis | None:  # noqa: ARG002
        self._heard += 1
        return self._answer("accept")

    def peek(self, quiet: np.ndarray | None = None) -> Hypothesis:  # noqa: ARG002
        return self._answer("peek") or Hypothesis()

    def finish(self) -> Hypothesis:
        return self._answer("finish") or Hypothesis()

    def _answer(self, asked: str) -> Hypothesis | None:
        answer, seconds = self._trace[asked, self._heard]
        if self._step_sec is not None:
            seconds = self._step_sec if answer is not None else 0.0
        self._clock[0] += seconds
        return answer


class Sessions:
    """``engine`` with sessions that ``make`` makes."""

    def __init__(self, engine: Engine, make: Callable[[], Session]) -> None:
        self.about, self.token_list, self.session = engine.about, engine.token_list, make
        self.spellings = engine.spellings


class SpeechTrack:
    """A VAD's probabilities, recorded when there is one and replayed when there is none."""

    def __init__(self) -> None:
        self._real = load_vad()
        self.recorded: list[float] = []
        self.replay: list[float] | None = None

    def probability(self, frame: np.ndarray) -> float:
        if self.replay is not None:
            return self.replay.pop(0)
        self.recorded.append(self._real.probability(frame))
        return self.recorded[-1]

    def reset(self) -> None:
        self._real.reset()
        self.recorded, self.replay = [], None


class Choice(NamedTuple):
    """``interval`` in samples, None: no looks; ``unsure``: a log-posterior; ``step_sec`` None: as measured."""

    interval: int | None
    unsure: float
    step_sec: float | None


@dataclass
class Decoded:
    """A recording with what its sessions answered, and the probabilities of speech."""

    recording: Recording
    samples: np.ndarray
    traces: list[Trace]
    speech: list[float]


def decode(recording: Recording, config: StreamingConfig, engine: Engine, vad: SpeechTrack) -> Decoded:
    """One pass with a look at every frame."""
    traces: list[Trace] = []

    def make() -> Session:
        traces.append({})
        return Recorder(engine.session(), traces[-1])

    vad.reset()
    samples = with_silence(recording.samples, config)
    service = Service(config, Sessions(engine, make), vad, Partials(peek_interval=VAD_FRAME_SAMPLES))
    for start in range(0, len(samples), VAD_FRAME_SAMPLES):
        list(service.hear(samples[start : start + VAD_FRAME_SAMPLES]))
    list(service.end())
    return Decoded(recording, samples, traces, vad.recorded)


def replay(
    decoded: Decoded, config: StreamingConfig, engine: Engine, vad: SpeechTrack, choice: Choice, scores: Scores
) -> None:
    """Add what the service would have shown to ``scores``."""
    clock = [0.0]
    traces = iter(decoded.traces)
    sessions = Sessions(engine, lambda: Replay(next(traces), clock, choice.step_sec))
    vad.replay = list(decoded.speech)
    partials = Partials(peek_interval=choice.interval, unsure=choice.unsure)
    heard = listen(Service(config, sessions, vad, partials), decoded.samples, timer=lambda: clock[0])
    scores.audio_sec += len(decoded.samples) / SAMPLE_RATE
    scores.busy_sec += heard.busy_sec
    scores.add(heard.lines, decoded.recording.text, decoded.recording.times)


def arguments_of() -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("audio", nargs="+", type=Path)
    parser.add_argument("--reference", type=Path, metavar="FILE")
    parser.add_argument("--times", type=Path, metavar="FILE")
    parser.add_argument("--partial-interval-ms", nargs="+", type=int, default=[100, 160, 200, 240, 300])
    parser.add_argument("--unsure", nargs="+", type=float, default=[0.0, 0.3, 0.5, 0.7])
    parser.add_argument("--step-ms", nargs="*", type=float, default=[])
    return parser.parse_known_args()


def main() -> None:
    flags, others = arguments_of()
    config, _ = parse(StreamingConfig(threads=1), build_parser(StreamingConfig(threads=1), ""), others)
    engine, vad = load_engine(config), SpeechTrack()
    decoded = [decode(recording, config, engine, vad) for recording in recordings(flags)]
    print("| An inference | Interval, ms | Unsure below | First text | Character | Taken back | Final | Computing |")
    print("|---|---|---|---|---|---|---|---|")
    for choice in choices(flags):
        scores = Scores()
        for each in decoded:
            replay(each, config, engine, vad, choice, scores)
        print(row(choice, scores), flush=True)


def choices(flags: argparse.Namespace) -> Iterator[Choice]:
    for step_sec in (None, *(milliseconds / 1000 for milliseconds in flags.step_ms)):
        yield Choice(None, 0.0, step_sec)
        for interval, unsure in itertools.product(flags.partial_interval_ms, flags.unsure):
            yield Choice(interval * SAMPLE_RATE // 1000, math.log(unsure) if unsure else -math.inf, step_sec)


def row(choice: Choice, scores: Scores) -> str:
    found = scores.summary()
    step = "as measured" if choice.step_sec is None else f"{choice.step_sec * 1000:.0f} ms"
    what = ["chunks alone", "–"]
    if choice.interval is not None:
        what = [str(choice.interval * 1000 // SAMPLE_RATE), f"{math.exp(choice.unsure):.1f}"]
    measured = [pair(found[name]) for name in ("first_word_ms", "word_ms")]
    rest = [percent(found["rewritten"]), pair(found["final_ms"]), f"{found['real_time_factor']:.3f}"]
    return f"| {' | '.join([step, *what, *measured, *rest])} |"


if __name__ == "__main__":
    main()
