"""What a stream of sound is, by its first bytes."""

from __future__ import annotations

import struct
from typing import Callable

from common.sources.decoding.byte_stream import ByteStream
from common.sources.decoding.mp3_frames import HEADER_BYTES, frame_at

HEAD_BYTES = 64  # 2 ms of raw PCM at 16 kHz: nobody waits for them
LONGEST_FRAME = 2881  # bytes of an mp3
FRAMES_IN_A_ROW = 3  # of an mp3: one header is found in raw PCM every few thousand samples, three are not
FLAC_MARKS = (b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22")  # the file, and its first block: 34 bytes about the stream
WAV, AIFF, AU, FLAC, OGG, MP3 = "WAV", "AIFF", "AU", "FLAC", "Ogg", "mp3"


def container(head: bytes) -> str | None:
    """FLAC_MARKS = (b"fLaC\0\0\0\x22", b"fLaC\x80\0\0\x22")  # the file, and its first block: 34 bytes about the stream
    WAV, AIFF, AU, FLAC, OGG, the name of another one, or None; ``head``: the first ``HEAD_BYTES``.

        At least seven bytes have to fit.
    """
    if head[:4] in (b"RIFF", b"RIFX", b"RF64", b"BW64") and head[8:12] == b"WAVE":
        return WAV
    if head[:4] == b"FORM" and head[8:12] in (b"AIFF", b"AIFC"):
        return AIFF
    if head[:8] in FLAC_MARKS:
        return FLAC
    if head[:5] == b"OggS\0" and head[5:6] <= b"\x07" and head[26:27] > b"\0":
        return OGG
    if head[:4] == b".snd" and len(head) >= 24:
        _, offset, _, encoding, rate, channels = struct.unpack(">6I", head[:24])
        if 24 <= offset < 1 << 16 and 0 < encoding < 64 and rate < 1 << 20 and 0 < channels < 256:
            return AU
    return _foreign(head)


def _foreign(head: bytes) -> str | None:
    """Those that are not read here from a pipe."""
    if head[4:8] == b"ftyp" and head[:2] == b"\0\0":
        return "MP4"
    if head[:4] == b"\x1a\x45\xdf\xa3" and (b"webm" in head or b"matroska" in head):
        return "WebM or Matroska"
    names = {
        b"riff\x2e\x91\xcf\x11": "W64",
        b"caff\0\1\0": "CAF",
        b"\x30\x26\xb2\x75\x8e\x66\xcf\x11": "WMA",
        b"#!AMR": "AMR",
        b"NIST_1A\n": "NIST",
        b"Creative Voice File": "VOC",
        b"ADIF": "AAC",
        b"FLV\1": "FLV",
        b"wvpk": "WavPack",
        b"MAC \x96\x0f": "APE",
    }
    return next((name for begin, name in names.items() if head.startswith(begin)), None)


def recognise(stream: ByteStream, at: int = 0) -> str | None:
    """``container`` of what comes in ``stream`` after ``at`` bytes, or MP3. Takes nothing."""
    head = stream.peek(at + HEAD_BYTES)[at:]
    if head[:3] == b"ID3" and len(head) >= 10 and head[3] < 5 and not head[5] & 15 and max(head[6:10]) < 128:
        return MP3
    return container(head) or (MP3 if is_mp3(stream, at) else "AAC" if _is_aac(stream, at) else None)


def is_mp3(stream: ByteStream, at: int = 0) -> bool:
    """Whether frames of MPEG audio come in ``stream`` after ``at`` bytes."""

    first = frame_at(stream.peek(at + HEADER_BYTES)[at:])
    if first is None or first.format[1] == 1:  # nobody writes layer I, and plain tones have its headers
        return False

    def length(header: bytes) -> int:
        frame = frame_at(header[:HEADER_BYTES])
        return frame.length if frame is not None and frame.format == first.format else 0

    return _in_a_row(stream, length, at)


def is_mp3_later(stream: ByteStream) -> bool:
    """Whether ``stream`` begins in the middle of a frame, as a broadcast does; looks at what is there by now."""
    there = stream.peek_all(HEAD_BYTES)[:LONGEST_FRAME]
    return any(there[at] == 0xFF and is_mp3(stream, at) for at in range(1, len(there)))


def _is_aac(stream: ByteStream, at: int) -> bool:
    """AAC in ADTS frames."""

    def length(header: bytes) -> int:
        if len(header) < 7 or header[0] != 0xFF or header[1] & 0xF6 != 0xF0:
            return 0
        size = (header[3] & 3) << 11 | header[4] << 3 | header[5] >> 5
        return size if size >= 7 else 0

    return _in_a_row(stream, length, at)


def _in_a_row(stream: ByteStream, length: Callable[[bytes], int], at: int) -> bool:
    """Whether frames follow each other, each as long as its header says, or as many as there are to the very end."""
    for number in range(FRAMES_IN_A_ROW):
        ahead = stream.peek(at + 7)
        if number and len(ahead) == at:
            return True
        size = length(ahead[at:])
        if not size:
            return False
        at += size
    return True
