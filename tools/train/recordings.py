"""The recordings in demo/speech: sentences of the test split, drawn by a seed, spoken by espeak-ng."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, Tuple

import numpy as np

from tools.train.grammar import Sentence, sentences
from tools.train.speak import HELD_OUT_VOICES, SAMPLE_RATE, TRAINING_VOICES, in_room, random_manner, speak

SEED = 35
SINGLES, LONG_UTTERANCES = 12, 16
Row = Tuple[str, ...]


def _pick(pool: list[Sentence], wanted: Callable[[Sentence], bool], count: int) -> list[Sentence]:
    """The first `count` that fit, taken out of the pool so that no sentence is used twice."""
    found = [sentence for sentence in pool if wanted(sentence)][:count]
    for sentence in found:
        pool.remove(sentence)
    return found


def _kinds(sentence: Sentence) -> set:
    return {segment.kind for segment in sentence.segments}


def _voice(index: int) -> tuple[str, str]:
    """Every third recording is in a voice that training never heard."""
    if index % 3 == 2:
        return HELD_OUT_VOICES[index // 3 % len(HELD_OUT_VOICES)], "voice not in training"
    return TRAINING_VOICES[index * 11 % len(TRAINING_VOICES)], "voice in training"


def _save(path: Path, samples: np.ndarray) -> None:
    import soundfile

    soundfile.write(str(path), samples, SAMPLE_RATE, subtype="PCM_16")


def _single(folder: Path, name: str, sentence: Sentence, index: int, snr_db: float, remark: str) -> Row:
    voice, heard = _voice(index)
    speech = speak(sentence, voice, random_manner(SEED * 1000 + index), peak=0.4)
    _save(folder / name, in_room(speech, 0.6, 1.2, snr_db, "room", SEED * 1000 + index))
    return name, sentence.text, voice, ", ".join(part for part in (remark, heard) if part)


def _long(folder: Path, chosen: list[Sentence]) -> tuple[Row, list[Row]]:
    """One recording of several utterances, with 1.0 to 3.0 s between them."""
    rng = np.random.default_rng(SEED)
    pieces, rows = [np.zeros(int(1.2 * SAMPLE_RATE), np.float32)], []
    at = len(pieces[0])
    for index, sentence in enumerate(chosen):
        voice, _ = _voice(index)
        speech = speak(sentence, voice, random_manner(SEED * 2000 + index), peak=0.4)
        pause = np.zeros(int(rng.uniform(1.0, 3.0) * SAMPLE_RATE), np.float32)
        rows.append(
            (
                "long.flac",
                "%.3f" % (at / SAMPLE_RATE),
                "%.3f" % ((at + len(speech)) / SAMPLE_RATE),
                sentence.text,
                voice,
            )
        )
        pieces += [speech, pause]
        at += len(speech) + len(pause)
    _save(folder / "long.flac", in_room(np.concatenate(pieces), 0.0, 0.0, 35.0, "pink", SEED))
    text = " ".join(sentence.text for sentence in chosen)
    return ("long.flac", text, "several", f"{len(chosen)} utterances, pauses 1.0-3.0 s, see long.tsv"), rows


def write(folder: Path) -> None:
    """Writes the recordings, transcripts.tsv and long.tsv."""
    folder.mkdir(parents=True, exist_ok=True)
    pool = sentences("test", 400, SEED)
    short = _pick(pool, lambda sentence: len(sentence.tokens) == 1 and "zh" in _kinds(sentence), 2)
    mixed = _pick(pool, lambda sentence: {"zh", "en", "letters"} <= _kinds(sentence), 1)
    breath = _pick(pool, lambda sentence: "pause" in _kinds(sentence), 2)
    plain = _pick(pool, lambda sentence: _kinds(sentence) == {"zh"} and len(sentence.tokens) > 3, SINGLES - 4)
    noisy = _pick(pool, lambda sentence: _kinds(sentence) == {"zh"} and len(sentence.tokens) > 8, 1)
    spoken = _pick(pool, lambda sentence: len(sentence.tokens) > 4 and "pause" not in _kinds(sentence), LONG_UTTERANCES)
    rows = [
        _single(
            folder,
            f"single{index + 1:02}.wav",
            sentence,
            index,
            40.0,
            "one character" if sentence in short else "two sentences in one breath" if sentence in breath else "",
        )
        for index, sentence in enumerate(plain + breath + short)
    ]
    rows.append(_single(folder, "with_noise.wav", noisy[0], 12, 10.0, "room noise, 10 dB"))
    rows.append(_single(folder, "with_english.wav", mixed[0], 13, 40.0, "English and spelled letters"))
    row, utterances = _long(folder, spoken)
    _table(folder / "transcripts.tsv", ("file", "transcript", "voice", "notes"), [*rows, row])
    _table(folder / "long.tsv", ("file", "start_s", "end_s", "transcript", "voice"), utterances)


def _table(path: Path, head: Row, rows: list[Row]) -> None:
    path.write_text("\n".join("\t".join(row) for row in [head, *rows]) + "\n", encoding="utf-8")
