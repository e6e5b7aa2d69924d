"""Frames of MPEG audio, layers I to III: where each begins, and how much sound is in it (ISO 11172-3 and 13818-3)."""

from __future__ import annotations

import struct
from typing import NamedTuple

KBPS = {  # by (version 1, layer): what the four bits of the bit rate mean
    (True, 1): (32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448),
    (True, 2): (32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384),
    (True, 3): (32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320),
    (False, 1): (32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256),
    (False, 2): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
    (False, 3): (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160),
}
RATES = {3: (44100, 48000, 32000), 2: (22050, 24000, 16000), 0: (11025, 12000, 8000)}  # versions 1, 2 and 2.5
HEADER_BYTES = 4


class Frame(NamedTuple):
    """What a frame's header says."""

    length: int  # bytes, the header's included
    samples: int  # of each channel
    format: tuple[int, int, int, int]  # version, layer, rate, channels: what cannot change within a stream


def frame_at(header: bytes) -> Frame | None:
    """None if the four bytes are not a frame's header, or one without a bit rate, whose length is not in it."""
    if len(header) < HEADER_BYTES or header[0] != 0xFF or header[1] < 0xE0:
        return None
    version, layer = header[1] >> 3 & 3, 4 - (header[1] >> 1 & 3)
    bit_rate, rate = header[2] >> 4, header[2] >> 2 & 3
    if version == 1 or layer == 4 or bit_rate in (0, 15) or rate == 3:
        return None
    hertz, bits = RATES[version][rate], 1000 * KBPS[version == 3, layer][bit_rate - 1]
    samples = 384 if layer == 1 else 576 if layer == 3 and version != 3 else 1152
    padding = header[2] >> 1 & 1
    length = (12 * bits // hertz + padding) * 4 if layer == 1 else samples // 8 * bits // hertz + padding
    return Frame(length, samples, (version, layer, hertz, 1 if header[3] >> 6 == 3 else 2))


class Info(NamedTuple):
    """What the first frame of many files says instead of sound."""

    frames: int  # that follow on it; 0: it does not say
    without_size: bytes  # itself, without the size of the file


def info_in(frame: bytes) -> Info | None:
    """None if it is a frame of sound.

    Its size is of no use to us, and mpg123 complains of one that is not that of the file which it believes to read.
    """
    for tag in (b"Xing", b"Info"):
        at = frame.find(tag, HEADER_BYTES, 48)
        if at >= 0 and len(frame) >= at + 16:
            (flags,) = struct.unpack(">I", frame[at + 4 : at + 8])
            after = at + 8 + 4 * (flags & 1)
            frames = struct.unpack(">I", frame[at + 8 : after])[0] if flags & 1 else 0
            if flags & 2:
                kept = frame[: at + 4] + struct.pack(">I", flags & ~2) + frame[at + 8 : after]
                frame = kept + frame[after + 4 :] + bytes(4)
            return Info(frames, frame)
    if frame[36:40] == b"VBRI" and len(frame) >= 54:
        return Info(struct.unpack(">I", frame[50:54])[0], frame)
    return None
