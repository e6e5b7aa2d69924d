"""Hotwords found in the posteriors of what was heard; pure.

For every hotword and every place where it could stand,

    gain = Σ (log p(its token) + boost) − Σ log p(token heard)

and the words with a gain above 0 replace what was heard, the greatest gain first; they never overlap. A token that
sounds like the one heard costs less than the model says, one that sounds different costs more: the model knows what
was said, but which homophone to write it learnt from texts where the user's words are rare. No token is added or lost.

The tokens of a word that were heard unchanged support it, but only so much (``LENT``): else a long word would win
whatever was heard in one of its places, and every 四月四号 would become 四月十号.
"""

from __future__ import annotations

from typing import NamedTuple, Sequence, Union

import numpy as np

from common.text.hotword_sound import SILENT, syllable
from common.text.hotword_spelling import Lexicon

# What a hotword's token costs in the place of another one, in nats. "By the model": how much less likely it is than
# what was heard. Measured by tests/accuracy/test_hotwords.py on the demo model: 150 hotwords that sound like commoner
# words, none found without the list, 149 with it; 2 of 300 sentences without a hotword changed by a list of 100.
HOMOPHONE_COST = 3.0  # at most, if it sounds the same: less than the boost, whatever the model says
OTHER_TONE = 2.0  # added, if only the tone differs, …
OTHER_TONE_COST = 9.0  # … but at most this in all: too much for a word of two, or 时间 would become 世间
STRANGER = 5.0  # added, if it sounds different: in unclear speech the model finds many tokens nearly as likely
FLOOR = 6.0  # by the model, if it sounds different: above this it is never put in, however long or heavy the word
TIE = 1e-3  # this part of the cost by the model is added to a limit: it still chooses among hotwords that sound alike
LENT = 1  # boosts that the unchanged tokens of a word lend to those that it changes
IMPOSSIBLE = 50.0  # at most, by the model: in half precision a posterior may be 0

Rows = Union[np.ndarray, Sequence[np.ndarray]]


class _Places(NamedTuple):
    """Words and where they could stand, one entry per place; ``end`` (exclusive) may lie beyond what was heard."""

    word: np.ndarray
    start: np.ndarray
    end: np.ndarray
    gain: np.ndarray

    def where(self, chosen: np.ndarray) -> _Places:
        return _Places(*(each[chosen] for each in self))


def rescore(tokens: Sequence[int], log_posteriors: Rows, lexicon: Lexicon | None, first: int = 0) -> tuple[int, ...]:
    """``tokens`` (N) with the hotwords of ``lexicon`` in the places where they win; the length stays.

    ``log_posteriors`` (N, V) float32, natural logarithm, as an array or row by row: each token is the best of its
    row. Tokens before ``first`` are printed and stay; a hotword may begin there if it says what is printed.
    """
    heard = np.asarray(tokens, dtype=np.int64)
    if not lexicon or first >= len(heard):
        return tuple(heard.tolist())
    return tuple(_replaced(heard, _places(heard, log_posteriors, lexicon, first), lexicon).tolist())


def settle(
    settled: Sequence[int], tokens: Sequence[int], log_posteriors: Rows, lexicon: Lexicon | None
) -> tuple[int, ...]:
    """``settled``, the tokens settled before, followed by those that are settled by now; they never change again.

    ``tokens`` and ``log_posteriors``, as for ``rescore``, are all of the utterance that is committed. They are
    rescored and settled, up to the first token that may still change because of a hotword whose end has not been
    heard yet. A token that such a word would leave as it is does not wait.
    """
    heard = np.array([*settled, *tokens[len(settled) :]], dtype=np.int64)
    if not lexicon or len(settled) == len(heard):
        return tuple(heard.tolist())
    places = _places(heard, log_posteriors, lexicon, len(settled))
    replaced = _replaced(heard, places, lexicon)
    waiting = _waiting(heard, replaced, places, lexicon, len(settled))
    return tuple(replaced[: len(heard) - waiting].tolist())


def _waiting(heard: np.ndarray, replaced: np.ndarray, places: _Places, lexicon: Lexicon, first: int) -> int:
    whole = places.end <= len(heard)
    if whole.all():
        return 0
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
    """The start of the first place that a word whose end has not been heard can decide about: the unfinished words
    themselves, the words that overlap them, the words that overlap those, and so on."""
    reach = int(places.start[~whole].min())
    for index in np.argsort(-places.end):
        if places.end[index] > reach:
            reach = min(reach, int(places.start[index]))
    return reach


