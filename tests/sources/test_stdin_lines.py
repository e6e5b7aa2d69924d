"""stdin as lines: where sound stands between commands, and a stdin that gives nothing."""

from __future__ import annotations

import base64
import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from common.errors import FatalError
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfInput, SourceFailed
from common.sources.stdin_lines import LineReader


def append(samples: int, level: int = 1000) -> dict[str, Any]:
    pcm = np.full(samples, level, dtype="<i2").tobytes()
    return {"type": "voice.audio.append", "audio": base64.b64encode(pcm).decode()}


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
