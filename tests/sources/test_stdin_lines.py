"""stdin as lines: where sound stands between commands, and a stdin that gives nothing."""

from __future__ import annotations

import base64
import json
import os
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import FatalError
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfInput, Message, SourceFailed
from common.sources.stdin_lines import LineReader
from common.wire.command_lines import Command

RATES = [8000, 16000, 44100]


def append(samples: int, level: int = 1000) -> dict[str, Any]:
    pcm = np.full(samples, level, dtype="<i2").tobytes()
    return {"type": "voice.audio.append", "audio": base64.b64encode(pcm).decode()}


def command(kind: str) -> dict[str, Any]:
    return {"type": f"core.control.{kind}"}


def read_from(rate: int, *lines: dict[str, Any]) -> list[Message]:
    """Everything that a reader of ``--input jsonl`` puts into the inbox."""
    inbox = Inbox(capacity_sec=1000)
    out, into = os.pipe()
    sent = b"".join(json.dumps(line).encode() + b"\n" for line in lines)
    writer = threading.Thread(target=lambda: (os.write(into, sent), os.close(into)))
    writer.start()
    LineReader(inbox, inbox.hurry, rate, takes_audio=True, descriptor=out)._run()
    writer.join()
    os.close(out)
    return [message for _, message in inbox._messages]


def samples_between(messages: list[Message]) -> list[np.ndarray]:
    """The sound before the first command, between the first and the second, and so on."""
    parts: list[list[np.ndarray]] = [[]]
    for message in messages:
        if isinstance(message, AudioBlock):
            parts[-1].append(message.samples)
        elif isinstance(message, Command):
            parts.append([])
    return [np.concatenate([np.zeros(0, np.float32), *part]) for part in parts]


@pytest.mark.parametrize("rate", RATES)
@pytest.mark.parametrize("kind", ["flush", "pause", "reset", "stop"])
def test_every_sample_sent_before_a_command_that_cuts_stands_before_it(kind: str, rate: int) -> None:
    messages = read_from(rate, append(rate // 2), append(333), command(kind), append(rate // 3))
    before, after = samples_between(messages)
    assert len(before) == round((rate // 2 + 333) * 16000 / rate)
    assert len(before) + len(after) == round((rate // 2 + 333 + rate // 3) * 16000 / rate)
    assert isinstance(messages[-1], EndOfInput)


@pytest.mark.parametrize("rate", RATES)
def test_nothing_that_was_sent_while_paused_stands_after_the_resume(rate: int) -> None:
    messages = read_from(rate, command("pause"), append(rate, 30000), command("resume"), append(rate, 10))
    before, paused, after = samples_between(messages)
    assert (len(before), len(paused), len(after)) == (0, 16000, 16000)
    assert np.abs(after).max() < 0.001


@pytest.mark.parametrize("rate", RATES)
def test_commands_that_cut_nothing_leave_the_sound_in_one_piece(rate: int) -> None:
    tone = [append(rate // 7, 5000), {**command("set"), "endpoint_silence_ms": 500}, append(rate // 7, 5000)]
    whole = np.concatenate(samples_between(read_from(rate, *tone)))
    assert np.array_equal(whole, np.concatenate(samples_between(read_from(rate, tone[0], tone[2]))))


def test_a_stdin_that_cannot_be_read_is_audio_input_failed_and_no_end_of_input(tmp_path: Path) -> None:
    inbox = Inbox()
    folder = os.open(str(tmp_path), os.O_RDONLY)
    LineReader(inbox, inbox.hurry, 16000, takes_audio=True, descriptor=folder)._run()
    os.close(folder)
    [failed] = [message for _, message in inbox._messages]
    assert isinstance(failed, SourceFailed) and failed.error.error_code == "audio_input_failed"
    assert "IsADirectoryError" in str(failed.error)


def test_a_stdin_that_is_closed_or_the_null_device_is_refused_before_a_model_is_loaded() -> None:
    out, into = os.pipe()
    os.close(out)
    os.close(into)
    for descriptor in (out, os.open(os.devnull, os.O_RDONLY)):
        with pytest.raises(FatalError, match="JSON lines") as refused:
            LineReader(Inbox(), lambda: None, 16000, takes_audio=True, descriptor=descriptor)
        assert refused.value.error_code == "audio_input_failed"


def test_a_pipe_that_does_not_block_is_waited_for() -> None:
    inbox = Inbox()
    out, into = os.pipe()
    os.set_blocking(out, False)
    reader = LineReader(inbox, inbox.hurry, 16000, takes_audio=True, descriptor=out)
    reader.start()
    time.sleep(0.05)  # it finds nothing
    assert not inbox._messages
    os.write(into, json.dumps(append(160)).encode() + b"\n")
    block = inbox.get()
    assert isinstance(block, AudioBlock) and len(block.samples) == 160
    os.close(into)
    assert isinstance(inbox.get(), EndOfInput)
    os.close(out)
