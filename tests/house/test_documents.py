"""The documents keep in step with the code: every flag with its default, every error code, every link."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from common.settings.command_line import flag_of
from common.settings.flags import SliceConfig, StreamingConfig
from common.wire.command_table import BY_TYPE
from tests.audio import ROOT

READMES = ["README.md", "README.en.md"]
PROTOCOL = "docs/protocol.md"
RELIABILITY = "docs/reliability.md"
DOCUMENTS = [*READMES, PROTOCOL, RELIABILITY, "docs/recognition.md", "CONTRIBUTING.md", "tests/README.md"]
RAISED_BY = {"FatalError", "ErrorEvent", "error"}  # what is called with an error code
OFF = {"README.md": ("关", "无"), "README.en.md": ("off", "none")}  # how a table writes False and None


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


@functools.lru_cache(maxsize=None)
def help_of(script: str) -> str:
    command = [sys.executable, str(ROOT / script), "--help"]
    return subprocess.run(command, capture_output=True, check=True, encoding="utf-8").stdout


def error_codes() -> set[str]:
    """Every error code that the source writes down where an error is made."""
    found = set()
    for path in (ROOT / "common").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", getattr(node.func, "attr", "")) in RAISED_BY:
                values = [str(value.value) for value in node.args if isinstance(value, ast.Constant)]
                found |= {value for value in values if re.fullmatch(r"[a-z]+(_[a-z]+)+", value)}
    return found


def table_row(document: str, first_cell: str) -> list[str]:
    """The cells of the table row whose first cell begins with ``first_cell``."""
    rows = [line for line in read(document).splitlines() if re.match(r"\| `" + re.escape(first_cell) + r"[ `]", line)]
    assert len(rows) == 1, f"{document} has {len(rows)} rows for {first_cell}"
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", rows[0])[1:-1]]


@pytest.mark.parametrize("document", READMES)
@pytest.mark.parametrize("script", ["asr_service.py", "asr_service_streaming.py"])
def test_every_flag_of_help_is_in_the_table(document: str, script: str) -> None:
    flags = set(re.findall(r"^  (--[a-z-]+)", help_of(script), flags=re.MULTILINE))
    assert {"--help", "--input", "--encoder-look-back"} <= flags
    for flag in flags:
        table_row(document, flag)


@pytest.mark.parametrize("document", READMES)
@pytest.mark.parametrize("config", [SliceConfig(), StreamingConfig()], ids=lambda config: type(config).__name__)
def test_every_flag_stands_with_its_default(document: str, config: SliceConfig | StreamingConfig) -> None:
    for field in fields(config):
        value = getattr(config, field.name)
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        off, none = OFF[document]
        expected = off if value is False else none if value in (None, ()) else f"`{shown}`"
        assert table_row(document, flag_of(field))[1] == expected, field.name


@pytest.mark.parametrize("document", READMES)
def test_no_flag_is_described_that_is_not_there(document: str) -> None:
    helps = help_of("asr_service.py") + help_of("asr_service_streaming.py")
    for flag in re.findall(r"^\| `(--[a-z-]+)", read(document), flags=re.MULTILINE):
        assert re.search(re.escape(flag) + r"\b", helps), flag


@pytest.mark.parametrize("document", [*READMES, PROTOCOL])
def test_the_table_of_error_codes_holds_those_that_the_source_raises_and_no_others(document: str) -> None:
    codes = error_codes()
    assert {"config_invalid", "infer_final_failed", "audio_overflow"} <= codes
    in_table = set(
        re.findall(
            r"^\| `([a-z]+(?:_[a-z]+)+)` \| (?:是|否|启动时是|yes|no|at the start yes)",
            read(document),
            flags=re.MULTILINE,
        )
    )
    assert in_table == codes


@pytest.mark.parametrize("document", [*READMES, PROTOCOL])
def test_every_command_is_described(document: str) -> None:
    text = read(document)
    for kind in BY_TYPE:
        assert kind in text, kind


def outline(document: str) -> list[str]:
    """What must be parallel in two languages: headings by level, table rows, blocks of code and their language."""
    lines = re.findall(r"^(#+ |\||```\w*)", read(document), flags=re.MULTILINE)
    return [line.strip() for line in lines]


def test_the_two_readmes_are_parallel() -> None:
    chinese, english = map(outline, READMES)
    assert chinese == english


def without_code(document: str) -> str:
    return re.sub(r"^```.*?^```", "", read(document), flags=re.MULTILINE | re.DOTALL)


def anchors(path: Path) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    text = re.sub(r"^```.*?^```", "", path.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_relative_links_resolve(document: str) -> None:
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(document)):
        if target.startswith("http"):
            continue
        name, _, anchor = target.partition("#")
        path = (ROOT / document).parent / name if name else ROOT / document
        assert path.exists(), f"{document}: {target}"
        if anchor:
            assert anchor in anchors(path), f"{document}: {target}"


def test_every_test_that_shows_a_fault_is_there() -> None:
    shown = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", read(RELIABILITY))
    assert len(shown) > 10
    for path, name in shown:
        assert re.search(rf"^def {name}\(", read(path), flags=re.MULTILINE), f"{path}::{name}"
