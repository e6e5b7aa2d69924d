"""The reference engine: FunASR's own streaming Paraformer, one chunk at a time.

It runs what ``AutoModel.generate`` runs, in the same order, and keeps what ``generate`` throws away: token ids
over the whole utterance and their log-posteriors. ``funasr`` is imported when a model is loaded.
"""

from __future__ import annotations

import copy
from typing import Any, Sequence

import numpy as np

from common.engines.funasr.build import build_arguments, build_checked, only_finite_numbers
from common.engines.model_folder import ModelFiles
from common.engines.quiet import quiet_noise
from common.engines.seam import SHORTEST_LAST_PIECE, Hypothesis, Spellings, best_of
from common.settings.services import ModelConfig
from common.units import LFR_FRAME_SAMPLES


class FunasrEngine:
    """A loaded ParaformerStreaming with its frontend; one cache per session makes sessions independent."""

    def __init__(
        self, model: Any, frontend: Any, build: dict[str, Any], token_list: Sequence[str], config: ModelConfig
    ) -> None:
        self.model = model
        self.frontend = frontend
        self.token_list = token_list
        self.about: tuple[tuple[str, Any], ...] = ()
        self.spellings: Spellings = lambda _words: {}
        self.device = build["device"]
        self._build = build
        self._cache_conf = {
            "encoder_conf": build["encoder_conf"],
            "frontend_conf": build["frontend_conf"],
            "chunk_size": list(config.chunk_size),
            "encoder_chunk_look_back": config.encoder_chunk_look_back,
            "decoder_chunk_look_back": config.decoder_chunk_look_back,
        }
        self._ahead = config.chunk_size[2] * LFR_FRAME_SAMPLES
        self.chunk_samples = config.chunk_size[1] * LFR_FRAME_SAMPLES

    def session(self) -> FunasrSession:
        return FunasrSession(self)

    def new_cache(self) -> dict[str, Any]:
        cache: dict[str, Any] = self.model.init_cache({}, **self._cache_conf)
        return cache

    def warm_up(self) -> None:
        """One real inference, and the decoder even where nothing was said.

        Raises FatalError ``model_load_failed`` where a number is not finite.
        """
        import torch

        noise, cache = quiet_noise(0, self.chunk_samples), self.new_cache()
        with only_finite_numbers(), torch.inference_mode():
            encoded, lengths = self._encode(noise, cache, is_final=True)
            one = torch.ones(1, dtype=torch.int64, device=encoded.device)
            self.model.calc_predictor_chunk(encoded, lengths, cache=cache, is_final=True)
            self.model.cal_decoder_with_predictor_chunk(encoded, lengths, encoded[:, :1], one, cache=cache)

    def decode(self, samples: np.ndarray, cache: dict[str, Any], is_final: bool, until: int = 0) -> Hypothesis:
        """Decode one chunk (float32, at least 960 samples) and advance ``cache`` in place.

        FunASR does not say where a token fired, so the fires are spread evenly over what was decoded. That ends at
        ``until``, the chunk's last sample, in a final chunk; in others, ``right`` rows before it.
        """
        import torch

        with torch.inference_mode():
            encoded, lengths = self._encode(samples, cache, is_final)
            fired = self.model.calc_predictor_chunk(encoded, lengths, cache=cache, is_final=is_final)
            embeds, count = fired[:2]
            if int(count.max()) < 1:
                return Hypothesis()
            log_probs, _ = self.model.cal_decoder_with_predictor_chunk(encoded, lengths, embeds, count, cache=cache)
            posteriors = log_probs[0, : int(count[0])].cpu().numpy()
        end = until - (0 if is_final else self._ahead)
        fires = np.linspace(until - self._ahead - len(samples), end, len(posteriors) + 1)[1:]
        return best_of(posteriors, [max(0, int(fire)) for fire in fires])

    def _encode(self, samples: np.ndarray, cache: dict[str, Any], is_final: bool) -> tuple[Any, Any]:
        """What the encoder makes of one chunk, and its length."""
        import torch

        speech = torch.from_numpy(np.ascontiguousarray(samples, dtype=np.float32))[None, :]
        features, lengths = self.frontend(speech, [speech.shape[1]], cache=cache["frontend"], is_final=is_final)
        features = features.to(device=self.device, dtype=torch.float32)
        encoded, encoded_lengths = self.model.encode_chunk(features, lengths, cache=cache, is_final=is_final)
        return encoded, encoded_lengths


class FunasrSession:
    """One utterance: pending samples, FunASR's cache, and what is committed."""

    def __init__(self, engine: FunasrEngine) -> None:
        self._engine = engine
        self._cache = engine.new_cache()
        self._pending = np.zeros(0, dtype=np.float32)
        self._heard = 0
        self._committed = Hypothesis()

    def accept(self, samples: np.ndarray) -> Hypothesis | None:
        self._heard += len(samples)
        self._pending = np.concatenate([self._pending, samples])
        chunk = self._engine.chunk_samples
        if len(self._pending) < chunk:
            return None
        while len(self._pending) >= chunk:
            piece, self._pending = self._pending[:chunk], self._pending[chunk:]
            decoded = self._heard - len(self._pending)
            self._committed += self._engine.decode(piece, self._cache, is_final=False, until=decoded)
        return self._committed

    def peek(self, quiet: np.ndarray | None = None) -> Hypothesis:
        ahead = copy.copy(self)
        ahead._cache = copy.deepcopy(self._cache)  # FunASR changes its lists in place; 5 ms at the real geometry
        if quiet is not None:
            ahead.accept(quiet)
        return ahead.finish()

    def finish(self) -> Hypothesis:
        if self._heard == 0:  # FunASR decodes zeros here, and may invent a token
            return Hypothesis()
        return self._committed + self._last(self._cache)

    def _last(self, cache: dict[str, Any]) -> Hypothesis:
        missing = max(0, SHORTEST_LAST_PIECE - len(self._pending))
        piece = np.concatenate([self._pending, quiet_noise(self._heard, missing)])
        return self._engine.decode(piece, cache, is_final=True, until=self._heard)


def load_funasr(config: ModelConfig, files: ModelFiles, device: str) -> FunasrEngine:
    """FunASR's own model from a checked folder, warmed up by one real inference.

    Raises FatalError: ``model_load_failed`` for the folder, ``dependency_missing`` for torch or FunASR.
    """
    model, build = build_checked(files, build_arguments(files, config.threads, device))
    engine = FunasrEngine(model, build["frontend"], build, files.tokens, config)
    engine.warm_up()
    return engine
