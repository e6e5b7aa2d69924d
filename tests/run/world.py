"""A world around a service: a microphone that may be lost, hands on stdin, a reader, one clock.

Everything in it is decided by a seed. A sample is its own position in the world, so whoever hears one knows which.
"""

from __future__ import annotations

import heapq
import itertools
import json
from typing import Any

import numpy as np

from common.errors import FatalError
from common.run.state import RunState
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, DeviceLost, EndOfCommands, Gap, Stop
from common.units import SAMPLE_RATE, VAD_FRAME_SAMPLES
from common.wire.command_lines import BadLine, Command, parse_line
from common.wire.events import State

FIRST = 1 << 16  # position of the world's first sample: behind it no noise of our own can be taken for one
SCALE = float(1 << 24)  # whole numbers up to here are exact in float32
FRAME_SEC = VAD_FRAME_SAMPLES / SAMPLE_RATE
IDS = (None, None, 7, "7", "a")
BAD_LINES = (b"flush", b"{", b"[]", b'{"type":"core.control.explode","id":1}', b'{"type":"core.control.status"}')


def positions(samples: np.ndarray) -> np.ndarray:
    """Which of the world's samples these are; the noise that fills up an utterance is none."""
    return np.rint(samples[samples >= FIRST / SCALE] * SCALE).astype(np.int64)


def first(block: AudioBlock) -> int:
    """The position of a block's first sample."""
    return int(positions(block.samples[:1])[0])


