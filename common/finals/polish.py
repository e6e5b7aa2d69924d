"""What a final passes through before it is printed, opt-in: second pass, punctuation, inverse text normalisation."""

from __future__ import annotations

import concurrent.futures
import logging
import math
import time
from dataclasses import dataclass, field, replace
from typing import Callable, Iterator, Sequence

import numpy as np

from common.errors import describe
from common.settings.hotword_list import Hotword
from common.wire.events import ErrorEvent, Event, Final

log = logging.getLogger(__name__)

ENDING_SEC = 0.8  # the longest wait while the process ends: all of it, flush and writing included, takes under 2 s
LEAST_SEC = 0.1  # the shortest wait: quick steps are done even if no time is left
GLANCE_SEC = 0.05  # between two looks at whether the process is to end


@dataclass(frozen=True)
class UtteranceAudio:
    """What a second pass needs of an utterance: the hotwords that were set when it began, and every 16 kHz mono
    float32 sample that was heard since, pre-roll included."""

    hotwords: tuple[Hotword, ...] = ()
    pieces: list[np.ndarray] = field(default_factory=list)

    @property
    def samples(self) -> np.ndarray:
        return np.concatenate(self.pieces) if self.pieces else np.zeros(0, dtype=np.float32)


class Job:
    """The steps of one final in the worker thread."""

    def __init__(self, future: concurrent.futures.Future[str]) -> None:
        self._future = future

    @property
    def done(self) -> bool:
        return self._future.done()

    @property
    def succeeded(self) -> bool:
        return self._future.done() and not self._future.cancelled() and self._future.exception() is None

    def text(self) -> str:
        """What came out. Raises whatever a step raised."""
        return self._future.result()

    def wait(self, seconds: float) -> None:
        concurrent.futures.wait([self._future], timeout=seconds)

    def cancel(self) -> None:
        """Drop it, unless it has begun: then it runs to its end."""
        self._future.cancel()


class Finals:
    """One worker thread does the steps of each final in turn; the loop waits for it, but not for ever.

    ``second_pass`` gives the text of the audio, or "" if it hears nothing: then the streaming text is kept. Each of
    ``rewrites`` takes the text of the step before and returns its own. If one step fails, none of them counts.
    ``deadline``: the time, by ``clock``, until which the loop may be kept waiting.

    The loop waits because the partials of the next utterance must not come before this final; what is heard
    meanwhile waits in the inbox.
    """

    def __init__(
        self,
        rewrites: Sequence[Callable[[str], str]] = (),
        second_pass: Callable[[np.ndarray, Sequence[Hotword]], str] | None = None,
        timeout_sec: float = 2.0,
        deadline: Callable[[], float] = lambda: math.inf,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rewrites = tuple(rewrites)
        self._second_pass = second_pass
        self._timeout_sec = timeout_sec
        self._deadline = deadline
        self._clock = clock
        self._worker = concurrent.futures.ThreadPoolExecutor(max_workers=1, thread_name_prefix="finals")
        self._late: Job | None = None  # one that was too late and may still run

    def audio(self, hotwords: Sequence[Hotword]) -> UtteranceAudio | None:
        """What keeps the audio of an utterance that begins; None if no second pass needs it."""
        return UtteranceAudio(tuple(hotwords)) if self._second_pass is not None else None

    def begin(self, text: str, audio: UtteranceAudio | None = None) -> Job:
        """Start the steps before they are due, with the audio so far."""
        heard = UtteranceAudio(audio.hotwords, list(audio.pieces)) if audio is not None else None
        return Job(self._worker.submit(self._steps, text, heard))

    def polish(
        self, final: Final, audio: UtteranceAudio | None = None, ending: bool = False, job: Job | None = None
    ) -> Iterator[Event]:
        """``final`` with its new text; or, if that failed or is late, ``postprocess_failed`` and ``final`` as it is.

        Confidence, trace_id and extra stay. ``ending``: the process is about to end. ``job``: the work on this
        text, if it was begun before.
        """
        try:
            text = self._result(final.text, audio, ending, job)
        except Exception as error:
            log.debug("final not polished", exc_info=True)
            message = describe(error, "the final carries the streaming text")
            yield ErrorEvent(final.trace_id, "postprocess_failed", message)
            text = final.text
        yield replace(final, text=text)

    def _result(self, text: str, audio: UtteranceAudio | None, ending: bool, job: Job | None) -> str:
        """Raises TimeoutError when it is late or the worker is still busy, else whatever a step raised."""
        if self._late is not None and not self._late.done:
            raise TimeoutError("still busy with a final that was late; is --final-timeout-ms too short?")
        job = job or self.begin(text, audio)
        seconds = min(self._timeout_sec, ENDING_SEC) if ending else self._timeout_sec
        if self._done_in_time(job, seconds):
            return job.text()
        self._late = job
        if ending or self._deadline() < math.inf:
            raise TimeoutError("not done before the service ends")
        raise TimeoutError(f"not done within {round(seconds * 1000)} ms; --final-timeout-ms allows more")

    def _done_in_time(self, job: Job, seconds: float) -> bool:
        begin = self._clock()
        while not job.done:
            latest = min(begin + seconds, max(begin + LEAST_SEC, self._deadline()))
            left = latest - self._clock()
            if left <= 0:
                return False
            job.wait(min(left, GLANCE_SEC))
        return True

    def _steps(self, text: str, audio: UtteranceAudio | None) -> str:
        if self._second_pass is not None and audio is not None:
            text = self._second_pass(audio.samples, audio.hotwords) or text
        for rewrite in self._rewrites:
            text = rewrite(text)
        if not text.strip():
            raise ValueError("no text is left")
        return text
