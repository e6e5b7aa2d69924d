"""The one queue: everything that happens to a service arrives here, in order."""

from __future__ import annotations

import math
import queue
import threading
import time
from dataclasses import dataclass, field
from typing import Any, Callable, Union

import numpy as np

from common.config import SAMPLE_RATE
from common.events import FatalError

DECODE_AFTER_STOP_SEC = 0.8  # how long audio that was heard before a stop may still be decoded


@dataclass(frozen=True)
class AudioBlock:
    """16 kHz mono float32 samples (-1…1); ``first_sample`` counts from the beginning of the stream."""

    samples: np.ndarray
    first_sample: int


@dataclass(frozen=True)
class Command:
    """A line on stdin that asks for something; ``kind`` is its type behind ``core.control.``."""

    kind: str
    id: str | int | None = None
    fields: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class BadLine:
    """A line on stdin that is no command; ``reason`` says why."""

    reason: str


@dataclass(frozen=True)
class EndOfCommands:
    """stdin has ended."""


@dataclass(frozen=True)
class EndOfInput:
    """The source has given all it had."""


@dataclass(frozen=True)
class SourceFailed:
    """The source cannot go on."""

    error: FatalError


@dataclass(frozen=True)
class Stop:
    """The user asked for the end; ``dropped`` samples were heard and could not be decoded in time."""

    dropped: int = 0


@dataclass(frozen=True)
class StdoutGone:
    """Nobody reads what the service prints."""


Message = Union[AudioBlock, Command, BadLine, EndOfCommands, EndOfInput, SourceFailed, Stop, StdoutGone]


class Inbox:
    """Messages in order of arrival. Audio from files and pipes waits at the door while too much is inside."""

    def __init__(self, capacity_sec: float = 2.0, clock: Callable[[], float] = time.monotonic) -> None:
        self._messages: queue.SimpleQueue[tuple[float, Message]] = queue.SimpleQueue()
        self.arrived = 0.0  # when the message that ``get`` gave last was put in, by the clock
        self._capacity = int(capacity_sec * SAMPLE_RATE)
        self._room = threading.Condition()
        self._waiting = 0
        self._clock = clock
        self._stop_at: float | None = None
        self._nobody_reads = False

    @property
    def backlog(self) -> int:
        """Samples that arrived and have not been taken out."""
        return self._waiting

    @property
    def stopping(self) -> bool:
        return self._stop_at is not None

    def deadline(self) -> float:
        """When whoever keeps the loop waiting must let go of it, by the clock; inf while nothing asks for the end."""
        if self._nobody_reads:
            return -math.inf
        return math.inf if self._stop_at is None else self._stop_at

    def put(self, message: Message) -> None:
        """Put a message that is not audio. Never blocks: signal handlers call it."""
        self._nobody_reads = self._nobody_reads or isinstance(message, StdoutGone)
        self._messages.put((self._clock(), message))

    def put_audio(self, block: AudioBlock) -> None:
        """Put audio, waiting while the inbox is full."""
        with self._room:
            self._room.wait_for(lambda: self._waiting < self._capacity)
            self.put_live(block)

    def put_live(self, block: AudioBlock) -> None:
        """Put audio that cannot wait: a microphone's."""
        with self._room:
            self._waiting += len(block.samples)
        self._messages.put((self._clock(), block))

    def stop(self) -> None:
        """Ask for the end, from a signal handler: what arrived before is decoded for a while."""
        if self._stop_at is None:
            self._stop_at = self._clock() + DECODE_AFTER_STOP_SEC
            self._messages.put((self._clock(), Stop()))

    def get(self) -> Message:
        """The next message; waits for one."""
        while True:
            try:
                self.arrived, message = self._messages.get(timeout=0.5)  # so that Ctrl-C gets through on Windows
                break
            except queue.Empty:
                continue
        if self._stop_at is not None and self._clock() >= self._stop_at:
            return self._drop_until_stop(message)
        if isinstance(message, AudioBlock):
            self._took(message)
        return message

    def _drop_until_stop(self, message: Message) -> Message:
        dropped = 0
        while not isinstance(message, Stop):
            if isinstance(message, AudioBlock):
                dropped += len(message.samples)
                self._took(message)
            _, message = self._messages.get()
        return Stop(dropped)

    def _took(self, block: AudioBlock) -> None:
        with self._room:
            self._waiting -= len(block.samples)
            self._room.notify()
