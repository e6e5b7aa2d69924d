#!/usr/bin/env python3
"""Does the verdict on int8 part good weights from bad ones, on speech that the model knows and on speech it does not?

Damages the int8 weights of a model in several ways and prints, for each way and for both kinds of speech, what the
judge (common/engines/openvino/judge.py) finds. *Other tokens* says how bad it really is: the part of the tokens of all
familiar recordings that is another one than in single precision.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Callable, Iterable, Mapping

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import common.engines.openvino.graphs as graphs  # noqa: E402
import common.engines.openvino.judge as judge  # noqa: E402
from common.engines.checkpoint import checked_state  # noqa: E402
from common.engines.choose import geometry_of  # noqa: E402
from common.engines.features import Frontend  # noqa: E402
from common.engines.geometry import Geometry, tensor_shapes  # noqa: E402
from common.engines.model_folder import ModelFiles, read_folder  # noqa: E402
from common.engines.openvino.network import OpenvinoNetwork  # noqa: E402
from common.engines.openvino.weights import SMALLEST_MATRIX, Weights, laid_out  # noqa: E402
from common.engines.paraformer_session import ParaformerEngine  # noqa: E402
from common.engines.quiet import without_digital_silence  # noqa: E402
from common.engines.seam import Hypothesis  # noqa: E402
from common.settings.flags import DEMO_MODEL, DEMO_SPEECH  # noqa: E402
from tools.evaluate.recording import read  # noqa: E402

Damage = Callable[[str, np.ndarray, np.random.Generator], np.ndarray]


def levels(count: int) -> Damage:
    """Every row in so many steps from 0 to its largest number."""

    def damage(_: str, matrix: np.ndarray, __: np.random.Generator) -> np.ndarray:
        scale = np.maximum(np.abs(matrix).max(axis=1, keepdims=True), 1e-8) / count
        return np.asarray(np.round(matrix / scale) * scale)

    return damage


def one_scale(_: str, matrix: np.ndarray, __: np.random.Generator) -> np.ndarray:
    scale = np.abs(matrix).max() / 127
    return np.asarray(np.round(matrix / scale) * scale)


def larger(part: float) -> Damage:
    return lambda _name, matrix, _random: matrix * (1 + part)


def turned(part: float) -> Damage:
    """This part of the numbers has the other sign."""
    return lambda _, matrix, random: np.where(random.random(matrix.shape) < part, -matrix, matrix)


def without_rows(part: float) -> Damage:
    return lambda _, matrix, random: np.where(random.random((len(matrix), 1)) < part, 0, matrix)


def in_one(name: str, damage: Damage) -> Damage:
    """In the matrix of this name alone."""
    return lambda each, matrix, random: damage(each, matrix, random) if each == f"{name}.weight" else matrix


def reversed_rows(_: str, matrix: np.ndarray, __: np.random.Generator) -> np.ndarray:
    return matrix[::-1]


MIDDLE = "encoder.encoders.2"  # a layer that every model has
DAMAGES: dict[str, Damage] = {
    "none": larger(0),
    "7 bits": levels(63),
    "6 bits": levels(31),
    "5 bits": levels(15),
    "4 bits": levels(7),
    "3 bits": levels(3),
    "2 bits": levels(1),
    "one scale a matrix": one_scale,
    "all 2 % larger": larger(0.02),
    "all 5 % larger": larger(0.05),
    "all 20 % larger": larger(0.2),
    "1 in 10,000 with the other sign": turned(1e-4),
    "1 in 1,000 with the other sign": turned(1e-3),
    "1 in 100 with the other sign": turned(1e-2),
    "1 row in 1,000 is 0": without_rows(1e-3),
    "1 row in 100 is 0": without_rows(1e-2),
    "1 row in 20 is 0": without_rows(0.05),
    "one attention's output is 0": in_one(f"{MIDDLE}.self_attn.linear_out", larger(-1)),
    "one attention's rows reversed": in_one(f"{MIDDLE}.self_attn.linear_out", reversed_rows),
    "one feed-forward's rows reversed": in_one(f"{MIDDLE}.feed_forward.w_2", reversed_rows),
    "last layer, 1 row in 20 is 0": in_one("decoder.output_layer", without_rows(0.05)),
}


class Judged:
    """A model that is built with damaged weights over and over."""

    def __init__(self, files: ModelFiles) -> None:
        self._files = files
        self._geometry: Geometry = geometry_of(files)
        self._shapes = tensor_shapes(self._geometry)
        self._checkpoint = checked_state(files.path("model.pt"), self._shapes)
        self._frontend = Frontend.read(files.config["frontend_conf"], files.path("am.mvn"))

    def engine(self, damage: Damage | None) -> ParaformerEngine:
        """int8 after ``damage``; single precision without one."""
        random = np.random.default_rng(0)
        tensors: Mapping[str, np.ndarray] = self._checkpoint
        if damage is not None:
            tensors = {
                name: damage(name, array, random).astype(np.float32)
                if array.ndim == 2 and array.size >= SMALLEST_MATRIX
                else array
                for name, array in self._checkpoint.items()
            }
        weights = Weights.in_memory(tensors, laid_out(self._shapes, int8=damage is not None), lambda _: None)
        compiled = graphs.compiled(self._geometry, judge.JUDGED, weights, threads=1)
        requests = [graphs.Request(each, keep=weights) for each in compiled]
        network = OpenvinoNetwork(self._geometry, judge.JUDGED, *requests)
        return ParaformerEngine(network, self._frontend, judge.JUDGED, self._files.tokens)


def row(cells: Iterable[object]) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"


def findings(single: list[Hypothesis], int8: list[Hypothesis]) -> list[object]:
    """What the judge hears of it, and its verdict by either rule."""
    verdict = judge.compared(single, int8)
    answer = "int8" if verdict.accepted else "float32"
    return [f"{verdict.kept} of {verdict.sure}", f"{verdict.moved:.3f}", answer]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-dir", type=Path, default=DEMO_MODEL, help="a folder; else the demo model")
    parser.add_argument("--familiar", type=Path, default=DEMO_SPEECH.parent, help="a folder of 16 kHz wav files")
    parser.add_argument("--unfamiliar", type=Path, required=True, help="the same, with other people's voices")
    values = parser.parse_args()
    judged = Judged(read_folder(values.model_dir))
    single = judged.engine(None)
    nothing = lambda _: None  # noqa: E731
    audio = [
        [without_digital_silence(read(path), 0) for path in sorted(folder.glob("*.wav"))]
        for folder in (values.familiar, values.unfamiliar)
    ]
    short = [judge.heard_until_sure(single, recordings, nothing) for recordings in audio]
    whole = judge.heard(single, audio[0], nothing)
    kinds = [f"{kind}: {what}" for kind in ("familiar", "unfamiliar") for what in ("sure and kept", "moved", "verdict")]
    print(row(["damage", "other tokens", *kinds]) + "\n" + "|---" * (2 + len(kinds)) + "|")
    for name, damage in DAMAGES.items():
        engine = judged.engine(damage)
        verdict = judge.compared(whole, judge.heard(engine, audio[0], nothing))
        found = [judge.heard(engine, all_of[: len(some)], nothing) for all_of, some in zip(audio, short)]
        cells = [cell for wanted, int8 in zip(short, found) for cell in findings(wanted, int8)]
        print(row([name, f"{100 * (1 - verdict.same / verdict.tokens):.1f} %", *cells]), flush=True)


if __name__ == "__main__":
    main()
