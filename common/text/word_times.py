"""When each token was spoken, from where it fired; pure.

FunASR's own tool (utils/timestamp_tools.py, ``ts_prediction_lfr6_standard``) says that a character lasts from its fire
to the next one, both moved back by 1.5 frames of 60 ms. It counts whole frames. A fire here is a point within the
frame, on average half a frame later, so the same shift is 120 ms. ``LEAD`` is one frame more, 180 ms, which is as near
to that as the bundled demo model allows: trained without FunASR's extra fire at the end (``predictor_bias`` 0), it
fires where a character ends, 200 to 250 ms after its beginning.

A last token that fires only because the utterance ends was spoken earlier, so no token may begin or end after the
speech that the detector heard. Tokens that fire at the same place were spoken one after the other: each lasts
``SHORTEST`` at least, or its share of the speech where there is less.
"""

from __future__ import annotations

from typing import Sequence

import numpy as np

LEAD = 2880  # samples from the beginning of a token to its fire
LONGEST = 6400  # samples that a token lasts at most: espeak-ng's slowest syllables, and most of people's
SHORTEST = 960  # samples that a token lasts at least: a row of the encoder, the finest that a fire tells apart


def spans(fires: Sequence[int], first: int, until: int) -> list[tuple[int, int]]:
    """Start and end of each token, in samples like ``fires``. The speech begins at ``first`` and ends at ``until``.

    A token lasts until the next one begins, ``LONGEST`` samples at most; the last one until the speech ends.
    """
    count = len(fires)
    shortest = min(SHORTEST, max(0, until - first) // max(1, count))
    before = np.arange(count) * shortest  # samples that the tokens before each one need at least
    starts = np.minimum(np.asarray(fires, dtype=np.int64), until) - LEAD - before
    starts = np.minimum.accumulate(starts[::-1])[::-1]  # one that fires too soon after another moves that one earlier
    starts = np.clip(starts, first, max(first, until - count * shortest)) + before
    ends = np.minimum(np.append(starts[1:], max(first, until))[:count], starts + LONGEST)
    return list(zip(starts.tolist(), ends.tolist()))