class World:
    """``plan`` holds (time, what, argument), by time; what happens is done while the clock is spent."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = np.random.default_rng(seed)
        self.now = 0.0
        self.seconds = float(rng.uniform(1, 5))
        self.script = speech(rng, int(self.seconds / FRAME_SEC) + 400)
        self.plan: list[tuple[float, int, str, Any]] = []
        self._count = itertools.count()
        self.commands: list[bytes] = []
        self.put: list[Any] = []  # every message, in order
        self.asked_for_the_end: float | None = None
        self.wall_step = 0.0
        self.blocked_until = -1.0
        self.slow = (rng.uniform(0, self.seconds, 2), float(rng.choice([0.0, 0.0, 0.2, 1.0, 3.0])))
        self.cost = float(rng.choice([0.0, 0.001, 0.02, 0.04]))
        self.state = RunState(State.LISTENING)
        self.inbox = Inbox(live_sec=float(rng.integers(8, 60)) * FRAME_SEC, clock=lambda: self.now)
        self.start_paused = bool(rng.random() < 0.1)
        self.microphone = ScriptedMicrophone(self)
        self._schedule()

    def _schedule(self) -> None:
        rng = self.rng
        storm = float(rng.choice([0, 2, 6, 20]))
        for _ in range(rng.poisson(storm)):
            self.at(rng.uniform(0, self.seconds), "line", line_of(rng))
        for what, often in (("lose", 0.7), ("block", 1.0), ("wall", 0.5)):
            for _ in range(rng.poisson(often)):
                self.at(rng.uniform(0, self.seconds), what, float(rng.uniform(0.1, 2)))
        end = str(rng.choice(["line", "signal", "closed"]))
        self.at(self.seconds, end, b'{"type":"core.control.stop","id":"end"}')
        self.at(self.seconds + 3, "signal")  # closing stdin ends nothing where no command has come

    def at(self, time: float, what: str, argument: Any = None) -> None:
        heapq.heappush(self.plan, (time, next(self._count), what, argument))

    def spend(self, seconds: float) -> None:
        """Let time go by, with all that happens in it."""
        until = self.now + seconds
        while self.plan and self.plan[0][0] <= until:
            self.now, _, what, argument = heapq.heappop(self.plan)
            getattr(self, f"_do_{what}")(argument)
        self.now = max(self.now, until)

    def wait(self) -> None:
        """Until the next thing happens."""
        self.spend(self.plan[0][0] - self.now)

    def call_costs(self) -> float:
        between, seconds = self.slow
        return seconds if between.min() <= self.now <= between.max() else self.cost

    def letter(self, position: int) -> str:
        """What is said there."""
        return self.script[(int(position) - FIRST) // VAD_FRAME_SAMPLES % len(self.script)]

    def _do_line(self, line: bytes) -> None:
        self.commands.append(line + b"\n")
        message: Any = parse_line(line, takes_audio=False)
        is_stop = isinstance(message, Command) and message.kind == "stop"
        if is_stop:
            self._hurry()
            self._end_is_asked_for()
        assert isinstance(message, (Command, BadLine))
        self.say(message)

    def say(self, message: Any) -> None:
        self.inbox.put(message)
        self.put.append(message)

    def _do_signal(self, _: Any) -> None:
        self._end_is_asked_for()
        self._hurry()
        self.inbox.put(Stop())

    def _hurry(self) -> None:
        self.inbox.hurry()
        self.state.stop_asked.set()

    def _do_closed(self, _: Any) -> None:
        self.say(EndOfCommands())

    def _end_is_asked_for(self) -> None:
        if self.asked_for_the_end is None:
            self.asked_for_the_end = self.now

    def _do_lose(self, seconds: float) -> None:
        self.microphone.lose(seconds)

    def _do_back(self, _: Any) -> None:
        self.microphone.back()

    def _do_hear(self, stream: int) -> None:
        self.microphone.hear(stream)

    def _do_block(self, seconds: float) -> None:
        self.blocked_until = self.now + seconds

    def _do_wall(self, seconds: float) -> None:
        self.wall_step += seconds * float(self.rng.choice([-3600, 3600]))

    def described(self) -> str:
        """The schedule, for whoever has to understand a failure."""
        between, seconds = self.slow
        lines = [f"a call takes {self.cost} s, {seconds} s between {between}; frames: {self.script}"]
        for message in self.put:
            is_audio = isinstance(message, AudioBlock)
            lines.append(f"{first(message)} +{len(message.samples)}" if is_audio else str(message))
        return "\n".join(lines)


def speech(rng: np.random.Generator, frames: int) -> str:
    """Runs of silence and of letters, one a frame."""
    script = ""
    while len(script) < frames:
        if rng.random() < 0.4:
            script += "." * int(rng.integers(1, 12))
        else:
            script += str(rng.choice(list("abcdefuUSBx"))) * int(rng.integers(1, 8))
    return script


def line_of(rng: np.random.Generator) -> bytes:
    """A line on stdin: mostly commands."""
    kind = str(rng.choice(["flush", "pause", "resume", "resume", "reset", "set", "status", "bad"]))
    if kind == "bad":
        return bytes(rng.choice(BAD_LINES))
    content: dict[str, Any] = {"type": f"core.control.{kind}"}
    identity = IDS[int(rng.integers(len(IDS)))]
    if identity is not None or kind == "status":
        content["id"] = identity or "s"
    if kind == "set":
        settings = ({"endpoint_silence_ms": int(rng.integers(0, 900))}, {"endpoint_silence_ms": -1}, {})
        content.update(settings[int(rng.integers(len(settings)))])
    return json.dumps(content).encode()


class ScriptedMicrophone:
    """The source: blocks of one length while it is open. Pauses and outages leave samples of the world unheard."""

    is_live = True
    comes_once = False

    def __init__(self, world: World) -> None:
        self.is_lost = False
        self._world = world
        self._stream = 0  # number of the stream that is open; 0: none
        self._streams = itertools.count(1)
        self._next = FIRST
        self._block = int(world.rng.choice([VAD_FRAME_SAMPLES, VAD_FRAME_SAMPLES, 480, 700, 1600]))
        self._is_first = True
        if not world.start_paused:
            self._open()

    def _open(self) -> None:
        self._stream = next(self._streams)
        self._is_first = True
        self._world.at(self._world.now + self._block / SAMPLE_RATE, "hear", self._stream)

    def hear(self, stream: int) -> None:
        if stream != self._stream:
            return
        world = self._world
        if self._is_first and self._next > FIRST:
            world.say(Gap())
        self.is_lost = self._is_first = False
        samples = np.arange(self._next, self._next + self._block, dtype=np.float64) / SCALE
        block = AudioBlock(samples.astype(np.float32))
        self._next += self._block
        if not world.state.stop_asked.is_set():  # behind a stop nobody hears it
            world.put.append(block)
        world.inbox.put_live(block)
        world.at(world.now + self._block / SAMPLE_RATE, "hear", stream)

    def lose(self, seconds: float) -> None:
        if self._stream and not self.is_lost:
            self._stream, self.is_lost = 0, True
            self._next += 3 * VAD_FRAME_SAMPLES
            self._world.say(DeviceLost("ConnectionError: the microphone has gone"))
            self._world.at(self._world.now + seconds, "back")

    def back(self) -> None:
        if self.is_lost and not self._stream:
            self._open()

    def pause(self) -> None:
        self._stream, self.is_lost = 0, False
        self._next += 3 * VAD_FRAME_SAMPLES

    def resume(self) -> None:
        if self._world.rng.random() < 0.1:
            raise FatalError("audio_device_failed", "PortAudioError: no such device")
        self._open()
