"""The numbers in a model folder's config.yaml and am.mvn are checked before anything is made from them."""

from __future__ import annotations

import re
import reprlib
from typing import Any

LARGEST = {  # counts of config.yaml, wherever they stand; whole, and at least 1
    **dict.fromkeys(("output_size", "input_size", "idim", "inner_dim", "embed_unit", "att_unit"), 1 << 14),
    **dict.fromkeys(("linear_units",), 1 << 16),
    **dict.fromkeys(("num_blocks", "att_layer_num", "attention_heads", "kernel_size"), 1024),
    **dict.fromkeys(("n_mels", "lfr_m", "lfr_n", "frame_length", "frame_shift"), 1024),
    "fs": 192000,
}
LEAST = {"threshold": 1e-3, "tail_threshold": 0}  # CIF weights
LARGEST_VALUE = 1e30  # of what is added to a feature, or multiplied by it
BYTES = 0.5  # of a weight in model.pt, at least
SMALL = 1 << 25  # bytes: no harm is done by a model of this size


def check_counts(conf: dict[str, Any], checkpoint_bytes: int) -> None:
    """Raises ValueError for a count that no model has, or that model.pt is too small for."""
    for part, values in conf.items():
        if not (isinstance(part, str) and part.endswith("_conf") and isinstance(values, dict)):
            continue
        for key, most in LARGEST.items():
            count = values.get(key, 1)
            if type(count) is not int or not 1 <= count <= most:
                raise ValueError(f"{key} of {part} is {reprlib.repr(count)}, not a whole number from 1 to {most}")
        for key, least in LEAST.items():
            weight = values.get(key, 1.0)
            if type(weight) not in (int, float) or not least <= weight <= 100:
                raise ValueError(f"{key} of {part} is {reprlib.repr(weight)}, not a number from {least} to 100")
        blocks, units, size = (values.get(key, 1) for key in ("num_blocks", "linear_units", "output_size"))
        if size % values.get("attention_heads", 1) and "output_size" in values:
            raise ValueError(f"attention_heads of {part} does not divide output_size")
        if 2 * blocks * units * size * BYTES > max(checkpoint_bytes, SMALL):
            raise ValueError(f"{part} describes a larger model than model.pt holds")


def mean_and_variance(content: str, wanted: int) -> list[list[float]]:
    """The shifts and the scales of am.mvn (Kaldi nnet text), ``wanted`` of each. Raises ValueError."""
    blocks = [block.split() for block in re.findall(r"<LearnRateCoef>\s+0\s+\[([^\]]*)\]", content)]
    if [len(block) for block in blocks] != [wanted, wanted]:
        raise ValueError(f"it holds {[len(block) for block in blocks]} values, the model needs [{wanted}, {wanted}]")
    numbers = [[float(word) for word in block] for block in blocks]
    for number in (*numbers[0], *numbers[1]):
        if not abs(number) <= LARGEST_VALUE:  # nor is it when it is not a number
            raise ValueError(f"it holds the value {number}")
    return numbers
