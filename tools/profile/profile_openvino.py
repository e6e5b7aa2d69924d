#!/usr/bin/env python3
"""Where the int8 engine's time goes: ms a chunk by kind of operation, on one core, as OpenVINO's PERF_COUNT has it.

Each operation counts with its shortest time of all runs, so that other programs do not show.
"""

from __future__ import annotations

import argparse
import collections
import sys
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from common.engines.checkpoint import checked_state  # noqa: E402
from common.engines.choose import geometry_of  # noqa: E402
from common.engines.geometry import tensor_shapes  # noqa: E402
from common.engines.model_folder import read_folder  # noqa: E402
from common.engines.openvino.graphs import models, settings  # noqa: E402
from common.engines.openvino.package import openvino  # noqa: E402
from common.engines.openvino.weights import Weights, laid_out  # noqa: E402
from common.engines.streaming_step import Shape  # noqa: E402
from common.settings.services import StreamingConfig  # noqa: E402
from tools.random_model.make_random_model import make  # noqa: E402


def profile(graph: Any, runs: int) -> list[tuple[float, int, str]]:
    """ms, how many, kind; the largest first."""
    compiled = openvino().Core().compile_model(graph, "CPU", {**settings(1), "PERF_COUNT": True})
    request: Any = compiled.create_infer_request()
    random = np.random.default_rng(0)
    inputs = {port.get_any_name(): random.normal(size=tuple(port.shape)).astype(np.float32) for port in compiled.inputs}
    shortest: dict[tuple[str, str], float] = {}
    for _ in range(runs):
        request.infer(inputs, share_inputs=True, share_outputs=True)
        for node in request.profiling_info:
            if node.status == node.Status.EXECUTED:
                key, took = (node.node_name, node.node_type), node.real_time.total_seconds() * 1000
                shortest[key] = min(took, shortest.get(key, took))
    total: collections.Counter[str] = collections.Counter()
    count = collections.Counter(kind for _, kind in shortest)
    for (_, kind), took in shortest.items():
        total[kind] += took  # type: ignore[assignment]
    return [(took, count[kind], kind) for kind, took in total.most_common()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model-dir", help="a paraformer-zh-streaming folder; else random weights of its size")
    parser.add_argument("--precision", choices=("int8", "float32"), default="int8")
    parser.add_argument("--runs", type=int, default=60)
    values = parser.parse_args()
    files = read_folder(Path(values.model_dir) if values.model_dir else make(ROOT / ".cache" / "random-model"))
    geometry = geometry_of(files)
    shapes = tensor_shapes(geometry)
    checkpoint = checked_state(files.path("model.pt"), shapes)
    weights = Weights.in_memory(checkpoint, laid_out(shapes, int8=values.precision == "int8"), lambda _: None)
    print("| | operation | how many | ms |\n|---|---|---|---|")
    for graph in models(geometry, Shape.of(StreamingConfig(chunk_size=(0, 10, 5))), weights):
        for took, count, kind in profile(graph, values.runs):
            if took >= 0.1:
                print(f"| {graph.get_friendly_name()} | {kind} | {count} | {took:.1f} |")


if __name__ == "__main__":
    main()
