"""What an answer to ``status`` says of level, speed and delay, in numbers that can be worked out by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from common.run.statistics import LATENCIES_KEPT, SILENT_DBFS, Stats, percentile
from common.wire.events import ErrorEvent, Final, Partial, State

ID = "a" * 32


def asked(stats: Stats, backlog: int = 0) -> dict[str, Any]:
    return dict(stats.details(State.LISTENING, backlog))


@pytest.mark.parametrize(
    ("samples", "dbfs"),
    [
        (np.ones(512, np.float32), 0.0),
        (np.full(512, -0.1, np.float32), -20.0),
        (np.sin(np.arange(16000) * 0.1).astype(np.float32), -3.0),  # a sine's power is half of its peak's
        (np.full(512, 1e-7, np.float32), SILENT_DBFS),
        (np.zeros(512, np.float32), SILENT_DBFS),
        (np.zeros(0, np.float32), SILENT_DBFS),
    ],
)
def test_the_level_is_the_power_of_the_newest_block(samples: np.ndarray, dbfs: float) -> None:
    stats = Stats()
    stats.heard(np.full(512, 0.5, np.float32), 0.0)
    stats.heard(samples, 0.0)
    assert asked(stats)["level_dbfs"] == dbfs


def test_the_real_time_factor_is_the_time_spent_over_the_time_heard() -> None:
    stats = Stats()
    assert asked(stats)["real_time_factor"] == 0.0
    stats.heard(np.zeros(8000, np.float32), 0.1)
    stats.heard(np.zeros(8000, np.float32), 0.15)
    assert asked(stats)["real_time_factor"] == 0.25


def test_the_totals_count_what_was_printed_and_delays_are_those_of_texts() -> None:
    stats = Stats()
    stats.heard(np.zeros(24000, np.float32), 0.0)
    for delay in (0.1, 0.2, 0.4):
        stats.printed(Partial(ID, "一", 0.9), delay)
    stats.printed(Final(ID, "一", 0.9), 0.3)
    stats.printed(ErrorEvent(ID, "audio_overflow", "OverflowError: lost"), 9.0)
    told = asked(stats, backlog=1600)
    assert told["totals"] == {"audio_ms": 1500, "partials": 3, "finals": 1, "errors": 1}
    assert (told["latency_p50_ms"], told["latency_p95_ms"]) == (250, 385)
    assert (told["state"], told["backlog_ms"]) == (State.LISTENING, 100)


def test_only_the_newest_delays_count() -> None:
    stats = Stats()
    for delay in [9.0] * 500 + [0.1] * LATENCIES_KEPT:
        stats.printed(Partial(ID, "一", 0.9), delay)
    assert asked(stats)["latency_p95_ms"] == 100


@pytest.mark.parametrize(
    ("fraction", "value"), [(0.0, 1.0), (0.25, 2.0), (0.5, 3.0), (0.875, 6.0), (0.95, 7.2), (1.0, 8.0)]
)
def test_a_percentile_lies_between_its_neighbours_in_proportion(fraction: float, value: float) -> None:
    assert percentile([8.0, 4.0, 3.0, 2.0, 1.0], fraction) == pytest.approx(value)


def test_no_value_has_the_percentile_0() -> None:
    assert percentile([], 0.5) == 0.0
