"""Doubles that stand outside the service: audio written as strings, a VAD that reads them, a scripted engine."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, Iterator, Sequence

import numpy as np

from common.engines.seam import Hypothesis
from common.finals.polish import Finals
from common.settings.services import StreamingConfig
from common.speech.partials import Partials
from common.speech.service import Service
from common.units import VAD_FRAME_SAMPLES
from common.wire.events import Event

SPOKEN = "甲乙丙丁戊己庚辛壬癸子丑寅卯辰巳午未申酉戌亥"
TOKENS = [chr(i).lower() for i in range(97)] + list(SPOKEN) + ["<unk>", "误", "讹", "终"]


def audio(frames: str) -> np.ndarray:
    """One 32 ms frame a character: "." is silence; any other character is a frame of speech that says it."""
    return np.concatenate([np.full(VAD_FRAME_SAMPLES, level(frame), dtype=np.float32) for frame in frames])


def level(frame: str) -> float:
    return 0.01 if frame == "." else ord(frame) / 1000


class FrameVad:
    """Every frame that is not silent is speech."""

    def probability(self, frame: np.ndarray) -> float:
        return float(frame[0] > 0.02)

    def reset(self) -> None:
        pass


class LateVad(FrameVad):
    """Hears nothing in the first ``deaf`` frames of a stream."""

    def __init__(self, deaf: int) -> None:
        self._deaf = deaf

    def probability(self, frame: np.ndarray) -> float:
        self._deaf -= 1
        return super().probability(frame) if self._deaf < 0 else 0.0


class ScriptedEngine:
    """Its sessions hear what ``audio`` spelled: a run of the same letter is one token, said when a chunk ends.

    a to v are the characters of ``SPOKEN``, capitals are spelled letters. ``chunk`` is in frames. A tentative tail
    is what was heard since the last chunk; it hears "x" as "y" until the chunk is complete, as a model without its
    look-ahead may. A token fires where its run ends; the last one of a session where the quiet behind it does.
    ``fail_on`` names letters whose chunk raises.
    """

    token_list: Sequence[str] = TOKENS
    about: Sequence[Any] = ()

    def __init__(self, chunk: int = 4, fail_on: str = "", fail_finish: bool = False) -> None:
        self.chunk = chunk
        self.fail_on = fail_on
        self.fail_finish = fail_finish
        self.heard_by_session: list[list[np.ndarray]] = []

    def session(self) -> ScriptedSession:
        self.heard_by_session.append([])
        return ScriptedSession(self, self.heard_by_session[-1])

    def heard(self) -> list[str]:
        """What each session heard, one character a frame; padding behind the end is left out."""
        return ["".join(map(_frame_of, spoken(pieces))) for pieces in self.heard_by_session]


class ScriptedSession:
    def __init__(self, engine: ScriptedEngine, pieces: list[np.ndarray]) -> None:
        self._engine = engine
        self._pieces = pieces
        self._decoded = 0  # frames
        self._frames = ""

    def accept(self, samples: np.ndarray) -> Hypothesis | None:
        self._pieces.append(samples)
        self._frames = "".join(map(_frame_of, spoken(self._pieces)))
        ready = len(self._frames) // self._engine.chunk * self._engine.chunk
        if ready == self._decoded:
            return None
        chunk = self._frames[self._decoded : ready]
        self._decoded = ready
        if set(chunk) & set(self._engine.fail_on):
            raise RuntimeError(f"cannot decode {chunk}")
        return _tokens(self._frames[:ready])

    def peek(self, quiet: np.ndarray | None = None) -> Hypothesis:
        if quiet is not None and not self._engine.fail_finish:
            return self.finish()
        return _tokens(self._frames[: self._decoded] + self._frames[self._decoded :].replace("x", "y"))

    def finish(self) -> Hypothesis:
        if self._engine.fail_finish:
            raise RuntimeError("flush failed")
        found = _tokens(self._frames)
        last = [sum(map(len, self._pieces))] if found.fires else []
        return replace(found, fires=(*found.fires[:-1], *last))


def spoken(pieces: list[np.ndarray]) -> Iterator[np.ndarray]:
    """The whole frames of ``pieces``."""
    samples = np.concatenate(pieces) if pieces else np.zeros(0)
    return (
        samples[i : i + VAD_FRAME_SAMPLES] for i in range(0, len(samples) - VAD_FRAME_SAMPLES + 1, VAD_FRAME_SAMPLES)
    )


def _frame_of(frame: np.ndarray) -> str:
    return "." if frame[0] < 0.02 else chr(round(float(frame[0]) * 1000))


def _tokens(frames: str) -> Hypothesis:
    runs = [(key, len(list(run))) for key, run in itertools.groupby(frames)]
    ends = itertools.accumulate(length * VAD_FRAME_SAMPLES for _, length in runs)
    said = [(ord(key), end) for (key, _), end in zip(runs, ends) if key != "."]
    return Hypothesis(tuple(token for token, _ in said), tuple(-0.1 for _ in said), tuple(end for _, end in said))


def service(
    engine: Any,
    partials: Partials | None = None,
    finals: Finals | None = None,
    vad: Any = None,
    settling: int = 0,
    lateness: int = 0,
    **settings: Any,
) -> Service:
    """A service with short settings in ms (one frame: 32) and trace ids "1", "2", …; of a detector that is in time."""
    defaults = {"endpoint_silence_ms": 3 * 32, "min_speech_ms": 2 * 32, "pre_roll_ms": 32, "max_utterance_sec": 20}
    config = StreamingConfig(**{**defaults, **settings})
    ids = map(str, itertools.count(1))
    return Service(
        config,
        engine,
        vad or FrameVad(),
        partials or Partials(),
        new_trace_id=lambda: next(ids),
        settling=settling,
        lateness=lateness,
        finals=finals,
    )


def events_of(running: Service, frames: str, cut: int = 0, backlog: int = 0) -> list[Event]:
    """Everything the service prints over ``frames`` and the end of the stream, in blocks of ``cut`` samples."""
    samples = audio(frames) if frames else np.zeros(0, dtype=np.float32)
    size = cut or max(1, len(samples))
    events: list[Event] = []
    for start in range(0, len(samples), size):
        events += running.hear(samples[start : start + size], backlog)
    return events + list(running.end())
