"""Import arrows go down only, and the core does no I/O: a walk over the source holds both."""

from __future__ import annotations

import ast
import subprocess
import sys

import pytest

from tests.audio import ROOT

LAYERS = [  # a module may import from the lines below its own
    ["run.app", "run.serve"],
    ["run.ending"],
    ["run.carry_out", "sources.stdin_lines"],
    ["speech.service", "doctor.report", "settings.command_line", "wire.command_lines", "run.statistics"],
    ["speech.utterance", "engines.choose", "finals.load", "doctor.probes"],
    ["finals.polish"],
    ["engines.openvino.load", "finals.punctuation", "finals.second_pass"],
    ["engines.openvino.build"],
    ["engines.funasr_engine", "engines.torch_engine", "engines.openvino.network"],
    ["engines.paraformer_session", "sources.sound_file", "sources.raw_pcm", "sources.microphone", "run.recorder"],
    ["engines.streaming_step"],
    [
        "speech.endpoint",
        "engines.seam",
        "speech.vad",
        "wire.line_writer",
        "sources.inbox",
        "engines.model_folder",
        "sources.resampling",
        "sources.devices",
        "text.hotword_rescoring",
        "finals.numbers",
    ],
    [
        "engines.quiet",
        "engines.features",
        "engines.layers",
        "engines.geometry",
        "engines.engine_cache",
        "engines.memory",
        "engines.device",
        "text.hotword_spelling",
    ],
    ["settings.flags", "text.tokens_to_words", "text.hotword_sound", "text.word_times"],
    ["settings.hotword_list"],
    ["settings.checks"],
    ["wire.events"],
    ["", "run", "sources", "settings", "wire", "engines", "engines.openvino", "text", "finals", "speech", "doctor"],
]
PURE = [
    *[
        "speech.endpoint",
        "text.tokens_to_words",
        "wire.events",
        "settings.flags",
        "settings.checks",
        "settings.command_line",
        "wire.command_lines",
        "run.carry_out",
        "run.statistics",
    ],
    *[
        "engines.streaming_step",
        "engines.geometry",
        "text.hotword_spelling",
        "text.hotword_rescoring",
        "text.word_times",
    ],
]
HEAVY = {
    "torch",
    "openvino",
    "funasr",
    "sounddevice",
    "soundfile",
    "soxr",
    "modelscope",
    "yaml",
    "tqdm",
    "pypinyin",
    "jieba",
    "wetext",
}
ON_TORCH = {"engines.layers", "engines.torch_engine", "engines.openvino.build"}  # imported when torch is to compute
LEVEL = {module: depth for depth, modules in enumerate(LAYERS) for module in modules}


def module_files() -> dict[str, ast.Module]:
    found = {}
    for path in sorted((ROOT / "common").rglob("*.py")):
        parts = path.relative_to(ROOT / "common").with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.AST) -> set[str]:
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def test_import_arrows_go_down_only() -> None:
    for name, tree in module_files().items():
        assert name in LEVEL, f"common/{name} has no place in the table"
        for target in imports(tree):
            if target == "common" or target.startswith("common."):
                below = target[len("common.") :]
                assert LEVEL[below] > LEVEL[name], f"{name} imports {below}"


@pytest.mark.parametrize("name", PURE)
def test_the_core_imports_the_standard_library_alone(name: str) -> None:
    outside = {target.split(".")[0] for target in imports(module_files()[name])} - {"common", "numpy", "__future__"}
    assert outside <= set(sys.stdlib_module_names)
    assert not outside & {"os", "io", "socket", "subprocess", "threading", "time"}


def test_nothing_heavy_is_imported_before_it_is_needed() -> None:
    for name, tree in module_files().items():
        at_import = [node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))]
        heavy = {target.split(".")[0] for node in at_import for target in imports(node)} & HEAVY
        heavy -= {"torch"} if name in ON_TORCH else set()
        assert not heavy, f"common/{name} imports {heavy} at once"


@pytest.mark.parametrize("script", ["asr_service", "asr_service_streaming"])
def test_importing_a_script_brings_neither_torch_nor_funasr(script: str) -> None:
    code = f"import sys, {script}; sys.exit(any(m in sys.modules for m in ('torch', 'funasr', 'numpy', 'sounddevice')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=str(ROOT), check=False).returncode == 0


@pytest.mark.parametrize("script", ["asr_service.py", "asr_service_streaming.py"])
def test_a_script_stays_thin(script: str) -> None:
    assert len((ROOT / script).read_text(encoding="utf-8").splitlines()) < 120
