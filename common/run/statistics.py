"""What a running service knows about itself: level, speed, latency, totals."""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import TYPE_CHECKING, Sequence

from common.units import SAMPLE_RATE, to_ms
from common.wire.events import Details, ErrorEvent, Event, Final, Partial, State

if TYPE_CHECKING:  # too heavy for --help
    import numpy as np

LATENCIES_KEPT = 1000
SILENT_DBFS = -120.0  # what digital silence is reported as


class Stats:
    """Fed by the loop, asked by ``core.control.status``."""

    def __init__(self) -> None:
        self.heard_samples = 0
        self._level = SILENT_DBFS
        self._busy_sec = 0.0
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)  # in ms
        self._printed: Counter[str] = Counter()

    def heard(self, samples: np.ndarray, busy_sec: float) -> None:
        """A block was handled in ``busy_sec`` seconds."""
        power = float((samples.astype("float64") ** 2).mean()) if len(samples) else 0.0
        self._level = max(SILENT_DBFS, 10 * math.log10(power)) if power > 0 else SILENT_DBFS
        self.heard_samples += len(samples)
        self._busy_sec += busy_sec

    def printed(self, event: Event, waited_sec: float) -> None:
        """An event was handed to the writer ``waited_sec`` seconds after the block that led to it had arrived."""
        names = {Partial: "partials", Final: "finals", ErrorEvent: "errors"}
        if type(event) in names:
            self._printed[names[type(event)]] += 1
        if isinstance(event, (Partial, Final)):
            self._latencies.append(waited_sec * 1000)

    def audio(self) -> Details:
        """How much was heard so far: what status events of a listening service carry."""
        return (("audio_ms", to_ms(self.heard_samples)),)

    def totals(self) -> Details:
        """What the whole run came to."""
        counts = {"audio_ms": to_ms(self.heard_samples)}
        counts.update({name: self._printed[name] for name in ("partials", "finals", "errors")})
        return (("totals", counts),)

    def details(self, state: State, backlog: int) -> Details:
        """The keys of a status acknowledgement; ``backlog`` in samples."""
        heard_sec = self.heard_samples / SAMPLE_RATE
        return (
            ("state", state),
            ("level_dbfs", round(self._level, 1)),
            ("backlog_ms", to_ms(backlog)),
            ("real_time_factor", round(self._busy_sec / heard_sec, 3) if heard_sec else 0.0),
            ("latency_p50_ms", round(percentile(self._latencies, 0.5))),
            ("latency_p95_ms", round(percentile(self._latencies, 0.95))),
            *self.totals(),
        )


def percentile(values: Sequence[float], fraction: float) -> float:
    """The value below which ``fraction`` of ``values`` lie, between two of them in proportion; 0 without any."""
    ordered = sorted(values)
    if not ordered:
        return 0.0
    place = fraction * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)
