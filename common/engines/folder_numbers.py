"""Checks the numbers in a model folder: each must be a number, and none larger than a model can need; pure.

config.yaml decides how much memory is allocated, so its numbers are checked before that.
"""

from __future__ import annotations

import math
import re
import reprlib
from typing import Any, Iterator

WHOLE = {  # whole numbers, by name: least and greatest. Those of the published models lie far inside
    "output_size": (1, 4096),
    "input_size": (1, 4096),
    "attention_heads": (1, 128),
    "linear_units": (1, 32768),
    "num_blocks": (1, 200),
    "att_layer_num": (1, 200),
    "kernel_size": (2, 255),
    "sanm_shfit": (0, 255),
    "idim": (1, 4096),
    "inner_dim": (1, 4096),
    "embed_unit": (1, 4096),
    "att_unit": (1, 4096),
    "l_order": (0, 16),
    "r_order": (0, 16),
    "upsample_times": (1, 32),
    "fs": (1000, 192000),
    "n_mels": (3, 120),  # of a 25 ms frame at 16 kHz; from 128 on a filter would be empty
    "lfr_m": (1, 64),
    "lfr_n": (1, 64),
    "frame_length": (1, 200),
    "frame_shift": (1, 200),
}
ANY = {"threshold": (0.1, 10.0), "tail_threshold": (0.0, 10.0)}  # of the predictor
GREATEST = 1e6  # of any other number in a section that builds the model, and of those in am.mvn
WINDOWS = ("hamming", "hanning", "povey", "rectangular", "blackman", "sine")
BYTES = 0.5  # of a weight in model.pt, at least
SMALL = 1 << 25  # bytes: no harm is done by a model of this size
TOKENS = (4, 1_000_000)  # blank, sentence start, sentence end, and one to be said; ct-punc has 471,067
_BLOCK = re.compile(r"<LearnRateCoef>\s+0\s+\[([^\]<]*)\]")


def check_configuration(conf: dict[str, Any], tokens: int, checkpoint_bytes: int) -> None:
    """Raises ValueError if something in config.yaml, which it names, is not a number or is out of bounds; or if the
    model would have more parameters than ``checkpoint_bytes`` can hold."""
    sections = {name: section for name, section in conf.items() if _builds(name, section)}
    for name, section in sections.items():
        for key, value in section.items():
            _check(f"{key} of {name}", key, value)
    frontend = sections.get("frontend_conf", {})
    if frontend.get("window", "hamming") not in WINDOWS:
        raise ValueError(f"window of frontend_conf is none of {', '.join(WINDOWS)}")
    if not TOKENS[0] <= tokens <= TOKENS[1]:
        raise ValueError(f"{tokens} tokens; a model has {TOKENS[0]} to {TOKENS[1]}")
    size = sections.get("encoder_conf", {}).get("output_size", 0)
    for name, section in sections.items():
        if size % section.get("attention_heads", 1):
            raise ValueError(f"attention_heads of {name} do not divide output_size, which is {size}")
    parameters = tokens * size + sum(_least_parameters(section, size) for section in sections.values())
    if parameters * BYTES > max(checkpoint_bytes, SMALL):
        raise ValueError(f"it describes {parameters:,} parameters or more, too many for {checkpoint_bytes:,} bytes")


def _builds(name: Any, section: Any) -> bool:
    """Whether the section is given to the classes that make the model, and not only to the training."""
    used = ("model", "encoder", "decoder", "seaco_decoder", "predictor", "frontend", "tokenizer")
    return isinstance(section, dict) and name in [f"{part}_conf" for part in used]


def _check(what: str, key: Any, value: Any) -> None:
    if key in WHOLE or key in ANY:
        low, high = WHOLE.get(key) or ANY[key]
        kinds = (int,) if key in WHOLE else (int, float)
        if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
            wanted = "a whole number" if key in WHOLE else "a number"
            raise ValueError(f"{what} must be {wanted} from {low} to {high}, not {shown(value)}")
        return
    for number in _numbers(value):
        if not abs(number) <= GREATEST:  # so that NaN is refused, too
            raise ValueError(f"{what} holds {shown(number)}, which is no number that a model needs")


def _numbers(value: Any) -> Iterator[float]:
    """The numbers in a value or in a list of values: nothing in a FunASR configuration lies deeper."""
    for each in value if isinstance(value, list) else [value]:
        if isinstance(each, (int, float)):
            yield each


def shown(value: Any) -> str:
    """A value of somebody else's file in a message, cut short."""
    try:
        return reprlib.repr(value)
    except ValueError:  # Python writes no whole number of more than 4300 digits
        return "a number of thousands of digits"


def _least_parameters(section: dict[str, Any], size: int) -> int:
    """The least number of parameters that the layers of ``section`` have: attention and feed-forward."""
    layers = section.get("att_layer_num", section.get("num_blocks", 0))
    return int(layers * (4 * size * size + 2 * size * section.get("linear_units", 0)))


def mean_and_variance(text: str) -> tuple[list[float], list[float]]:
    """From am.mvn (Kaldi nnet text): what is added to a row of features, and what the sum is multiplied with.

    Raises ValueError unless it has two blocks of finite numbers, none of them greater than ``GREATEST``.
    """
    blocks = [block.split() for block in _BLOCK.findall(text)]
    if len(blocks) != 2:
        raise ValueError(f"{len(blocks)} blocks of numbers, not two")
    shift, scale = ([float(word) for word in block] for block in blocks)
    wrong = [value for value in (*shift, *scale) if not math.isfinite(value) or abs(value) > GREATEST]
    if wrong:
        raise ValueError(f"{wrong[0]} is no number that a mean or a variance can be")
    return shift, scale
