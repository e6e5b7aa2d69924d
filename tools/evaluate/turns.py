#!/usr/bin/env python3
"""How soon a turn is told to have begun and to have probably ended, and how often that does not hold.

    python -m tests.accuracy.spoken sentences --count 60
    python tools/evaluate/turns.py sentences/*.wav --times sentences/times.tsv --demo

Times are audio time alone: what had been heard when a line was decided, against when the speech really begins and ends
by --times. What computing adds on a machine comes on top. Recordings without times (noise) are counted, no more.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Sequence

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from common.engines.choose import load_engine  # noqa: E402
from common.settings.command_line import build_parser, parse  # noqa: E402
from common.settings.services import StreamingConfig  # noqa: E402
from common.speech.service import Service  # noqa: E402
from common.speech.vad import load_vad  # noqa: E402
from common.units import SAMPLE_RATE  # noqa: E402
from common.wire.events import EagerEnd, Event, Final, TurnEnded, TurnResumed, TurnStarted  # noqa: E402
from tools.evaluate.evaluate import Recording, arguments_of, recordings  # noqa: E402
from tools.evaluate.paced import BLOCK, partials_of, with_silence  # noqa: E402


def printed(recording: Recording, service: Service, config: StreamingConfig) -> list[Event]:
    samples = with_silence(recording.samples, config)
    blocks = (samples[start : start + BLOCK] for start in range(0, len(samples), BLOCK))
    return [event for block in blocks for event in service.hear(block)] + list(service.end())


def percentiles(name: str, milliseconds: Sequence[float]) -> None:
    if milliseconds:
        median, p95 = np.percentile(milliseconds, [50, 95])
        print(f"{name}: {median:.0f} ms median, {p95:.0f} ms p95, {len(milliseconds)} times")


def main() -> None:
    flags, others = arguments_of()
    config, _ = parse(StreamingConfig(), build_parser(StreamingConfig(), ""), [*others, "--turns"])
    engine, vad = load_engine(config), load_vad()
    begins, ends, events = [], [], []
    for recording in recordings(flags):
        vad.reset()
        found = printed(recording, Service(config, engine, vad, partials_of(config)), config)
        events += found
        known = [time for spoken in recording.times for time in (spoken.start, spoken.end) if np.isfinite(time)]
        starts = [event.heard for event in found if isinstance(event, TurnStarted)]
        eager = [event.heard for event in found if isinstance(event, EagerEnd)]
        if known and starts and eager:
            begins.append(starts[0] / SAMPLE_RATE * 1000 - min(known) * 1000)
            ends.append(eager[-1] / SAMPLE_RATE * 1000 - max(known) * 1000)
    percentiles("speech begins -> started", begins)
    percentiles("last word ends -> eager_end", ends)
    finals = sum(isinstance(event, Final) for event in events)
    other = sum(isinstance(event, TurnResumed) and event.reason == "text" for event in events)
    more = sum(isinstance(event, TurnResumed) and event.reason == "speech" for event in events)
    silent = sum(isinstance(event, TurnEnded) and not event.final for event in events)
    print(f"{sum(isinstance(event, TurnStarted) for event in events)} turns, {silent} of them without a final")
    print(f"{finals} finals, {other} of them with another text than was foreseen; {more} times more was said")


if __name__ == "__main__":
    main()
