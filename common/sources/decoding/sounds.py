"""Everything that can be heard in a stream of bytes, one sound after the other, into the inbox's form."""

from __future__ import annotations

import logging
from typing import Callable, Iterator

import numpy as np

from common.errors import FatalError, one_line
from common.sources.decoding.byte_stream import ByteStream
from common.sources.decoding.pcm_files import read_aiff, read_au, read_wav
from common.sources.decoding.recognise import AIFF, AU, FLAC, MP3, OGG, WAV, recognise
from common.sources.decoding.sound import LARGEST_TAIL, Incomplete, Sound, Unfinished, Unreadable
from common.sources.decoding.with_libsndfile import read_flac, read_mp3, read_ogg
from common.sources.resampling import Converter

log = logging.getLogger(__name__)

READERS = {WAV: read_wav, AIFF: read_aiff, AU: read_au, FLAC: read_flac, OGG: read_ogg, MP3: read_mp3}
PIPE_IT = "ffmpeg -i FILE -f s16le -ac 1 -ar 16000 - | … --input -"
ADVICE = {
    Incomplete: "all that could be decoded was heard",
    Unfinished: f"wait until it is closed, or pipe it: {PIPE_IT.replace('ffmpeg', 'ffmpeg -ignore_length 1')}",
    Unreadable: f"convert it, or pipe it: {PIPE_IT}",
}


def sounds_in(stream: ByteStream, kind: str | None) -> Iterator[Sound]:
    """One sound after the other; each must have been heard before the next. ``kind``: of the first.

    Raises Incomplete if more comes after them than tags and padding, or less than there should be; Unreadable.
    """
    while kind in READERS:
        yield READERS[kind](stream)
        kind = recognise(stream)
    rest = 0
    while stream.peek(1):
        rest += stream.skip(1 << 20)
    if rest > LARGEST_TAIL:
        raise Incomplete(f"{rest} bytes after the sound cannot be read" + (f": {kind}" if kind else ""))
    if stream.remaining:
        raise Incomplete(f"it became shorter while it was read: {stream.remaining} bytes are missing")


def hear(sounds: Iterator[Sound], converter: Converter, channel: int, put: Callable[[np.ndarray], None]) -> None:
    """``put`` all of ``sounds`` at 16 kHz. Raises Incomplete at the end for what was missing anywhere."""
    missing: list[str] = []
    while True:
        try:
            sound = next(sounds, None)
            if sound is None:
                break
            check_channel(channel, sound)
            converter.begin(sound.rate)
            for frames in sound.blocks:
                put(converter.convert(frames))
        except Incomplete as error:
            missing.append(str(error))
        finally:
            put(converter.finish())
    if missing:
        raise Incomplete("; ".join(missing))


def check_channel(channel: int, sound: Sound) -> None:
    """Raises FatalError ``config_invalid``."""
    if channel > sound.channels:
        message = f"ValueError: --channel {channel}, but there are {sound.channels} channel(s)"
        raise FatalError("config_invalid", message)


def failed(error: Exception, where: str) -> FatalError:
    """``audio_input_failed`` for what reading ``where`` raised; a FatalError stays what it is."""
    if isinstance(error, FatalError):
        return error
    advice = next((each for kind, each in ADVICE.items() if isinstance(error, kind)), ADVICE[Unreadable])
    return FatalError("audio_input_failed", f"{type(error).__name__}: {where}: {one_line(str(error))}; {advice}")
