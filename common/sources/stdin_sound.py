"""Sound on stdin as a source: raw PCM, or a file that is recognised by its first bytes."""

from __future__ import annotations

import logging
from typing import Iterator

import numpy as np

from common.sources.decoding.byte_stream import ByteStream
from common.sources.decoding.pcm_files import raw
from common.sources.decoding.pcm_samples import ENCODINGS
from common.sources.decoding.recognise import HEAD_BYTES, MP3, container, is_mp3_later, recognise
from common.sources.decoding.sound import Sound, Unreadable
from common.sources.decoding.sounds import PIPE_IT, READERS, failed, hear, sounds_in
from common.sources.inbox import Inbox
from common.sources.messages import AudioBlock, EndOfInput, SourceFailed
from common.sources.resampling import Converter
from common.sources.stdin_descriptor import read_some, require_sound

log = logging.getLogger(__name__)


class StdinSource:
    """Reads the descriptor itself, never ``sys.stdin``'s buffer, so that audio is heard when it arrives.

    ``rate``, ``channels`` and ``encoding`` are those of raw PCM; the header of a file counts instead. Raises FatalError
    ``audio_input_failed`` if stdin is a terminal, closed or the null device.
    """

    is_live = True
    comes_once = True
    duration_sec = 0.0  # unknown

    def __init__(self, rate: int, channels: int, channel: int, descriptor: int = 0, encoding: str = "s16le") -> None:
        require_sound(descriptor, f"pipe audio into it: {PIPE_IT}", takes_terminal=False)
        self._stream = ByteStream(lambda most: read_some(descriptor, most))
        self._rate = rate
        self._channels = channels
        self._channel = channel
        self._encoding = ENCODINGS[encoding]

    def run(self, inbox: Inbox) -> None:
        """Put stdin's audio into ``inbox`` until it ends, then EndOfInput. Runs in a thread of its own."""

        def put(samples: np.ndarray) -> None:
            if len(samples):
                inbox.put_audio(AudioBlock(samples))

        try:
            hear(self._sounds(), Converter(self._rate, self._channel), self._channel, put)
            inbox.put(EndOfInput())
        except Exception as error:
            inbox.put(SourceFailed(failed(error, "stdin")))

    def _sounds(self) -> Iterator[Sound]:
        kind = container(self._stream.peek(HEAD_BYTES))
        if kind is None and self._encoding == ENCODINGS["s16le"]:  # a telephone's quiet looks a little like an mp3
            kind = recognise(self._stream) or (MP3 if is_mp3_later(self._stream) else None)
        if kind is None:
            yield raw(self._stream, self._rate, self._channels, self._encoding)
            return
        log.info("stdin is %s, not raw PCM", kind)
        if kind not in READERS:
            raise Unreadable(f"{kind} cannot be read from a pipe")
        yield from sounds_in(self._stream, kind)
