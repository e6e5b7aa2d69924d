"""A service that is watched in a world of tests.run.world: which samples went where, what was printed."""

from __future__ import annotations

import contextlib
import itertools
from typing import Any, Iterator

import numpy as np

from common.engines.seam import Hypothesis
from common.errors import FatalError
from common.run.loop import Loop
from common.run.process import Process
from common.settings.services import StreamingConfig
from common.sources.messages import Message
from common.speech.partials import Partials
from common.speech.service import Service
from common.units import VAD_FRAME_SAMPLES
from common.wire.events import ErrorEvent, State
from common.wire.line_writer import Clock, Output
from tests.run.world import World, positions
from tests.speech.scripted import TOKENS


class FaultyEngine:
    """Says the script's letters, a chunk at a time; ``fails`` are the numbers of calls that raise."""

    token_list = TOKENS
    about = ()

    def __init__(self, world: World) -> None:
        self.world = world
        self.chunk = int(world.rng.integers(1, 8))
        rate = float(world.rng.choice([0.0, 0.0, 0.05, 0.3]))
        self.fails = set(np.flatnonzero(world.rng.random(2000) < rate).tolist())
        if world.rng.random() < 0.1:
            first = int(world.rng.integers(0, 60))
            self.fails |= set(range(first, first + 200))  # too many in a row: fatal
        self.calls = itertools.count()
        self.heard: list[list[np.ndarray]] = []  # positions, by session

    def session(self) -> FaultySession:
        self.heard.append([])
        return FaultySession(self, self.heard[-1])

    def call(self) -> None:
        self.world.spend(self.world.call_costs())
        if next(self.calls) in self.fails:
            raise RuntimeError("cannot decode")


class FaultySession:
    def __init__(self, engine: FaultyEngine, heard: list[np.ndarray]) -> None:
        self._engine, self._heard = engine, heard
        self._letters = ""
        self._decoded = 0

    def accept(self, samples: np.ndarray) -> Hypothesis | None:
        where = positions(samples)
        self._heard.append(where)
        self._engine.call()
        self._letters += "".join(map(self._engine.world.letter, where[::VAD_FRAME_SAMPLES]))
        ready = len(self._letters) // self._engine.chunk * self._engine.chunk
        if ready == self._decoded:
            return None
        self._decoded = ready
        return hypothesis(self._letters[:ready])

    def peek(self, quiet: np.ndarray | None = None) -> Hypothesis:
        self._engine.call()
        if quiet is not None:
            return hypothesis(self._letters)
        tail = self._letters[self._decoded :].replace("x", "y")  # a guess that is taken back
        return hypothesis(self._letters[: self._decoded] + tail)

    def finish(self) -> Hypothesis:
        self._engine.call()
        return hypothesis(self._letters)


def hypothesis(letters: str) -> Hypothesis:
    said = [(key, len(list(run))) for key, run in itertools.groupby(letters)]
    ends = itertools.accumulate(count for _, count in said)
    kept = [(ord(key), end * VAD_FRAME_SAMPLES) for (key, _), end in zip(said, ends) if key != "."]
    return Hypothesis(tuple(t for t, _ in kept), tuple(-0.1 for _ in kept), tuple(end for _, end in kept))


class WatchedVad:
    """Hears what the script says; notes every frame, and None for every cut of the stream."""

    def __init__(self, world: World) -> None:
        self.frames: list[np.ndarray | None] = []
        self._world = world

    def probability(self, frame: np.ndarray) -> float:
        where = positions(frame)
        self.frames.append(where)
        return float(self.is_speech(where))

    def is_speech(self, where: np.ndarray) -> bool:
        return self._world.letter(where[0]) != "."

    def reset(self) -> None:
        """The service cuts the stream itself."""


