"""How a service shows an utterance that is still open; pure."""

from __future__ import annotations

import math
from dataclasses import dataclass

from common.text.hotword_spelling import Lexicon

UNSURE = math.log(0.5)  # below it the last tentative tokens are not shown yet: most of them are rewritten


@dataclass(frozen=True)
class Partials:
    """How a service shows an utterance that is still open.

    ``append_only``: shows only text that no later token can change, so that every partial starts with the one
    before it. ``peek_interval``: samples between two looks at the tail that is not committed yet; None: never.
    ``unsure``: the log-posterior below which the tail's last tokens are not shown yet. ``hotwords``: None without any.
    ``final_differs``: the final's text is made anew, so nothing of a partial is stable.
    """

    append_only: bool = False
    peek_interval: int | None = None
    unsure: float = UNSURE
    hotwords: Lexicon | None = None
    final_differs: bool = False
