"""A recording through a service as if it were being spoken, on a simulated clock: no waiting, honest delays.

The model: a microphone hands over a block of 32 ms when its last sample has been spoken. One thread takes the blocks in
order, each when it has arrived and the one before it is done; how long that takes is measured. An event is on the
screen when the thread hands it over: at the block's turn, plus the time measured until then. What piles up meanwhile
is the backlog that the service is told, so a machine that cannot keep up looks at the tail less often here as well.
Left out are the sound card's own delay, the pipe to the consumer and its drawing.
"""

from __future__ import annotations

import time
from typing import Callable, NamedTuple

import numpy as np

from common.engines.quiet import quiet_noise
from common.settings.services import ModelConfig, SliceConfig
from common.speech.partials import Partials
from common.speech.service import Service
from common.units import SAMPLE_RATE
from common.wire.events import Event
from tools.evaluate.timeline import Line

BLOCK = 512  # samples: 32 ms, the microphone's block and the VAD's frame


class Heard(NamedTuple):
    """What a recording gave: every line with its time, and the seconds that were computed."""

    lines: list[Line]
    busy_sec: float


def partials_of(config: ModelConfig) -> Partials:
    """As the two scripts have it."""
    if isinstance(config, SliceConfig):
        return Partials(append_only=True)
    return Partials(peek_interval=config.partial_interval_ms * SAMPLE_RATE // 1000)


def with_silence(samples: np.ndarray, config: ModelConfig) -> np.ndarray:
    """``samples`` and quiet behind them, so that silence ends the last utterance, as with a microphone."""
    return np.concatenate(
        [samples, quiet_noise(len(samples), (config.endpoint_silence_ms + 500) * SAMPLE_RATE // 1000)]
    )


def listen(service: Service, samples: np.ndarray, timer: Callable[[], float] = time.perf_counter) -> Heard:
    """Play ``samples`` (16 kHz mono float32) to a ``service``. A ``timer`` that stands still makes computing free."""
    shown: list[tuple[float, Event]] = []
    free = busy = 0.0
    for start in range(0, len(samples), BLOCK):
        block = samples[start : start + BLOCK]
        until = start + len(block)
        begin = now = max(until / SAMPLE_RATE, free)
        backlog = max(0, min(len(samples), int(begin * SAMPLE_RATE)) - until)
        events = service.hear(block, backlog)
        while True:
            before = timer()
            event = next(events, None)
            now += timer() - before
            if event is None:
                break
            shown.append((now, event))
        busy += now - begin
        free = now
    before = timer()
    shown += [(free + timer() - before, event) for event in service.end()]
    lines = [line for line in (Line.of(at, event) for at, event in shown) if line is not None]
    return Heard(lines, busy + timer() - before)