def _replaced(heard: np.ndarray, places: _Places, lexicon: Lexicon) -> np.ndarray:
    """``heard`` with the winners among the ``places`` heard to their end: greatest gain first, then the earliest."""
    result = heard.copy()
    places = places.where(places.end <= len(heard))
    taken = np.zeros(len(heard), dtype=bool)
    for index in np.lexsort((places.start, -places.gain)):
        word, start, end = places.word[index], places.start[index], places.end[index]
        if not taken[start:end].any():
            taken[start:end] = True
            result[start:end] = lexicon.tokens[lexicon.words[word, : end - start]]
    return result


def _places(heard: np.ndarray, log_posteriors: Rows, lexicon: Lexicon, first: int) -> _Places:
    """The places with a gain; a word whose end has not been heard yet counts as if the rest of it followed."""
    low = max(0, first - lexicon.longest + 1)
    costs = _costs(heard[low:], np.asarray(log_posteriors[low:]), lexicon, first - low)
    row, column = np.nonzero(costs < np.inf)
    begin = lexicon.begins[column]
    owner, rank = _expanded(begin, lexicon.begins[column + 1] - begin)
    start, word = row[owner], lexicon.by_first[rank]
    cost = np.zeros(len(word))
    changed = np.zeros(len(word), dtype=np.int64)
    for offset in range(lexicon.longest):
        inside = (start + offset < len(costs)) & (lexicon.lengths[word] > offset)
        here = costs[start[inside] + offset, lexicon.words[word[inside], offset]]
        cost[inside] += here
        changed[inside] += here > 0
        keep = cost < lexicon.boosts[word]
        word, start, cost, changed = word[keep], start[keep], cost[keep], changed[keep]
    end = start + lexicon.lengths[word]
    changed += np.maximum(0, end - len(costs))  # what has not been heard yet may differ
    enough = cost < lexicon.boosts[word] / lexicon.lengths[word] * (changed + LENT)
    places = _Places(word, start + low, end + low, lexicon.boosts[word] - cost).where(enough)
    return places.where((places.end > first) & ~_cuts_a_latin_word(heard, places, lexicon))


def _costs(heard: np.ndarray, log_posteriors: np.ndarray, lexicon: Lexicon, first: int) -> np.ndarray:
    """(N, C): what the token of a column costs in the place of a token heard; infinite where it cannot stand."""
    best = log_posteriors[np.arange(len(heard)), heard]
    by_model = np.clip(best[:, None] - log_posteriors[:, lexicon.tokens], 0.0, IMPOSSIBLE)
    costs: np.ndarray = np.where(by_model <= FLOOR, by_model + STRANGER, np.inf)
    costs[by_model == 0] = 0.0  # what was heard
    for reading in lexicon.heard_sounds[heard].T:  # (N,): the tokens' first readings, then their second …
        row, column = _of_one_syllable(reading, lexicon)
        same_tone = lexicon.sounds[column] == reading[row]
        cost = by_model[row, column] + np.where(same_tone, 0.0, OTHER_TONE)
        limit = np.where(same_tone, HOMOPHONE_COST, OTHER_TONE_COST) + TIE * by_model[row, column]
        costs[row, column] = np.minimum(costs[row, column], np.minimum(cost, limit))
    costs[:first] = np.where(lexicon.tokens == heard[:first, None], 0.0, np.inf)
    return costs


def _of_one_syllable(sounds: np.ndarray, lexicon: Lexicon) -> tuple[np.ndarray, np.ndarray]:
    """The (row, column) pairs where the column has the syllable of that row in ``sounds`` (N)."""
    syllables = syllable(lexicon.sounds)
    begin = np.searchsorted(syllables, syllable(sounds))
    count = np.where(sounds == SILENT, 0, np.searchsorted(syllables, syllable(sounds), side="right") - begin)
    return _expanded(begin, count)


def _expanded(begin: np.ndarray, count: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers in every range ``begin[i]:begin[i] + count[i]``, and the ``i`` of each: (all i, all numbers)."""
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
