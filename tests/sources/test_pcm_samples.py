"""Raw PCM in every encoding, against libsndfile, which reads the same bytes from a WAV file."""

from __future__ import annotations

import io

import numpy as np
import pytest
import soundfile

from common.sources.decoding.pcm_samples import ENCODINGS, bytes_of, to_float

SUBTYPES = {"s16le": "PCM_16", "f32le": "FLOAT", "mulaw": "ULAW", "alaw": "ALAW"}


def payload(wav: bytes) -> bytes:
    """What follows the header of the data chunk."""
    start = wav.index(b"data") + 8
    return wav[start : start + int.from_bytes(wav[start - 4 : start], "little")]


@pytest.mark.parametrize("encoding", SUBTYPES)
def test_an_encoding_is_read_as_libsndfile_reads_it(encoding: str) -> None:
    sound = np.concatenate([np.linspace(-1, 1, 4001), np.random.default_rng(1).normal(0, 0.05, 4001)]).clip(-1, 1)
    file = io.BytesIO()
    soundfile.write(file, sound, 8000, format="WAV", subtype=SUBTYPES[encoding])
    wanted, _ = soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")
    data = payload(file.getvalue())
    assert len(data) == len(sound) * bytes_of(ENCODINGS[encoding])
    assert np.array_equal(to_float(data, ENCODINGS[encoding]), wanted)


@pytest.mark.parametrize("encoding", ["mulaw", "alaw"])
def test_every_byte_of_a_telephone_code_stands_for_another_sample(encoding: str) -> None:
    samples = to_float(bytes(range(256)), ENCODINGS[encoding])
    assert samples.dtype == np.float32 and np.abs(samples).max() < 1
    assert len(np.unique(samples)) == (255 if encoding == "mulaw" else 256)  # µ-law has two zeros
