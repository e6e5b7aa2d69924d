#!/usr/bin/env python3
"""Does this model give the same text here as in FunASR? Run it once on a checkpoint of your own.

Decodes the bundled speech, or the given recordings, three times: by FunASR's own AutoModel.generate, by our single
precision and by int8. Single precision must give FunASR's tokens, but for near ties, where rounding decides; int8 must
give 99 % of those of single precision. Prints what was compared and PASS (exit status 0) or FAIL (1).
"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Callable, Sequence

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from common.engines.choose import load_engine  # noqa: E402
from common.engines.quiet import without_digital_silence  # noqa: E402
from common.engines.seam import Engine  # noqa: E402
from common.errors import FatalError  # noqa: E402
from common.settings.flags import DEMO_SPEECH  # noqa: E402
from common.settings.services import StreamingConfig  # noqa: E402
from common.units import SAMPLE_RATE  # noqa: E402
from tools.evaluate.recording import read  # noqa: E402
from tools.verify.funasr_loop import NEAR_TIE, Decoded, FunasrLoop, padded_as_finish_does  # noqa: E402

SAME_TOKENS = 0.99  # of int8 against single precision
LARGEST_DIFFERENCE = 0.01  # of a log-posterior in single precision: what confidence prints in two decimals stays


@dataclass
class Comparison:
    """Tokens of one decoder held against another's, over all recordings."""

    tokens: int = 0
    same: int = 0
    near_ties: int = 0  # another token where the lead of the first was below NEAR_TIE
    difference: float = 0.0  # largest, between log-posteriors of tokens that are the same

    def add(self, wanted: Decoded, found: Decoded) -> None:
        """Only tokens in the same place are compared: a token too many or too few counts as different."""
        self.tokens += max(len(wanted.tokens), len(found.tokens))
        matcher = difflib.SequenceMatcher(None, wanted.tokens, found.tokens, autojunk=False)
        for kind, first, last, other_first, other_last in matcher.get_opcodes():
            if kind == "equal":
                pairs = zip(wanted.log_probs[first:last], found.log_probs[other_first:other_last])
                self.same += last - first
                self.difference = max([self.difference, *(abs(one - other) for one, other in pairs)])
            elif kind == "replace" and last - first == other_last - other_first:
                self.near_ties += sum(margin < NEAR_TIE for margin in wanted.margins[first:last])

    def row(self, name: str, passed: bool) -> str:
        verdict = "PASS" if passed else "FAIL"
        different = self.tokens - self.same - self.near_ties
        cells = [self.tokens, self.same, self.near_ties, different, f"{self.difference:.2g}", verdict]
        return f"| {name} | " + " | ".join(map(str, cells)) + " |"


def decode(engine: Engine, samples: np.ndarray) -> Decoded:
    session = engine.session()
    session.accept(samples)
    hypothesis = session.finish()
    return Decoded([engine.token_list[token] for token in hypothesis.tokens], list(hypothesis.log_probs))


def compared(wanted: Sequence[Decoded], found: Sequence[Decoded]) -> Comparison:
    comparison = Comparison()
    for one, other in zip(wanted, found):
        comparison.add(one, other)
    return comparison


def with_margins(single: Sequence[Decoded], reference: Sequence[Decoded]) -> list[Decoded]:
    """The same with the leads that FunASR's loop saw, where it saw as many tokens."""
    return [
        replace(one, margins=other.margins if len(one.tokens) == len(other.tokens) else [])
        for one, other in zip(single, reference)
    ]


def funasr_decoder(config: StreamingConfig) -> Callable[[np.ndarray], Decoded]:
    loop = FunasrLoop(Path(str(config.model_dir)))
    look_backs = (config.encoder_chunk_look_back, config.decoder_chunk_look_back)
    stride = config.chunk_size[1] * 960
    return lambda samples: loop.decode(padded_as_finish_does(samples, stride), config.chunk_size, look_backs)


def verify(config: StreamingConfig, recordings: Sequence[Path]) -> bool:
    """Decode, compare, print; whether all is well. Raises FatalError for the model and for missing packages."""
    audio = [without_digital_silence(read(path), 0) for path in recordings]  # as the services hear it
    print(f"{config.model_dir}: {len(audio)} recordings, {sum(map(len, audio)) / SAMPLE_RATE:.0f} s")
    single_engine = load_engine(replace(config, engine="torch"))
    single = [decode(single_engine, samples) for samples in audio]
    by_funasr = funasr_decoder(config)
    reference = [by_funasr(samples) for samples in audio]
    print("| compared | tokens | same | near ties | different | largest log-posterior difference | |")
    print("|---|---|---|---|---|---|---|")
    exact = compared(reference, single)
    passed = exact.same + exact.near_ties == exact.tokens > 0 and exact.difference < LARGEST_DIFFERENCE
    print(exact.row("single precision with FunASR", passed))
    if importlib.util.find_spec("openvino") is None:
        print("int8 is not compared: OpenVINO is not installed")
        return passed
    small_engine = load_engine(replace(config, engine="openvino", precision="int8"))
    small = compared(with_margins(single, reference), [decode(small_engine, samples) for samples in audio])
    enough = small.same >= SAME_TOKENS * small.tokens > 0
    print(small.row("int8 with single precision", enough))
    return passed and enough


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-dir", required=True, help="a paraformer-zh-streaming folder")
    parser.add_argument("--chunk-size", default="5,10,5", help="L,C,R as for asr_service_streaming.py")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("recordings", nargs="*", type=Path, help="any file that libsndfile reads; else demo/speech")
    values = parser.parse_args()
    recordings = values.recordings or sorted([*DEMO_SPEECH.parent.glob("*.wav"), DEMO_SPEECH])
    left, chunk, right = (int(part) for part in values.chunk_size.split(","))
    config = StreamingConfig(
        model_dir=values.model_dir, device="cpu", threads=values.threads, chunk_size=(left, chunk, right)
    )
    try:
        passed = verify(config, recordings)
    except FatalError as error:
        print(f"{error.error_code}: {error}")
        passed = False
    print("PASS" if passed else "FAIL")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
