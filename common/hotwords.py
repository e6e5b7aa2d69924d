"""Hotwords found in the posteriors of what was heard; pure.

For every hotword and every place where it could stand,

    gain = Σ (log p(its token) + boost) − Σ log p(token heard)

and the words with a gain replace what was heard, the greatest gain first, none over another. A token that
sounds like the one heard costs less than the model says: which of several homophones to write, the model has
learnt from texts in which the user's words are rare. No token is put in or taken out.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence

import numpy as np

from common.lexicon import Lexicon
from common.pinyin import SILENT, syllable

# Nats: how much less likely than the token heard a hotword's token counts at the most …
HOMOPHONE_COST = 3.0  # … if it sounds the same: less than a hotword's boost a token
OTHER_TONE_COST = 6.0  # … if only the tone is another
FLOOR = 6.0  # … if it sounds otherwise: beyond that the word does not stand here, however long it is
TIE = 1e-3  # of the true cost is kept, so that among hotwords that sound alike the model chooses


class _Places(NamedTuple):
    """Words where they could stand, an entry each: ``end`` (exclusive) may lie behind what was heard so far."""

    word: np.ndarray
    start: np.ndarray
    end: np.ndarray
    gain: np.ndarray

    def where(self, chosen: np.ndarray) -> _Places:
        return _Places(*(each[chosen] for each in self))


def rescore(
    tokens: Sequence[int], log_posteriors: np.ndarray, lexicon: Lexicon | None, first: int = 0
) -> tuple[int, ...]:
    """``tokens`` (N) with the hotwords of ``lexicon`` in the places where they win; never longer or shorter.

    ``log_posteriors`` (N, V) float32, natural logarithm: a row for each token, whose best it is. Tokens before
    ``first`` are printed and stay; a hotword may begin there if it says what is printed.
    """
    heard = np.asarray(tokens, dtype=np.int64)
    if not lexicon or first >= len(heard):
        return tuple(heard.tolist())
    places = _places(heard, log_posteriors, lexicon, first)
    return tuple(_replaced(heard, places.where(places.end <= len(heard)), lexicon).tolist())


def held_back(tokens: Sequence[int], log_posteriors: np.ndarray, lexicon: Lexicon | None, first: int = 0) -> int:
    """How many of the last tokens a hotword may still rewrite whose end has not been heard yet.

    Arguments as for ``rescore``. What lies before them no later token changes; printed tokens are never among
    them. A token that the word would leave as it is need not wait for the word's end.
    """
    heard = np.asarray(tokens, dtype=np.int64)
    if not lexicon or first >= len(heard):
        return 0
    places = _places(heard, log_posteriors, lexicon, first)
    whole = places.end <= len(heard)
    if whole.all():
        return 0
    replaced = _replaced(heard, places.where(whole), lexicon)
    undecided = places.where(places.end > _reach(places, whole))
    may_change = heard != replaced
    may_change[: undecided.start.min()] = False
    for offset in range(lexicon.longest):
        at = undecided.start + offset
        inside = (at < len(heard)) & (offset < lexicon.lengths[undecided.word])
        wanted = lexicon.tokens[lexicon.words[undecided.word[inside], offset]]
        at = at[inside]
        may_change[at[wanted != replaced[at]]] = True
    may_change[:first] = False
    return len(heard) - int(np.argmax(may_change)) if may_change.any() else 0


def _reach(places: _Places, whole: np.ndarray) -> int:
    """Where the first place begins that can win or lose by a word whose end has not been heard: the unfinished
    words themselves, the words that overlap them, and so on."""
    reach = int(places.start[~whole].min())
    for index in np.argsort(-places.end):
        if places.end[index] > reach:
            reach = min(reach, int(places.start[index]))
    return reach


def _replaced(heard: np.ndarray, places: _Places, lexicon: Lexicon) -> np.ndarray:
    """``heard`` with the winners among ``places``: the greatest gain first, then the earliest."""
    result = heard.copy()
    taken = np.zeros(len(heard), dtype=bool)
    for index in np.lexsort((places.start, -places.gain)):
        word, start, end = places.word[index], places.start[index], places.end[index]
        if not taken[start:end].any():
            taken[start:end] = True
            result[start:end] = lexicon.tokens[lexicon.words[word, : end - start]]
    return result


def _places(heard: np.ndarray, log_posteriors: np.ndarray, lexicon: Lexicon, first: int) -> _Places:
    """The places with a gain, those at the end of which more could follow reckoned as if it followed."""
    low = max(0, first - lexicon.longest + 1)
    costs = _costs(heard[low:], log_posteriors[low:], lexicon, first - low)
    row, column = np.nonzero(costs < np.inf)
    begin = lexicon.begins[column]
    owner, rank = _expanded(begin, lexicon.begins[column + 1] - begin)
    start, word = row[owner], lexicon.by_first[rank]
    gain = lexicon.boosts[word].copy()
    for offset in range(lexicon.longest):
        inside = (start + offset < len(costs)) & (lexicon.lengths[word] > offset)
        gain[inside] -= costs[start[inside] + offset, lexicon.words[word[inside], offset]]
        keep = gain > 0
        word, start, gain = word[keep], start[keep], gain[keep]
    start = start + low
    places = _Places(word, start, start + lexicon.lengths[word], gain)
    return places.where((places.end > first) & ~_cuts_a_latin_word(heard, places, lexicon))


def _costs(heard: np.ndarray, log_posteriors: np.ndarray, lexicon: Lexicon, first: int) -> np.ndarray:
    """(N, C): what the token of a column costs in the place of a token heard; infinite where it cannot stand."""
    best = log_posteriors[np.arange(len(heard)), heard]
    by_model = np.maximum(best[:, None] - log_posteriors[:, lexicon.tokens], 0.0)
    costs: np.ndarray = np.where(by_model <= FLOOR, by_model, np.inf)
    for reading in lexicon.heard_sounds[heard].T:  # (N,): the tokens' first readings, then their second …
        row, column = _of_one_syllable(reading, lexicon)
        limit = np.where(lexicon.sounds[column] == reading[row], HOMOPHONE_COST, OTHER_TONE_COST)
        by_sound = np.minimum(by_model[row, column], limit + TIE * by_model[row, column])
        costs[row, column] = np.minimum(costs[row, column], by_sound)
    costs[:first] = np.where(lexicon.tokens == heard[:first, None], 0.0, np.inf)
    return costs


def _of_one_syllable(sounds: np.ndarray, lexicon: Lexicon) -> tuple[np.ndarray, np.ndarray]:
    """The (row, column) pairs in which a column's syllable is that of ``sounds`` (N)."""
    syllables = syllable(lexicon.sounds)
    begin = np.searchsorted(syllables, syllable(sounds))
    count = np.where(sounds == SILENT, 0, np.searchsorted(syllables, syllable(sounds), side="right") - begin)
    return _expanded(begin, count)


def _expanded(begin: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """For each range ``begin[i]:begin[i] + count[i]`` its numbers, and ``i`` beside each: (i, numbers)."""
    owner = np.repeat(np.arange(len(begin)), count)
    nth = np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)
    return owner, begin[owner] + nth


def _cuts_a_latin_word(heard: np.ndarray, places: _Places, lexicon: Lexicon) -> np.ndarray:
    """Whether a place begins or ends between two pieces of one Latin word."""
    goes_on = lexicon.is_piece[heard]
    last = np.minimum(places.end, len(heard)) - 1
    cuts: np.ndarray = (places.start > 0) & goes_on[places.start - 1]
    cuts |= (places.end <= len(heard)) & goes_on[last]
    return cuts
