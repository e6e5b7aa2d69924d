"""Raw 16-bit little-endian PCM on stdin as a source."""

from __future__ import annotations

import numpy as np

from common.errors import FatalError, describe
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfInput, SourceFailed
from common.sources.resampling import Converter
from common.sources.stdin_descriptor import read_some, require_sound

READ_BYTES = 1 << 14
PIPE_IT = "pipe audio into it: ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | … --input -"


class PcmSource:
    """Reads the descriptor itself, never ``sys.stdin``'s buffer, so that audio is heard when it arrives.

    Raises FatalError ``audio_input_failed`` if stdin is a terminal, closed or the null device.
    """

    is_live = True
    comes_once = True
    duration_sec = 0.0  # unknown

    def __init__(self, rate: int, channels: int, channel: int, descriptor: int = 0) -> None:
        require_sound(descriptor, PIPE_IT, takes_terminal=False)
        self._descriptor = descriptor
        self._frame_bytes = 2 * channels
        self._channels = channels
        self._converter = Converter(rate, channel)

    def run(self, inbox: Inbox) -> None:
        """Put stdin's audio into ``inbox`` until it ends, then EndOfInput. Runs in a thread of its own."""
        rest = b""
        try:
            while True:
                data = read_some(self._descriptor, READ_BYTES)
                rest += data
                whole = len(rest) // self._frame_bytes * self._frame_bytes
                frames = np.frombuffer(rest[:whole], dtype="<i2").astype(np.float32) / 32768
                rest = rest[whole:]
                samples = self._converter.convert(frames.reshape(-1, self._channels))
                if not data:  # bytes of half a sample at the very end are no sample
                    samples = np.concatenate([samples, self._converter.finish()])
                if len(samples):
                    inbox.put_audio(AudioBlock(samples))
                if not data:
                    break
            inbox.put(EndOfInput())
        except Exception as error:
            inbox.put(SourceFailed(FatalError("audio_input_failed", describe(error, "the pipe into stdin broke"))))
