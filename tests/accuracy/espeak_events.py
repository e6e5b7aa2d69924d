"""When espeak-ng speaks each syllable: its own events, which the command line does not give.

libespeak-ng through ctypes, after its ``speak_lib.h``: a callback receives the audio in pieces and, with each, the
events that fall into it. The demo's sentences are pinyin, so a WORD event is a syllable, and the PHONEME event ``_``
behind it, a break between words, is where its sound ends.
"""

from __future__ import annotations

import ctypes
import functools
from typing import Any, NamedTuple

import numpy as np

from tools.train.grammar import Sentence
from tools.train.speak import SAMPLE_RATE, Manner, ssml

LIBRARY = "libespeak-ng.so.1"
RETRIEVAL, PHONEME_EVENTS = 1, 1  # espeak_Initialize: audio to the callback, and with it every phoneme
RATE, PITCH, WORD_GAP = 1, 3, 7  # espeak_PARAMETER
UTF8, SSML, END_PAUSE = 0x01, 0x10, 0x1000  # espeak_Synth's flags
LAST, WORD, PHONEME = 0, 1, 7  # espeak_EVENT_TYPE
BREAK = b"_"


class _Id(ctypes.Union):
    _fields_ = [("number", ctypes.c_int), ("name", ctypes.c_char_p), ("string", ctypes.c_char * 8)]


class _Event(ctypes.Structure):
    _fields_ = [
        ("type", ctypes.c_int),
        ("unique_identifier", ctypes.c_uint),
        ("text_position", ctypes.c_int),
        ("length", ctypes.c_int),
        ("audio_position", ctypes.c_int),  # ms
        ("sample", ctypes.c_int),
        ("user_data", ctypes.c_void_p),
        ("id", _Id),
    ]


_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.POINTER(_Event))


class Syllable(NamedTuple):
    """Where it is spoken, in samples at 16 kHz."""

    start: int
    end: int


@functools.lru_cache(maxsize=None)
def library() -> tuple[Any, int] | None:
    """libespeak-ng and its sample rate; None where it is not installed."""
    try:
        loaded = ctypes.CDLL(LIBRARY)
    except OSError:
        return None
    return loaded, loaded.espeak_Initialize(RETRIEVAL, 200, None, PHONEME_EVENTS)


def is_chinese(sentence: Sentence) -> bool:
    """Whether all of it is spoken as pinyin: then each character has one event."""
    return all(segment.kind in ("zh", "pause") for segment in sentence.segments)


def speak_with_times(
    sentence: Sentence, voice: str, manner: Manner, peak: float = 0.5
) -> tuple[np.ndarray, list[Syllable]]:
    """What ``speak.speak`` gives, float32 at 16 kHz without silence around it, and each character's syllable.

    ``sentence`` must be all Chinese; raises ValueError where espeak-ng speaks another number of syllables.
    """
    import soxr

    pcm, rate, events = _synthesise(ssml(sentence, voice, manner), "cmn-latn-pinyin+" + voice, manner)
    samples = soxr.resample(pcm, rate, SAMPLE_RATE, quality="HQ")
    loud = np.flatnonzero(np.abs(samples) > 1e-3)
    first, last = max(0, loud[0] - 160), loud[-1] + 160
    samples = samples[first:last]
    syllables = [
        Syllable(*(int(min(max(0, at * SAMPLE_RATE // rate - first), len(samples))) for at in span))
        for span in _syllables(events, len(pcm))
    ]
    if len(syllables) != len(sentence.text):
        raise ValueError(f"{len(syllables)} syllables in {sentence.text}")
    return (samples * (peak / np.abs(samples).max())).astype(np.float32), syllables


def _syllables(events: list[tuple[int, int, int, bytes]], end: int) -> list[tuple[int, int]]:
    """Start and end of each syllable in espeak-ng's samples, from (type, length of the text, sample, name)."""
    starts = [sample for kind, length, sample, _ in events if kind == WORD and length > 0]
    breaks = [sample for kind, _, sample, name in events if kind == PHONEME and name == BREAK]
    found = []
    for start, following in zip(starts, [*starts[1:], end]):
        found.append((start, min([at for at in breaks if start < at < following] or [following])))
    return found


def _synthesise(text: str, voice: str, manner: Manner) -> tuple[np.ndarray, int, list[tuple[int, int, int, bytes]]]:
    """float32 samples, their rate, and (type, length of the text, sample, name) of every event."""
    found = library()
    assert found is not None, "espeak-ng is not installed"
    espeak, rate = found
    pieces: list[np.ndarray] = []
    events: list[tuple[int, int, int, bytes]] = []

    def take(wav: Any, count: int, batch: Any) -> int:
        if wav and count:
            pieces.append(np.ctypeslib.as_array(wav, (count,)).copy())
        index = 0
        while batch[index].type != LAST:
            event = batch[index]
            events.append((event.type, event.length, event.sample, event.id.string))
            index += 1
        return 0

    callback = _Callback(take)
    espeak.espeak_SetSynthCallback(callback)
    if espeak.espeak_SetVoiceByName(voice.encode()):
        raise ValueError("espeak-ng has no voice " + voice)
    for parameter, value in ((RATE, manner.rate), (PITCH, manner.pitch), (WORD_GAP, manner.gap)):
        espeak.espeak_SetParameter(parameter, value, 0)
    encoded = text.encode()
    espeak.espeak_Synth(encoded, len(encoded) + 1, 0, 1, 0, UTF8 | SSML | END_PAUSE, None, None)
    espeak.espeak_Synchronize()
    return np.concatenate(pieces).astype(np.float32) / 32768, rate, events
