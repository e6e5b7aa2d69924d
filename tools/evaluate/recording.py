"""Recordings that people give to the tools."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from common.errors import FatalError
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, SourceFailed
from common.sources.sound_file import FileSource

ROOM = 1e6  # seconds: nobody takes anything out before all is there


def read(path: Path) -> np.ndarray:
    """What the services hear of a file: 16 kHz mono float32. Raises SystemExit with what is wrong with it."""
    inbox = Inbox(capacity_sec=ROOM)
    try:
        FileSource(str(path), realtime=False, channel=0).run(inbox)
    except FatalError as error:
        raise SystemExit(str(error)) from error
    heard = [np.zeros(0, np.float32)]
    while True:
        message = inbox.get()
        if isinstance(message, SourceFailed):
            raise SystemExit(str(message.error))
        if not isinstance(message, AudioBlock):
            return np.concatenate(heard)
        heard.append(message.samples)
