"""When each token was spoken, from where it fired; pure.

FunASR's own tool (utils/timestamp_tools.py, ``ts_prediction_lfr6_standard``) says that a character lasts from its fire
to the next one, both moved back by 1.5 frames of 60 ms. It counts whole frames; a fire here is half a frame later on
average, being where within the frame the weight was reached, so the same shift is 120 ms. ``LEAD`` is one frame more,
180 ms, which is as near to that as the bundled demo model allows: trained without FunASR's extra fire at the end
(``predictor_bias`` 0), it fires where a character ends rather than where it begins, 200 to 250 ms behind its beginning.

A last token that fires because the utterance ends has not fired where it was spoken. No token fires behind the speech:
what the speech detector heard last bounds them all.
"""

from __future__ import annotations

from typing import Sequence

LEAD = 2880  # samples that a token begins before it fires
LONGEST = 6400  # samples that a token lasts at most: espeak-ng's slowest syllables, and most of people's


def spans(fires: Sequence[int], until: int) -> list[tuple[int, int]]:
    """Start and end of each token, in samples like ``fires``; ``until`` is where the speech ends.

    A token lasts until the next one begins, ``LONGEST`` samples at most; the last one until the speech ends.
    """
    starts = [max(0, min(fire, until) - LEAD) for fire in fires]
    ends = [*starts[1:], until]
    return [(start, max(start, min(end, start + LONGEST))) for start, end in zip(starts, ends)]
