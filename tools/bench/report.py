"""The benchmark's table, and what it says of the machine."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path
from typing import Any, Callable, Dict, List, Tuple

from tools.bench.engines import ENGINES

FLAGS = ("avx2", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8", "amx_bf16")
PACKAGES = ("torch", "openvino", "funasr", "funasr-onnx", "sherpa-onnx", "onnxruntime", "numpy")
Rows = List[Tuple[str, Dict[str, str]]]  # titles, and the cell of each engine that was measured and can


def machine(model_dir: Path) -> dict[str, Any]:
    cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n")[0]
    fields = {line.split(":")[0].strip(): line.split(":")[1].strip() for line in cpu.splitlines() if ":" in line}
    flags = fields.get("flags", fields.get("Features", "")).split()
    return {
        "processor": fields.get("model name", platform.machine()),
        "cores": len(os.sched_getaffinity(0)),
        "flags": [flag for flag in FLAGS if flag in flags],
        "load": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := version_of(name))},
        "model_mb": round((model_dir / "model.pt").stat().st_size / 1e6),
    }


def version_of(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def markdown(results: dict[str, Any], engines: list[str]) -> str:
    about = results["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    lines = [
        f"{about['processor']}, {about['cores']} cores ({', '.join(about['flags'])}); Python {about['python']}, "
        f"{packages}; a checkpoint of {about['model_mb']} MB; load average before: {about['load']}.",
        "",
        "| | " + " | ".join(ENGINES[engine].title for engine in engines) + " |",
        "|---" * (len(engines) + 1) + "|",
    ]
    rows: Rows = [("keys and values of earlier chunks kept", {name: each.look_back for name, each in ENGINES.items()})]
    for part, rows_of in PARTS.items():
        rows += rows_of(results[part]) if part in results else []
    for title, cells in rows:
        lines.append(f"| {title} | " + " | ".join(cells.get(engine, "–") for engine in engines) + " |")
    return "\n".join(lines)


def speed_rows(found: dict[str, dict[str, dict[str, Any]]]) -> Rows:
    rows: Rows = []
    for setting, engines in found.items():
        size, threads = setting.split("/")
        where = f"`[{size}]`, {threads} thread" + ("s" if threads != "1" else "")
        cells = {name: f"{each['median']:.1f} ({each['p95']:.1f})" for name, each in engines.items()}
        rows.append((f"{where}: ms for 600 ms, median (p95)", cells))
        if "funasr" in engines:
            cells = {name: f"{each['times']:.1f}" for name, each in engines.items()}
            rows.append((f"{where}: times as fast as FunASR", cells))
        if threads == "1":
            cells = {name: f"{each['median'] / 600:.3f}" for name, each in engines.items()}
            rows.append((f"{where}: real-time factor", cells))
            cells = {name: f"{600 / each['median']:.1f}" for name, each in engines.items()}
            rows.append((f"{where}: live streams that one core carries", cells))
    return rows


def start_rows(found: dict[str, dict[str, float]]) -> Rows:
    engine, service = ({name: f"{each:.1f}" for name, each in found[key].items()} for key in ("engine", "service"))
    return [
        ("process start until its first chunk is decoded, s", engine),
        ("`asr_service.py`: process start until it listens, s", service),
    ]


def memory_rows(found: dict[str, dict[str, dict[str, float]]]) -> Rows:
    engine, service = (
        {
            name: " / ".join(f"{each[kind]:.0f}" for kind in ("resident", "private", "anonymous"))
            for name, each in found[key].items()
        }
        for key in ("engine", "service")
    )
    return [
        ("peak memory, resident / private / anonymous MB", engine),
        ("`asr_service.py`: peak memory, resident / private / anonymous MB", service),
    ]


def silence_rows(found: dict[str, float]) -> Rows:
    cells = {name: f"{100 * part:.1f} %" for name, part in found.items()}
    return [("`asr_service.py` while nobody speaks: of a core", cells)]


def tail_rows(found: dict[str, dict[str, float]]) -> Rows:
    cells = {
        name: f"{100 * each['with']:.1f} %, of it {100 * (each['with'] - each['without']):.1f} for the tail"
        for name, each in found.items()
    }
    return [("`asr_service_streaming.py` while someone speaks without a pause: of a core", cells)]


def hour_rows(found: dict[str, list[dict[str, float]]]) -> Rows:
    first, last = ({name: each[place] for name, each in found.items()} for place in (0, -1))
    count = max(len(each) for each in found.values())
    costs = {name: f"{first[name]['ms']:.1f} → {last[name]['ms']:.1f}" for name in found}
    sizes = {name: f"{first[name]['private']:.0f} → {last[name]['private']:.0f}" for name in found}
    return [
        (f"minute 1 → minute {count} of speech: ms for 600 ms, VAD included", costs),
        (f"minute 1 → minute {count}: private MB, the engine loaded twice", sizes),
    ]


PARTS: dict[str, Callable[[Any], Rows]] = {
    "speed": speed_rows,
    "start": start_rows,
    "memory": memory_rows,
    "silence": silence_rows,
    "tail": tail_rows,
    "hour": hour_rows,
}
