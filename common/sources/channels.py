"""Several channels → one."""

from __future__ import annotations

import logging

import numpy as np

log = logging.getLogger(__name__)

WINDOW_SEC = 0.032  # a microphone's block: there nothing waits
CANCELLED, RESTORED = 0.05, 0.2  # power of the mean in that of a channel; two alike channels: 1, two unlike ones: 0.5


class Mixer:
    """The mean of all channels, unless they cancel each other: then one of them alone.

    Decided for each ``WINDOW_SEC`` of sound, counted from the beginning, so it does not depend on how the sound is cut
    into blocks. From a window on in which the mean has less than ``CANCELLED`` of a channel's average power (13 dB are
    lost: one of two channels is wired the wrong way round) one channel is heard, up to a window in which the mean has
    at least ``RESTORED``. It is the loudest, the first of several; once chosen it stays while it has at least half of
    the loudest's power.
    """

    def __init__(self) -> None:
        self._told = False
        self.begin(1)

    def begin(self, rate: int) -> None:
        """Forget what it holds; ``rate`` Hz from here on."""
        self._window = max(1, int(WINDOW_SEC * rate))
        self._held: np.ndarray | None = None  # frames that do not fill a window yet
        self._is_alone = False
        self._alone = 0

    def mix(self, frames: np.ndarray) -> np.ndarray:
        """``frames``: finite float32 of shape (samples, channels). Returns whole windows; the rest is held."""
        held = frames if self._held is None else np.concatenate([self._held, frames])
        whole = len(held) // self._window * self._window
        self._held = held[whole:]
        return self._mixed(held[:whole].reshape(-1, self._window, held.shape[1]))

    def finish(self) -> np.ndarray:
        """What it holds."""
        held, self._held = self._held, None
        return np.zeros(0, np.float32) if held is None or not len(held) else self._mixed(held[None])

    def _mixed(self, windows: np.ndarray) -> np.ndarray:
        mean: np.ndarray = windows.mean(axis=2, dtype=np.float32)
        powers = np.square(windows).mean(axis=1, dtype=np.float64)
        left = np.square(mean).mean(axis=1, dtype=np.float64)
        for window, (power, rest) in enumerate(zip(powers, left)):
            limit = RESTORED if self._is_alone else CANCELLED
            self._is_alone = bool(rest < limit * power.mean())
            if self._is_alone:
                mean[window] = windows[window, :, self._choose(power)]
        return mean.reshape(-1)

    def _choose(self, power: np.ndarray) -> int:
        """The channel that is heard where all together are not."""
        if 2 * power[self._alone] < power.max():
            self._alone = int(power.argmax())
        if not self._told:
            what = "the channels cancel each other: channel %d is heard where they do; --channel chooses one"
            log.warning(what, self._alone + 1)
            self._told = True
        return self._alone
