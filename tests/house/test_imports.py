"""Which room may import from which, through every import; and what the core must never touch."""

from __future__ import annotations

import ast
import functools
import subprocess
import sys
from pathlib import Path

import pytest

from tests.audio import ROOT

GROUND = ["units", "errors", "packages", "version"]
ROOMS = {  # what a room stands on, beside the ground
    "settings": [],
    "wire": ["settings"],
    "sources": ["wire"],
    "engines": ["settings"],
    "text": ["settings"],
    "finals": ["engines", "text", "wire"],
    "speech": ["finals"],
    "doctor": ["speech", "sources"],
    "run": ["doctor"],
}
PURE = [  # no file, no clock, no thread, no package but numpy, themselves and in all that they import
    *["units", "errors", "settings.checks", "settings.flags", "settings.services", "settings.hotword_list"],
    *["wire.events", "wire.lines", "wire.command_lines", "sources.messages"],
    *["engines.seam", "engines.geometry", "engines.streaming_step", "engines.quiet"],
    *["text.tokens_to_words", "text.word_times", "speech.endpoint"],
]
TOUCHES = {"io", "os", "queue", "select", "signal", "socket", "subprocess", "tempfile", "threading", "time"}
HEAVY = {"torch", "openvino", "funasr", "sounddevice", "soundfile", "soxr", "modelscope_hub", "huggingface_hub"}
HEAVY |= {"yaml", "tqdm", "pypinyin", "jieba", "wetext", "kaldi_native_fbank"}
ON_TORCH = {"engines.torch_ops", "engines.torch_engine"}  # imported when torch is to compute


@functools.lru_cache(maxsize=None)
def modules() -> dict[str, ast.Module]:
    """Every file of common/ but the rooms' docstrings, as ``room.file``."""
    found = {}
    for path in sorted((ROOT / "common").rglob("*.py")):
        if path.name != "__init__.py":
            name = ".".join(path.relative_to(ROOT / "common").with_suffix("").parts)
            found[name] = ast.parse(path.read_text(encoding="utf-8"))
    return found


def imports(tree: ast.AST) -> set[str]:
    """The modules that ``tree`` imports, wherever it does."""
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    return names | {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}


def ours(tree: ast.AST) -> set[str]:
    return {name[len("common.") :] for name in imports(tree) if name.startswith("common.")}


def below(room: str) -> set[str]:
    """Every room that ``room`` stands on, however far down."""
    return {room}.union(*(below(each) for each in ROOMS[room]))


def reached(name: str) -> set[str]:
    """``name`` and every module of ours that importing it imports at once or later."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        module = waiting.pop()
        if module not in found:
            found.add(module)
            waiting += ours(modules()[module])
    return found


def test_every_file_has_a_room() -> None:
    assert {name.split(".")[0] for name in modules()} == {*GROUND, *ROOMS}


@pytest.mark.parametrize("name", modules())
def test_import_arrows_go_down_only(name: str) -> None:
    room = name.split(".")[0]
    allowed = {*GROUND, *(below(room) if room in ROOMS else ())}
    for module in reached(name):
        assert module.split(".")[0] in allowed, f"{name} reaches {module}"


@pytest.mark.parametrize("name", modules())
def test_no_import_runs_in_a_circle(name: str) -> None:
    for module in ours(modules()[name]):
        assert name not in reached(module), f"{name} imports {module}, which reaches {name}"


@pytest.mark.parametrize("name", PURE)
def test_the_core_touches_nothing_however_far_one_looks(name: str) -> None:
    for module in reached(name):
        outside = {target.split(".")[0] for target in imports(modules()[module])} - {"common", "numpy", "__future__"}
        assert outside <= set(sys.stdlib_module_names), f"{name} reaches {module}, which imports {outside}"
        assert not outside & TOUCHES, f"{name} reaches {module}, which imports {outside & TOUCHES}"
        calls = [node for node in ast.walk(modules()[module]) if isinstance(node, ast.Call)]
        assert not [node for node in calls if getattr(node.func, "id", getattr(node.func, "attr", "")) == "open"]


@pytest.mark.parametrize("name", modules())
def test_nothing_heavy_is_imported_before_it_is_needed(name: str) -> None:
    at_import = [node for node in modules()[name].body if isinstance(node, (ast.Import, ast.ImportFrom))]
    heavy = {target.split(".")[0] for node in at_import for target in imports(node)} & HEAVY
    assert not heavy - ({"torch"} if name in ON_TORCH else set())


@pytest.mark.parametrize("path", sorted((ROOT / "common").rglob("__init__.py")), ids=lambda path: path.parent.name)
def test_a_room_s_own_file_says_what_it_is_for_and_nothing_else(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert ast.get_docstring(tree) and len(tree.body) == 1


@pytest.mark.parametrize("script", ["asr_service", "asr_service_streaming"])
def test_importing_a_script_brings_neither_torch_nor_funasr(script: str) -> None:
    code = f"import sys, {script}; sys.exit(any(m in sys.modules for m in ('torch', 'funasr', 'numpy', 'sounddevice')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=str(ROOT), check=False).returncode == 0


@pytest.mark.parametrize("script", ["asr_service.py", "asr_service_streaming.py"])
def test_a_script_stays_thin(script: str) -> None:
    assert len((ROOT / script).read_text(encoding="utf-8").splitlines()) <= 60


@pytest.mark.parametrize("name", modules())
def test_no_file_is_longer_than_250_lines_and_no_function_than_40(name: str) -> None:
    path = ROOT / "common" / (name.replace(".", "/") + ".py")
    assert len(path.read_text(encoding="utf-8").splitlines()) <= 250
    for node in ast.walk(modules()[name]):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            assert (node.end_lineno or 0) - node.lineno < 40, f"{name}.{node.name}"