class WatchedService(Service):
    """Notes what it took, where it was cut, and what it owed to the open utterance there."""

    def __init__(self, config: StreamingConfig, engine: FaultyEngine, partials: Partials, settling: int) -> None:
        self.taken: list[np.ndarray] = []
        self.owed: list[np.ndarray] = []
        self.vad = WatchedVad(engine.world)
        ids = (f"{number:032x}" for number in itertools.count(1))
        super().__init__(config, engine, self.vad, partials, lambda: next(ids), settling=settling, lateness=0)

    def hear(self, samples: np.ndarray, backlog: int = 0) -> Iterator[Any]:
        self.taken.append(positions(samples))
        return super().hear(samples, backlog)

    def end(self, reason: str = "eof") -> Iterator[Any]:
        if self._utterance is not None:
            self.owed.append(positions(self._rest))
        yield from super().end(reason)

    def _cut(self) -> None:
        self.vad.frames.append(None)
        super()._cut()


class HeldOutput(Output):
    """The real queue of lines; its reader reads when ``read`` is called."""

    def __init__(self, world: World, extended: bool) -> None:
        super().__init__(-1, Clock(lambda: 1.7e9 + world.now + world.wall_step, lambda: world.now))
        self.extended = extended
        self.lines: list[bytes] = []

    def _run(self) -> None:
        """No thread writes."""

    def read(self) -> None:
        while self._pending:
            event, arrived = self._pending.popleft()
            if not isinstance(event, str) and self._is_news(event):
                self.lines.append(self._line(event, arrived).encode())


class WatchedLoop(Loop):
    """Notes every message that it took, and whether it was paused behind it."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.taken: list[tuple[Message, bool]] = []

    def _take(self, message: Message) -> bool:
        try:
            return super()._take(message)
        finally:
            self.taken.append((message, self._state.now is State.PAUSED))

    @property
    def is_stopped(self) -> bool:
        return self._commands.stopped


class Run:
    """A service's whole life in the world of ``seed``."""

    def __init__(self, seed: int) -> None:
        self.world = world = World(seed)
        rng = world.rng
        self.append_only = bool(rng.random() < 0.5)
        interval = int(rng.integers(1, 9)) * VAD_FRAME_SAMPLES
        partials = Partials(append_only=True) if self.append_only else Partials(peek_interval=interval)
        self.config = StreamingConfig(
            input="mic",
            start_paused=world.start_paused,
            turns=bool(rng.random() < 0.5),
            eager_silence_ms=int(rng.choice([64, 96, 250])),
            endpoint_silence_ms=int(rng.choice([96, 200, 800])),
            min_speech_ms=int(rng.choice([32, 64, 96])),
            pre_roll_ms=int(rng.choice([0, 32, 200])),
            max_utterance_sec=int(rng.choice([2, 5])),
        )
        self.engine = FaultyEngine(world)
        self.service = WatchedService(self.config, self.engine, partials, settling=int(rng.choice([0, 8])))
        self.output = HeldOutput(world, extended=bool(rng.random() < 0.5))
        source: Any = world.microphone
        world.state.now = State.PAUSED if world.start_paused else State.LISTENING
        self.loop = WatchedLoop(Process(self.output, world.inbox, world.state), source, self.service)
        self.fatal: FatalError | None = None
        self._live()
        self.ended = world.now
        self.output.read()

    def _live(self) -> None:
        """As ``serve`` and ``run`` do it, but for what waits."""
        try:
            while self._step():
                pass
        except FatalError as error:
            self.fatal = error
            self._finalise()
            self.loop.emit([ErrorEvent("f" * 32, error.error_code, str(error))])

    def _finalise(self) -> None:
        with contextlib.suppress(FatalError):
            self.loop.emit(self.service.end("shutdown"))

    def _step(self) -> bool:
        while not self.world.inbox._messages:
            self.world.wait()
        goes_on = self.loop.step() and not self.loop.is_stopped
        if self.world.now >= self.world.blocked_until:
            self.output.read()
        return goes_on
