"""How the model itself spells Latin words: the folder's seg_dict, ``word piece piece …`` a line in UTF-8."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Collection, Iterator, Mapping, Sequence

from common.errors import describe

log = logging.getLogger(__name__)

MOST_BYTES = 100_000_000  # that of paraformer-zh-streaming has 8 million


def read_spellings(path: Path, words: Collection[str]) -> Mapping[str, Sequence[str]]:
    """The pieces of those of ``words`` (in lower case) that the file at ``path`` spells; a word's last line counts.

    The file is read anew each time (0.15 s for 8 MB), and nothing else of it is kept. A line whose pieces do not make
    up its word is left out. If the file cannot be read, a warning says so and the result is empty.
    """
    wanted = {word.encode("utf-8"): word for word in words}
    found: dict[str, Sequence[str]] = {}
    try:
        for key, pieces in _lines(path, wanted):
            spelled = pieces.decode("utf-8", errors="replace").split()
            if "".join(spelled).replace("@@", "") == wanted[key]:
                found[wanted[key]] = spelled
    except (OSError, ValueError) as error:
        log.warning("%s", describe(error, "Latin hotwords are spelled without the model's own list"))
        return {}
    return found


def _lines(path: Path, wanted: Collection[bytes]) -> Iterator[tuple[bytes, bytes]]:
    """The ``wanted`` words and what follows each on its line. Raises OSError, and ValueError for too large a file."""
    if path.stat().st_size > MOST_BYTES:
        raise ValueError(f"{path} is larger than {MOST_BYTES // 1_000_000} MB")
    with path.open("rb") as file:
        for line in file:
            parts = line.split(None, 1)
            if len(parts) == 2 and parts[0] in wanted:
                yield parts[0], parts[1]
