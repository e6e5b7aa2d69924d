"""Text from the tokens of a whole utterance; pure.

FunASR joins tokens chunk by chunk, which loses a word piece at a chunk's end and splits spelled
letters. Here the tokens of the utterance so far are rendered anew each time, by these rules:

* ``mon@@`` ``day`` is ``monday``: a piece that ends in ``@@`` goes on in the next Latin token; a Chinese
  character or the end closes the word;
* a space stands between two Latin words and nowhere else; ``'s`` is glued to the word before it;
* a run of two or more single letters is an abbreviation in capitals: ``u`` ``s`` ``b`` is ``USB``;
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
    change what is written here (a piece without its end, a lone letter that may be spelling).
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
        take = _latin_run(spoken, position)
        if take == 0:
            index, token = spoken[position]
            result.append(Word(token.replace(PIECE_MARK, ""), (index,)))
            position += 1
        else:
            result.append(_latin_word(spoken[position : position + take], position + take == len(spoken)))
            position += take
    return result


def render(tokens: Sequence[str]) -> str:
    """The text of ``tokens``."""
    return join(words(tokens))


def join(parts: Sequence[Word]) -> str:
    """``parts`` written one behind the other, a space between two Latin words."""
    text = ""
    latin_before = False
    for word in parts:
        glue = " " if latin_before and word.is_latin and not word.text.startswith("'") else ""
        text += glue + word.text
        latin_before = word.is_latin
    return text


def settled(parts: Sequence[Word]) -> list[Word]:
    """``parts`` without a last word that is still open: no later token can change what these say."""
    return list(parts[:-1]) if parts and parts[-1].is_open else list(parts)


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


def _latin_word(run: Sequence[tuple[int, str]], is_last: bool) -> Word:
    indices = tuple(index for index, _ in run)
    text = "".join(token.replace(PIECE_MARK, "") for _, token in run)
    if _is_letter(run[0][1]):
        spelled = len(run) > 1
        return Word(text.upper() if spelled else text, indices, is_latin=True, is_open=is_last and not spelled)
    return Word(text, indices, is_latin=True, is_open=is_last and run[-1][1].endswith(PIECE_MARK))
