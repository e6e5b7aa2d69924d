"""Text from the tokens of a whole utterance; pure.

FunASR joins tokens chunk by chunk, which loses a word piece at a chunk's end and splits spelled
letters. Here the tokens of the utterance so far are rendered anew each time, by these rules:

* ``mon@@`` ``day`` is ``monday``: a piece that ends in ``@@`` goes on in the next Latin token; a Chinese
  character or the end closes the word;
* a space stands between two Latin words and nowhere else; ``'s`` is glued to the word before it;
* a run of two or more single letters is an abbreviation in capitals: ``u`` ``s`` ``b`` is ``USB``, ``a`` ``a`` is
  ``AA`` as in AA制, ``w`` ``w`` ``w`` is ``WWW``;
* a stutter is not an abbreviation: a repeated letter stays as it is if it is ``i``, which is a word (``i i i
  think``), if it is ``a`` and a Latin word follows (``a a a big house``), or if the Latin word that follows begins
  with it (``b b but``);
* ``<unk>`` and the other specials are dropped.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Sequence

PIECE_MARK = "@@"


@dataclass(frozen=True)
class Word:
    """A Chinese character, a Latin word, or a run of spelled letters.

    ``tokens`` are indices into the tokens rendered; ``is_open`` says that tokens to come may still
    change what is written here (a piece without its end, a lone letter that may be spelling, the same letter again
    and again, which may be a stutter).
    """

    text: str
    tokens: tuple[int, ...]
    is_latin: bool = False
    is_open: bool = False


def words(tokens: Sequence[str]) -> list[Word]:
    """The words that ``tokens`` spell, in order. Specials are in none of them."""
    result: list[Word] = []
    position = 0
    spoken = [(i, token) for i, token in enumerate(tokens) if not _is_special(token)]
    while position < len(spoken):
        take = max(1, _latin_run(spoken, position))
        run, position = spoken[position : position + take], position + take
        following = spoken[position][1] if position < len(spoken) else None
        if _is_letter(run[0][1]):
            result += _letters(run, following)
        elif _is_latin(run[0][1]):
            result.append(_latin_word(run, is_last=following is None))
        else:
            result.append(Word(run[0][1].replace(PIECE_MARK, ""), (run[0][0],)))
    return result


def render(tokens: Sequence[str]) -> str:
    """The text of ``tokens``."""
    return join(words(tokens))


def join(parts: Sequence[Word]) -> str:
    """``parts`` written one after the other, a space between two Latin words."""
    text = ""
    latin_before = False
    for word in parts:
        glue = " " if latin_before and word.is_latin and not word.text.startswith("'") else ""
        text += glue + word.text
        latin_before = word.is_latin
    return text


def settled(parts: Sequence[Word]) -> list[Word]:
    """``parts`` without the last words that are still open: no later token can change those that are left."""
    count = len(parts)
    while count and parts[count - 1].is_open:
        count -= 1
    return list(parts[:count])


def _is_special(token: str) -> bool:
    return token.replace(PIECE_MARK, "") == "" or (token.startswith("<") and token.endswith(">"))


def _is_latin(token: str) -> bool:
    return all(ord(character) < 0x250 for character in token)


def _is_letter(token: str) -> bool:
    return len(token) == 1 and token.isalpha() and _is_latin(token)


def _latin_run(spoken: Sequence[tuple[int, str]], start: int) -> int:
    """How many tokens from ``start`` make one Latin word; 0 before a Chinese character."""
    if not _is_latin(spoken[start][1]):
        return 0
    end = start
    if _is_letter(spoken[start][1]):
        while end < len(spoken) and _is_letter(spoken[end][1]):
            end += 1
        return end - start
    while spoken[end][1].endswith(PIECE_MARK) and end + 1 < len(spoken) and _is_latin(spoken[end + 1][1]):
        end += 1
    return end - start + 1


def _letters(run: Sequence[tuple[int, str]], following: str | None) -> list[Word]:
    """Single letters in a row, before the token ``following`` (None: they are the last): an abbreviation, a stutter
    of as many words, or a lone letter."""
    repeated = len({token for _, token in run}) == 1
    is_open = following is None and repeated
    if repeated and _is_stutter(run[0][1], following or ""):
        return [Word(token, (index,), is_latin=True, is_open=is_open) for index, token in run]
    text = "".join(token for _, token in run)
    indices = tuple(index for index, _ in run)
    return [Word(text.upper() if len(run) > 1 else text, indices, is_latin=True, is_open=is_open)]


def _is_stutter(letter: str, following: str) -> bool:
    """Whether ``letter``, said several times before ``following``, is a stutter and not an abbreviation."""
    if letter == "i":
        return True
    before_a_word = following[:1].isalpha() and _is_latin(following)
    return before_a_word and (letter == "a" or following.startswith(letter))


def _latin_word(run: Sequence[tuple[int, str]], is_last: bool) -> Word:
    text = "".join(token.replace(PIECE_MARK, "") for _, token in run)
    indices = tuple(index for index, _ in run)
    return Word(text, indices, is_latin=True, is_open=is_last and run[-1][1].endswith(PIECE_MARK))
