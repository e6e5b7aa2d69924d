"""FunASR's own streaming loop, with its tokens and scores: what the engines are compared with."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from common.engines.quiet import quiet_noise
from common.units import LFR_FRAME_SAMPLES

NEAR_TIE = 1e-3  # log-probability: below this lead of the best token, rounding may choose the other one


@dataclass
class Decoded:
    """Everything FunASR emitted for a recording: tokens, log-posterior of each, and its lead over the next best."""

    tokens: list[str] = field(default_factory=list)
    log_probs: list[float] = field(default_factory=list)
    margins: list[float] = field(default_factory=list)


def padded_as_finish_does(samples: np.ndarray, stride: int) -> np.ndarray:
    """FunASR ignores a last piece under 960 samples; our sessions fill it up with quiet noise instead."""
    missing = max(0, LFR_FRAME_SAMPLES - len(samples) % stride)
    return np.concatenate([samples, quiet_noise(len(samples), missing)])


class FunasrLoop:
    """``AutoModel.generate`` chunk by chunk, dither off, loaded by FunASR's own loader.

    Its text loses word pieces at the edges of chunks, so the token lists that ``generate_chunk`` returns and
    the scores it throws away are picked up on the way.
    """

    def __init__(self, folder: Path, threads: int = 2) -> None:
        from common.engines.funasr.build import import_automodel

        self._auto = import_automodel()(
            model=str(folder),
            device="cpu",
            ncpu=threads,
            frontend_conf={"dither": 0.0},
            disable_update=True,
            disable_pbar=True,
            disable_log=True,
        )
        self._decoded = Decoded()
        model = self._auto.model
        model.generate_chunk = self._record_tokens(model.generate_chunk)
        model.cal_decoder_with_predictor_chunk = self._record_scores(model.cal_decoder_with_predictor_chunk)

    def decode(self, samples: np.ndarray, chunk_size: tuple[int, int, int], look_backs: tuple[int, int]) -> Decoded:
        """A whole recording: 16 kHz mono float32, cut every ``chunk_size[1]`` frames of 60 ms; ``look_backs`` of
        encoder and decoder in chunks."""
        self._decoded = Decoded()
        cache: dict[str, Any] = {}
        stride = chunk_size[1] * LFR_FRAME_SAMPLES
        pieces = [samples[start : start + stride] for start in range(0, len(samples), stride)]
        for index, piece in enumerate(pieces):
            self._auto.generate(
                input=piece,
                cache=cache,
                is_final=index == len(pieces) - 1,
                chunk_size=list(chunk_size),
                encoder_chunk_look_back=look_backs[0],
                decoder_chunk_look_back=look_backs[1],
            )
        return self._decoded

    def _record_tokens(self, generate_chunk: Any) -> Any:
        def recorded(*arguments: Any, **options: Any) -> Any:
            tokens = generate_chunk(*arguments, **options)
            self._decoded.tokens += tokens
            return tokens

        return recorded

    def _record_scores(self, decode: Any) -> Any:
        def recorded(*arguments: Any, **options: Any) -> Any:
            log_probs, lengths = decode(*arguments, **options)
            best = log_probs[0].topk(2, dim=-1)
            specials = (0, 1, 2)  # blank, start and end of sentence are not among generate_chunk's tokens
            for (first, second), token in zip(best.values.tolist(), best.indices[:, 0].tolist()):
                if token not in specials:
                    self._decoded.log_probs.append(first)
                    self._decoded.margins.append(first - second)
            return log_probs, lengths

        return recorded
