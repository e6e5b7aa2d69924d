"""Lives of a service in a world where everything goes wrong: what it prints, and where every sample went."""

from __future__ import annotations

import json

import numpy as np
import pytest

from common.sources.inbox import DECODE_AFTER_STOP_SEC
from common.sources.messages import AudioBlock
from common.speech.frames import frames
from tests.run.watched import Run
from tests.run.world import first
from tools.check.check_events import check

SEEDS = 500
TOGETHER = 50


def overflows(run: Run) -> list[int]:
    """The ms of every audio_overflow."""
    events = map(json.loads, run.output.lines)
    return [int(event["message"].split()[1]) for event in events if event.get("error_code") == "audio_overflow"]


def blocks_of(run: Run) -> tuple[list[AudioBlock], list[AudioBlock]]:
    """What the microphone gave before the end: while the service listened, and in its pauses; in order of arrival."""
    behind = {id(message): paused for message, paused in run.loop.taken}
    paused = run.config.start_paused
    heard: list[AudioBlock] = []
    missed: list[AudioBlock] = []
    messages = run.world.put
    if run.world.asked_for_the_end is None or run.fatal is not None:  # what came behind the end is nobody's
        messages = messages[: 1 + max(i for i, each in enumerate(messages) if id(each) in behind)]
    for message in messages:
        if isinstance(message, AudioBlock):
            (missed if paused else heard).append(message)
        else:
            paused = behind.get(id(message), paused)
    return heard, missed


def problems(run: Run) -> list[str]:
    """Everything that is wrong with it."""
    found = [str(each) for each in check(run.output.lines, run.append_only, commands=run.world.commands)]
    found += [*lost_blocks(run), *lost_speech(run), *joined(run)]
    asked = run.world.asked_for_the_end
    calls = 6 * max(run.world.cost, run.world.slow[1])  # that are under way, and those of the final
    if asked is not None and run.ended - asked > DECODE_AFTER_STOP_SEC + calls:
        found.append(f"the end took {run.ended - asked} s")
    return found


def lost_blocks(run: Run) -> list[str]:
    """What was not taken is reported as dropped, to the millisecond, but for pauses."""
    taken = {int(block[0]) for block in run.service.taken}
    heard, missed = blocks_of(run)
    found = [f"{first(b)} was heard in a pause" for b in missed if first(b) in taken]
    dropped = sum(len(block.samples) for block in heard if first(block) not in taken)
    told = overflows(run)
    most = 16 * (sum(told) + len(told))  # ms are rounded down
    if not 16 * sum(told) <= dropped <= most and not (run.fatal and 16 * sum(told) <= dropped):
        found.append(f"{dropped} samples were dropped, {told} ms were told")
    return found


def lost_speech(run: Run) -> list[str]:
    """Speech that was taken, and is long enough to be some, was heard by one session, all of it."""
    least = frames(run.config.min_speech_ms)
    owed = list(run.service.owed)
    speech: list[np.ndarray] = []
    for frame in [*run.service.vad.frames, None]:
        if frame is not None and run.service.vad.is_speech(frame):
            speech.append(frame)
        else:
            owed += speech if len(speech) >= least else []
            speech = []
    heard = np.concatenate([np.zeros(0, int), *(piece for session in run.engine.heard for piece in session)])
    found = []
    if (np.diff(heard) <= 0).any():
        found.append(f"samples were heard twice or out of order behind {heard[:-1][np.diff(heard) <= 0]}")
    wanted = np.concatenate([np.zeros(0, int), *owed])
    known = np.zeros(1 + max([0, *heard[-1:], *(piece.max(initial=0) for piece in owed)]), dtype=bool)
    known[heard] = True
    missing = wanted[~known[wanted]]
    if len(missing):
        found.append(f"{len(missing)} samples of speech were heard by no session, from {missing[0]} on")
    return found


def joined(run: Run) -> list[str]:
    """No frame of the detector and no session holds audio of before and behind a gap."""
    whole = [np.concatenate(session) for session in run.engine.heard if session]
    whole += [frame for frame in run.service.vad.frames if frame is not None]
    return [f"joined at {each[:-1][np.diff(each) != 1]}" for each in whole if (np.diff(each) != 1).any()]


def lives(seed: int) -> Run:
    """The run of ``seed``, with nothing wrong in it."""
    run = Run(seed)
    found = problems(run)
    if found:
        pytest.fail("\n".join([f"seed {seed}:", *found, run.world.described()]), pytrace=False)
    return run


@pytest.mark.parametrize("first", range(0, SEEDS, TOGETHER))
def test_whatever_goes_wrong_every_guarantee_holds_and_every_sample_of_speech_is_accounted_for(first: int) -> None:
    for seed in range(first, first + TOGETHER):
        lives(seed)
