"""Hotwords spelled in a model's tokens, with their sounds, laid out to be looked up in posteriors; pure."""

from __future__ import annotations

import logging
import re
from dataclasses import dataclass
from typing import Iterable, Mapping, NamedTuple, Sequence

import numpy as np

from common.settings.hotword_list import DEFAULT_WEIGHT, Hotword
from common.text.hotword_sound import SILENT, is_chinese, sounds_of_vocabulary, sounds_of_word
from common.text.tokens_to_words import PIECE_MARK

log = logging.getLogger(__name__)

MOST_WARNINGS = 10  # lines; there may be 10,000 hotwords
BOOST = 4.0  # nats per token of a hotword of FunASR's default weight; the weight scales it
_LATIN = re.compile("[A-Za-z']")
_RUN = re.compile(r"[A-Za-z']+|[\u3400-\U0003ffff]+|\S")

Spelling = Sequence["tuple[int, int]"]  # (sound, token id) of each token of a word


class _CannotSpell(Exception):
    """Why no sequence of tokens says this word."""


class LeftOut(NamedTuple):
    """A hotword that cannot be used, as the user wrote it, and why, to be shown to the user."""

    text: str
    why: str


@dataclass(frozen=True)
class Lexicon:
    """W hotwords over C columns; a column is a token of at least one of them, with its sound in the word.

    ``tokens`` (C,) token ids; ``sounds`` (C,) in ascending order; ``words`` (W, longest) columns, 0 after the
    word's end; ``lengths`` (W,) in tokens; ``boosts`` (W,) in nats for the whole word. ``by_first`` (W,) holds the
    words ordered by their first column: those of column c are ``by_first[begins[c]:begins[c + 1]]``. Of the
    vocabulary (V): ``heard_sounds`` (V, readings) and ``is_piece`` (V,), whether a Latin word goes on after it.
    ``left_out``: the hotwords that are not among the W.
    """

    tokens: np.ndarray
    sounds: np.ndarray
    words: np.ndarray
    lengths: np.ndarray
    boosts: np.ndarray
    by_first: np.ndarray
    begins: np.ndarray
    heard_sounds: np.ndarray
    is_piece: np.ndarray
    left_out: tuple[LeftOut, ...] = ()

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def longest(self) -> int:
        """Tokens of the longest word."""
        return int(self.words.shape[1])

    @staticmethod
    def build(
        hotwords: Sequence[Hotword], token_list: Sequence[str], seg_dict: Mapping[str, Sequence[str]] | None = None
    ) -> Lexicon:
        """``token_list``: the text of each token id. ``seg_dict``: the pieces of Latin words (``latin_words``) where
        the model's own spelling is known; the others are cut greedily, the longest piece first.

        Takes about 0.1 ms a word, and 0.5 s more the first time. Raises FatalError ``dependency_missing``.
        """
        ids = {token: index for index, token in enumerate(token_list)}
        spelled: list[Spelling] = []
        weights: list[float] = []
        left_out: list[LeftOut] = []
        for hotword in hotwords:
            try:
                spelled.append(_spell(hotword.text, ids, seg_dict or {}))
                weights.append(hotword.weight)
            except _CannotSpell as reason:
                left_out.append(LeftOut(hotword.text, str(reason)))
        return _laid_out(spelled, weights, token_list, tuple(left_out))


def latin_words(hotwords: Iterable[Hotword]) -> set[str]:
    """The Latin words in them that are not said letter by letter, in lower case."""
    runs = (run for hotword in hotwords for run in _RUN.findall(hotword.text))
    return {run.lower() for run in runs if _LATIN.match(run) and not run.isupper()}


def _laid_out(
    spelled: Sequence[Spelling], weights: Sequence[float], token_list: Sequence[str], left_out: tuple[LeftOut, ...]
) -> Lexicon:
    entries = sorted({entry for word in spelled for entry in word})
    columns = {entry: column for column, entry in enumerate(entries)}
    lengths = np.array([len(word) for word in spelled], dtype=np.int64)
    words = np.zeros((len(spelled), lengths.max(initial=0)), dtype=np.int64)
    for row, word in enumerate(spelled):
        words[row, : len(word)] = [columns[entry] for entry in word]
    first = words[:, 0] if len(spelled) else lengths
    column_entries = np.array(entries, dtype=np.int64).reshape(-1, 2)
    return Lexicon(
        tokens=np.ascontiguousarray(column_entries[:, 1]),
        sounds=np.ascontiguousarray(column_entries[:, 0]),
        words=words,
        lengths=lengths,
        boosts=lengths * np.array(weights, dtype=np.float64) * (BOOST / DEFAULT_WEIGHT),
        by_first=np.argsort(first, kind="stable"),
        begins=np.searchsorted(np.sort(first), np.arange(len(columns) + 1)),
        heard_sounds=sounds_of_vocabulary(tuple(token_list) if spelled else ()),
        is_piece=np.array([token.endswith(PIECE_MARK) for token in token_list], dtype=bool),
        left_out=left_out,
    )


def _spell(text: str, ids: Mapping[str, int], seg_dict: Mapping[str, Sequence[str]]) -> Spelling:
    """Raises _CannotSpell."""
    spelling: list[tuple[int, int]] = []
    for run in _RUN.findall(text):
        if is_chinese(run[0]):
            pieces, sounds = list(run), sounds_of_word(run)
        else:
            pieces = _pieces(run, ids, seg_dict) if _LATIN.match(run) else [run]
            sounds = [SILENT] * len(pieces)
        missing = [piece for piece in pieces if piece not in ids]
        if missing:
            raise _CannotSpell(f"the model cannot write {missing[0]}")
        spelling += [(sound, ids[piece]) for piece, sound in zip(pieces, sounds)]
    if len(spelling) == 1 and len(text) == 1:
        raise _CannotSpell("a single character would be found everywhere")
    return spelling


def _pieces(run: str, ids: Mapping[str, int], seg_dict: Mapping[str, Sequence[str]]) -> list[str]:
    """Tokens of a Latin word: letter by letter if it is written in capitals, as an abbreviation is printed."""
    if run.isupper():
        return list(run.lower())
    word = run.lower()
    known = seg_dict.get(word, ())
    if known and all(piece in ids for piece in known):
        return list(known)
    pieces: list[str] = []
    begin = 0
    while begin < len(word):
        ends = range(len(word), begin, -1)
        marked = ((end, word[begin:end] + (PIECE_MARK if end < len(word) else "")) for end in ends)
        found = next(((end, piece) for end, piece in marked if piece in ids), None)
        if found is None:
            raise _CannotSpell(f"the model has no pieces for {run}; write it in capitals if it is said by letters")
        begin, piece = found
        pieces.append(piece)
    return pieces


def warn_of(left_out: Sequence[LeftOut], of: int) -> None:
    """Say which hotwords cannot be used; ``of``: how many there are."""
    for word, why in left_out[:MOST_WARNINGS]:
        log.warning("hotword %s is left out: %s", word, why)
    if len(left_out) > MOST_WARNINGS:
        log.warning("… and %d more hotwords are left out", len(left_out) - MOST_WARNINGS)
    if left_out and len(left_out) == of:
        log.warning("the model can write none of the hotwords: nothing is listened for")
