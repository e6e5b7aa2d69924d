"""One utterance on our own engine: features, the state of the network, and what is committed."""

from __future__ import annotations

from typing import Any, Sequence

import numpy as np

from common.engines.features import Features, Frontend
from common.engines.model_folder import failed
from common.engines.quiet import quiet_noise
from common.engines.seam import SHORTEST_LAST_PIECE, Hypothesis, Spellings
from common.engines.streaming_step import Network, Shape, first_state, step
from common.errors import FatalError
from common.units import LFR_FRAME_SAMPLES


class ParaformerEngine:
    """A loaded network; sessions share nothing but its weights."""

    def __init__(self, network: Network, frontend: Frontend, shape: Shape, token_list: Sequence[str]) -> None:
        self.network = network
        self.frontend = frontend
        self.shape = shape
        self.token_list = token_list
        self.about: tuple[tuple[str, Any], ...] = ()
        self.spellings: Spellings = lambda _words: {}
        self.precision = "float32"  # or int8

    def session(self) -> ParaformerSession:
        return ParaformerSession(self)

    def warm_up(self) -> np.ndarray:
        """Run the frontend and both halves of the network once; returns some numbers of what came out.

        Raises FatalError: ``model_load_failed`` where a number is not finite, as then every text is wrong;
        ``dependency_missing``.
        """
        features = Features(self.frontend)
        features.accept(quiet_noise(0, LFR_FRAME_SAMPLES))
        heard = features.rest(quiet_noise(LFR_FRAME_SAMPLES, LFR_FRAME_SAMPLES))
        geometry, shape = self.network.geometry, self.shape
        rows = quiet_noise(0, (shape.overlap + shape.chunk) * geometry.inputs).reshape(-1, geometry.inputs) * 1000
        encoded = self.network.encode(rows, (), 0)
        decoded = self.network.decode(encoded.hidden[:1], encoded.hidden, None, None, shape.decoder_rows)
        for numbers in (heard, encoded.hidden, encoded.weights, decoded.log_probs):
            if not np.isfinite(numbers).all():
                raise failed(FloatingPointError("what the model computes is not finite: its weights are damaged"))
        return np.concatenate([encoded.hidden[-1, :8], decoded.log_probs[0, :8]])

    def computes(self, wanted: list[float]) -> bool:
        """Whether ``warm_up`` returns these numbers, or nearly: a file in a cache may be damaged in any way."""
        try:
            return bool(np.allclose(self.warm_up(), wanted, atol=0.05))
        except FatalError as error:
            if error.error_code != "model_load_failed":
                raise
            return False


class ParaformerSession:
    def __init__(self, engine: ParaformerEngine) -> None:
        self._network, self._shape = engine.network, engine.shape
        self._features = Features(engine.frontend)
        self._state = first_state(engine.network.geometry, engine.shape)
        self._pending = 0  # samples after the last chunk
        self._heard = 0  # samples
        self._committed = Hypothesis()

    def accept(self, samples: np.ndarray) -> Hypothesis | None:
        self._features.accept(samples)
        self._heard += len(samples)
        self._pending += len(samples)
        chunk = self._shape.chunk * LFR_FRAME_SAMPLES
        if self._pending < chunk:
            return None
        while self._pending >= chunk:
            self._pending -= chunk
            rows = self._features.take(self._shape.chunk)
            decoded, self._state = step(self._network, self._shape, rows, self._state)
            self._committed += decoded
        return self._committed

    def peek(self, quiet: np.ndarray | None = None) -> Hypothesis:
        heard = self._heard + (0 if quiet is None else len(quiet))
        if heard == 0:
            return Hypothesis()
        chunks, pending = divmod(self._pending + heard - self._heard, self._shape.chunk * LFR_FRAME_SAMPLES)
        noise = quiet_noise(heard, max(0, SHORTEST_LAST_PIECE - pending))
        rows = self._features.rest(noise if quiet is None else np.concatenate([quiet, noise]))
        found, state = self._committed, self._state
        for _ in range(chunks):
            decoded, state = step(self._network, self._shape, rows[: self._shape.chunk], state)
            found, rows = found + decoded, rows[self._shape.chunk :]
        tail, _ = step(self._network, self._shape, rows, state, is_final=True)
        return found + tail

    def finish(self) -> Hypothesis:
        return self.peek()
