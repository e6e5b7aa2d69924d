"""The time stamps and the line writer."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import termios
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.wire.events import ErrorEvent, Event, Extra, Final, Partial
from common.wire.line_writer import IDLE_POLL_SEC, Clock, Output, ReaderGone
from common.wire.standard_streams import StdoutFailed

F_SETPIPE_SZ = 1031  # fcntl's number on Linux; the name came with Python 3.10
ID, OTHER = "a" * 32, "b" * 32


class Times:
    """A wall clock that may be stepped and a monotonic clock that may not."""

    def __init__(self) -> None:
        self.wall = 1_700_000_000.0
        self.monotonic = 50.0

    def clock(self) -> Clock:
        return Clock(lambda: self.wall, lambda: self.monotonic)

    def pass_by(self, seconds: float, step: float = 0.0) -> None:
        self.wall += seconds + step
        self.monotonic += seconds


@given(st.lists(st.tuples(st.floats(0, 100), st.floats(-1e6, 1e6)), max_size=30))
def test_ts_never_falls_whatever_the_wall_clock_does(changes: list[tuple[float, float]]) -> None:
    times = Times()
    clock = times.clock()
    stamps = [clock.now_ms()]
    for seconds, step in changes:
        times.pass_by(seconds, step)
        stamps.append(clock.now_ms())
    assert stamps == sorted(stamps)


def test_ts_goes_on_when_the_wall_clock_is_set_back() -> None:
    times = Times()
    clock = times.clock()
    before = clock.now_ms()
    times.pass_by(2.0, step=-3600)
    assert clock.now_ms() == before + 2000


def test_ts_follows_a_wall_clock_that_is_set_forward() -> None:
    times = Times()
    clock = times.clock()
    before = clock.now_ms()
    times.pass_by(2.0, step=3600)
    assert clock.now_ms() == before + 3602_000


def pipe(size: int = 4096) -> tuple[int, int]:
    read_end, write_end = os.pipe()
    fcntl.fcntl(write_end, F_SETPIPE_SZ, size)
    return read_end, write_end


def read_all(descriptor: int) -> str:
    received = b""
    while True:
        data = os.read(descriptor, 1 << 16)
        if not data:
            return received.decode("utf-8")
        received += data


def test_a_reader_that_has_gone_is_noticed_within_a_second_while_nothing_is_written() -> None:
    read_end, write_end = os.pipe()
    output = Output(write_end, Clock())
    noticed = threading.Event()
    output.on_failure = noticed.set
    assert not noticed.wait(0.6)
    os.close(read_end)
    assert noticed.wait(1.0)
    with pytest.raises(ReaderGone):
        output.write(Final(ID, "你好", 0.9))
    os.close(write_end)


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_is_no_reader_that_has_gone() -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    output = Output(full, Clock())
    output.write(Final(ID, "你好", 0.9))
    with pytest.raises(StdoutFailed, match="No space left"):
        output.close()
    os.close(full)


def test_a_line_gets_through_a_full_pipe_that_does_not_block() -> None:
    read_end, write_end = pipe()
    os.set_blocking(write_end, False)
    output = Output(write_end, Clock())
    output.write_text("好" * 200_000)
    with ThreadPoolExecutor() as pool:
        received = pool.submit(read_all, read_end)
        output.close()
        os.close(write_end)
        assert received.result() == "好" * 200_000
    os.close(read_end)


def test_behind_a_slow_reader_a_newer_partial_replaces_an_older_one_and_the_rest_is_kept() -> None:
    read_end, write_end = pipe()
    output = Output(write_end, Clock())
    output.write_text("x" * 8192)  # more than the pipe holds: the writer waits
    time.sleep(0.2)
    for count in range(1, 400):
        output.write(Partial(ID, "好" * count, 0.9))
    output.write(ErrorEvent(ID, "infer_partial_failed", "RuntimeError: one"))
    output.write(Partial(ID, "好" * 400, 0.9))
    output.write(Final(ID, "完", 0.9))
    output.write(Partial(OTHER, "下", 0.9))
    with ThreadPoolExecutor() as pool:
        received = pool.submit(read_all, read_end)
        output.close()
        os.close(write_end)
        lines = [json.loads(line) for line in received.result()[8192:].splitlines()]
    os.close(read_end)
    assert [(line["trace_id"], line.get("text", line.get("error_code"))) for line in lines] == [
        (ID, "infer_partial_failed"),
        (ID, "好" * 400),
        (ID, "完"),
        (OTHER, "下"),
    ]


def test_closing_gives_a_reader_that_does_not_read_its_time_and_no_more() -> None:
    read_end, write_end = pipe()
    output = Output(write_end, Clock())
    failed = threading.Event()
    output.on_failure = failed.set
    output.write_text("x" * 8192)
    begin = time.monotonic()
    output.close(timeout=0.3)
    assert 0.25 < time.monotonic() - begin < 5
    os.close(read_end)
    assert failed.wait(5)  # its writer still held the descriptor, whose number the next test will get
    os.close(write_end)


def test_a_text_that_was_taken_back_and_said_again_behind_a_slow_reader_is_written_once() -> None:
    read_end, write_end = pipe()
    output = Output(write_end, Clock())
    output.write(Partial(ID, "你", 0.9))
    first = os.read(read_end, 1 << 16)
    output.write_text("x" * 8192)  # more than the pipe holds: the writer waits
    while waiting_in(read_end) < 4096:
        time.sleep(0.01)
    for text in ("你好", "你"):
        output.write(Partial(ID, text, 0.9))
    with ThreadPoolExecutor() as pool:
        received = pool.submit(read_all, read_end)
        output.close()
        os.close(write_end)
        assert received.result() == "x" * 8192
    os.close(read_end)
    assert json.loads(first)["text"] == "你"


def waiting_in(descriptor: int) -> int:
    """Bytes in a pipe."""
    return struct.unpack("i", fcntl.ioctl(descriptor, termios.FIONREAD, bytes(4)))[0]


def written(*events: Event, arrived: float | None = None) -> list[dict[str, Any]]:
    """What an extended output makes of them."""
    read_end, write_end = os.pipe()
    output = Output(write_end, Clock())
    output.extended = True
    for event in events:
        output.write(event, arrived)
    output.close()
    os.close(write_end)
    lines = read_all(read_end).splitlines()
    os.close(read_end)
    return [json.loads(line) for line in lines]


def test_the_delay_of_a_line_is_the_time_since_its_audio_arrived() -> None:
    extra = Extra(1, 0, 16000, 15000, 0, (), "silence")
    begin = time.monotonic()
    [line] = written(Final(ID, "完", 0.9, extra), arrived=begin - 1000)
    passed = time.monotonic() - begin
    assert 1_000_000 <= line["latency_ms"] <= 1_000_000 + passed * 1000 + 1
    assert written(Final(ID, "完", 0.9, extra))[0]["latency_ms"] == 0  # nobody knows when it arrived


def test_half_a_surrogate_pair_in_a_text_is_written_as_a_question_mark() -> None:
    assert written(ErrorEvent(ID, "internal_error", "a\ud800b"))[0]["message"] == "a?b"


def test_a_line_is_written_when_it_is_handed_over_and_not_at_the_next_look_after_the_reader() -> None:
    read_end, write_end = os.pipe()
    output = Output(write_end, Clock())
    begin = time.monotonic()
    for count in range(20):
        output.write(Final(ID, str(count), 0.9))
        assert json.loads(os.read(read_end, 1 << 16))["text"] == str(count)
    assert time.monotonic() - begin < 20 * IDLE_POLL_SEC / 2
    output.close()
    os.close(write_end)
    os.close(read_end)
