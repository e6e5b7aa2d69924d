"""The one queue: everything that happens to a service arrives here, in order."""

from __future__ import annotations

import math
import threading
import time
from collections import deque
from typing import Callable, Iterable, NamedTuple

from common.sources.messages import AudioBlock, Gap, Message, StdoutGone
from common.units import SAMPLE_RATE
from common.wire.command_lines import BadLine, Command

DECODE_AFTER_STOP_SEC = 0.8  # how long audio that was heard before a stop may still be decoded
WAITING_SEC = 2.0  # of a source that can wait: enough to keep the loop busy
LIVE_SEC = 300.0  # of a microphone, 19 MB: a machine that was too busy for minutes loses nothing
PAUSES = ("pause", "resume")  # commands from which on audio is not heard, or is
DROPPED_AT_ONCE = 0.1  # of that: a machine that stays too slow has a gap now and then instead of one every 32 ms


class Leftover(NamedTuple):
    """What an end leaves undone: samples that are not decoded, lines that are not carried out."""

    samples: int
    lines: list[Command | BadLine]


class Inbox:
    """Messages in order of arrival, from any thread.

    Audio from files and pipes waits at the door while too much is inside, and what came with it waits behind it. A
    microphone cannot wait: when ``live_sec`` of it are inside, the oldest blocks go. So does what cannot be decoded any
    more after a stop. A Gap where the audio was says how much. What is at the door has been read: it is accounted for.
    """

    def __init__(
        self,
        capacity_sec: float = WAITING_SEC,
        live_sec: float = LIVE_SEC,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.arrived = 0.0  # when the message that ``get`` gave last was put in, by the clock
        self._messages: deque[tuple[float, Message]] = deque()
        self._changed = threading.Condition()
        self._capacity = int(capacity_sec * SAMPLE_RATE)
        self._live = int(live_sec * SAMPLE_RATE)
        self._doors: list[deque[Message]] = []  # what each source has read and cannot put in yet
        self._waiting = 0  # samples inside
        self._clock = clock
        self._decode_until = math.inf
        self._nobody_reads = False

    @property
    def backlog(self) -> int:
        """Samples that arrived and have not been taken out."""
        return self._waiting

    def deadline(self) -> float:
        """When whoever keeps the loop waiting must let go of it, by the clock; inf while nothing asks for the end."""
        return -math.inf if self._nobody_reads else self._decode_until

    def put(self, message: Message) -> None:
        """Put a message that is not audio."""
        with self._changed:
            self._nobody_reads = self._nobody_reads or isinstance(message, StdoutGone)
            self._append(message)

    def put_first(self, message: Message) -> None:
        """Put a message that cannot wait for what is inside."""
        with self._changed:
            self._nobody_reads = self._nobody_reads or isinstance(message, StdoutGone)
            self._messages.appendleft((self._clock(), message))
            self._changed.notify_all()

    def put_audio(self, block: AudioBlock) -> None:
        """Put audio, waiting while the inbox is full."""
        self.put_all([block])

    def put_all(self, messages: Iterable[Message]) -> None:
        """Put what was read together, in order; audio waits while the inbox is full, but not once a stop is on its way:
        what is too much then is dropped inside, and told."""
        door = deque(messages)
        with self._changed:
            self._doors.append(door)
            while door:
                if isinstance(door[0], AudioBlock):
                    self._changed.wait_for(lambda: not door or self._has_room())
                if door:
                    self._append(door.popleft())
            self._doors.remove(door)

    def put_live(self, block: AudioBlock) -> None:
        """Put audio that cannot wait: a microphone's. Behind a stop nobody hears it."""
        with self._changed:
            if self._decode_until < math.inf:
                return
            self._append(block)
            if self._waiting > self._live:
                keep = max(len(block.samples), int(self._live * (1 - DROPPED_AT_ONCE)))
                while self._waiting > keep:
                    self._drop(next(i for i, (_, each) in enumerate(self._messages) if isinstance(each, AudioBlock)))

    def hurry(self) -> None:
        """A stop is on its way: what has arrived is decoded for a while, then dropped."""
        with self._changed:
            self._decode_until = min(self._decode_until, self._clock() + DECODE_AFTER_STOP_SEC)
            self._changed.notify_all()

    def take_all(self) -> Leftover:
        """Everything that has arrived, at the door too, and that nobody will take any more: at the end."""
        with self._changed:
            left = [message for _, message in self._messages]
            for door in self._doors:
                left += door
                door.clear()
            self._messages.clear()
            self._waiting = 0
            self._changed.notify_all()
        samples = sum(len(each.samples) for each in left if isinstance(each, AudioBlock))
        gaps = sum(each.dropped for each in left if isinstance(each, Gap))
        return Leftover(samples + gaps, [each for each in left if isinstance(each, (Command, BadLine))])

    def get(self) -> Message:
        """The next message; waits for one."""
        message = self.get_until(math.inf)
        assert message is not None
        return message

    def get_until(self, latest: float) -> Message | None:
        """The next message, or None if there is none until ``latest`` by the clock."""
        with self._changed:
            while not self._messages:
                left = latest - self._clock()
                if left <= 0:
                    return None
                self._changed.wait(None if left == math.inf else left)
            if self._clock() >= self._decode_until:
                self._drop_next()
            self.arrived, message = self._messages.popleft()
            self._count_out(message)
            return message

    def _has_room(self) -> bool:
        return self._waiting < self._capacity or self._decode_until < math.inf

    def _append(self, message: Message) -> None:
        if isinstance(message, AudioBlock):
            self._waiting += len(message.samples)
        self._messages.append((self._clock(), message))
        self._changed.notify_all()

    def _drop_next(self) -> None:
        """Leave out the audio that would come next, up to the next message that is none."""
        if isinstance(self._messages[0][1], AudioBlock):
            self._drop(0)
        while isinstance(self._messages[0][1], Gap) and isinstance(self._second(), AudioBlock):
            self._drop(1)

    def _second(self) -> Message | None:
        return self._messages[1][1] if len(self._messages) > 1 else None

    def _drop(self, place: int) -> None:
        """Leave out the block at ``place``, the first inside. A Gap stands there instead, for what was dropped before
        it, too, if no pause is between: a gap is told once, but what was heard before a pause was not heard in it."""
        at, block = self._messages[place]
        dropped = self._count_out(block)
        for earlier in range(place - 1, -1, -1):
            _, message = self._messages[earlier]
            if isinstance(message, Gap):
                self._messages[place] = (at, Gap(message.dropped + dropped))
                del self._messages[earlier]
                return
            if not isinstance(message, (Command, BadLine)) or getattr(message, "kind", "") in PAUSES:
                break
        self._messages[place] = (at, Gap(dropped))

    def _count_out(self, message: Message) -> int:
        """The samples of ``message``, which is not inside any more."""
        if not isinstance(message, AudioBlock):
            return 0
        self._waiting -= len(message.samples)
        self._changed.notify_all()
        return len(message.samples)
