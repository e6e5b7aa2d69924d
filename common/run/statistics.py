"""What a running service knows about itself: level, speed, latency, totals."""

from __future__ import annotations

import math
from collections import Counter, deque
from typing import Any

import numpy as np

from common.units import SAMPLE_RATE
from common.wire.events import ErrorEvent, Event, Final, Partial

LATENCIES_KEPT = 1000
SILENT_DBFS = -120.0  # what digital silence is reported as


class Stats:
    """Fed by the loop, asked by ``core.control.status``."""

    def __init__(self) -> None:
        self._level = SILENT_DBFS
        self._heard = 0  # samples
        self._busy_sec = 0.0
        self._latencies: deque[float] = deque(maxlen=LATENCIES_KEPT)
        self._printed: Counter[str] = Counter()

    def heard(self, samples: np.ndarray, busy_sec: float) -> None:
        """A block was handled in ``busy_sec`` seconds."""
        power = float(np.mean(np.square(samples, dtype=np.float64))) if len(samples) else 0.0
        self._level = max(SILENT_DBFS, 10 * math.log10(power)) if power > 0 else SILENT_DBFS
        self._heard += len(samples)
        self._busy_sec += busy_sec

    def printed(self, event: Event, waited_sec: float) -> None:
        """An event was handed to the writer ``waited_sec`` seconds after the block behind it had arrived."""
        names = {Partial: "partials", Final: "finals", ErrorEvent: "errors"}
        if type(event) in names:
            self._printed[names[type(event)]] += 1
        if isinstance(event, (Partial, Final)):
            self._latencies.append(waited_sec * 1000)

    def totals(self) -> tuple[tuple[str, Any], ...]:
        """What the whole run came to."""
        counts = {"audio_ms": self._heard * 1000 // SAMPLE_RATE}
        counts.update({name: self._printed[name] for name in ("partials", "finals", "errors")})
        return (("totals", counts),)

    def details(self, state: str, backlog: int) -> tuple[tuple[str, Any], ...]:
        """The keys of a status acknowledgement; ``backlog`` in samples."""
        p50, p95 = np.percentile(self._latencies, [50, 95]).tolist() if self._latencies else (0.0, 0.0)
        heard_sec = self._heard / SAMPLE_RATE
        return (
            ("state", state),
            ("level_dbfs", round(self._level, 1)),
            ("backlog_ms", backlog * 1000 // SAMPLE_RATE),
            ("real_time_factor", round(self._busy_sec / heard_sec, 3) if heard_sec else 0.0),
            ("latency_p50_ms", round(p50)),
            ("latency_p95_ms", round(p95)),
            *self.totals(),
        )
