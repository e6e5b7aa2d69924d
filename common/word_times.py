"""When each token was spoken, from where it fired; pure."""

from __future__ import annotations

from typing import Sequence

LEAD = 0  # samples that a token begins before it fires
LONGEST = 6400  # samples that a token lasts at most


def spans(fires: Sequence[int], until: int) -> list[tuple[int, int]]:
    """Start and end of each token, in samples like ``fires``; none ends behind ``until`` or begins before 0.

    A token lasts until the next one begins, ``LONGEST`` samples at most.
    """
    starts = [min(max(0, fire - LEAD), until) for fire in fires]
    ends = [*starts[1:], until]
    return [(start, max(start, min(end, start + LONGEST))) for start, end in zip(starts, ends)]
