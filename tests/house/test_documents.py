"""The documents keep in step with the code: every flag with its default, every error code, every link and path."""

from __future__ import annotations

import ast
import functools
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from common.engines.model_folder import read_folder
from common.settings.command_line import flag_of
from common.settings.flags import DEMO_MODEL
from common.settings.hotword_list import parse_hotword_file, parse_hotwords
from common.settings.services import SliceConfig, StreamingConfig
from common.text.hotword_spelling import Lexicon
from common.wire.command_table import BY_TYPE
from tests.audio import ROOT

READMES = ["README.md", "README.en.md"]
MANUALS = ["docs/manual.md", "docs/manual.en.md"]
PROTOCOLS = ["docs/protocol.zh.md", "docs/protocol.md"]
PAIRS = [READMES, MANUALS, PROTOCOLS]  # Chinese, English
RELIABILITY = "docs/reliability.md"
IN_CHINESE = ["README.md", "docs/manual.md", "docs/protocol.zh.md", "demo/README.md"]
DOCUMENTS = sorted(
    str(path.relative_to(ROOT).as_posix())
    for folder in (".", "docs", "demo", "tests")
    for path in (ROOT / folder).glob("*.md")
)
RAISED_BY = {"FatalError", "ErrorEvent", "error"}  # what is called with an error code
OFF = {"docs/manual.md": ("关", "无"), "docs/manual.en.md": ("off", "none")}  # how a table writes False and None
LONGEST_README = 200  # lines: a page that a newcomer reads to its end
SENTENCE = 40  # Latin characters, a Chinese one counting as two: what is shorter may stand twice


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


def cells_of(row: str) -> list[str]:
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row)[1:-1]]


@pytest.mark.parametrize("document", READMES + MANUALS)
def test_the_demo_model_can_write_every_hotword_of_the_examples(document: str) -> None:
    content = read(document)
    lines = re.findall(r'--hotwords "([^"@]+)"', content)
    files = re.findall(r"hotwords\.txt.*?```text\n(.*?)```", content, re.S)
    words = [word for line in lines for word in parse_hotwords("--hotwords", line)]
    words += [word for file in files for word in parse_hotword_file("hotwords.txt", file.encode("utf-8"))]
    assert len(words) > 3 or document in READMES
    assert Lexicon.build(words, read_folder(DEMO_MODEL).tokens).left_out == ()


def table_row(document: str, first_cell: str) -> list[str]:
    """The cells of the table row whose first cell begins with ``first_cell``."""
    rows = [line for line in read(document).splitlines() if re.match(r"\| `" + re.escape(first_cell) + r"[ `]", line)]
    assert len(rows) == 1, f"{document} has {len(rows)} rows for {first_cell}"
    return cells_of(rows[0])


def table_of_codes(document: str) -> list[list[str]]:
    """The rows of the table whose first column is headed "Error code"."""
    tables = re.findall(r"(?:^\|.*\n)+", read(document), flags=re.MULTILINE)
    found = [table for table in tables if cells_of(table.splitlines()[0])[0] in ("错误码", "Code", "Error code")]
    assert len(found) == 1, document
    return [cells_of(row) for row in found[0].splitlines()[2:]]


@pytest.mark.parametrize("document", MANUALS)
@pytest.mark.parametrize("script", ["asr_service.py", "asr_service_streaming.py"])
def test_every_flag_of_help_is_in_the_table(document: str, script: str) -> None:
    flags = set(re.findall(r"^  (--[a-z-]+)", help_of(script), flags=re.MULTILINE))
    assert {"--help", "--input", "--encoder-look-back"} <= flags
    for flag in flags:
        table_row(document, flag)


@pytest.mark.parametrize("document", MANUALS)
@pytest.mark.parametrize("config", [SliceConfig(), StreamingConfig()], ids=lambda config: type(config).__name__)
def test_every_flag_stands_with_its_default(document: str, config: SliceConfig | StreamingConfig) -> None:
    for field in fields(config):
        value = getattr(config, field.name)
        shown = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
        off, none = OFF[document]
        expected = off if value is False else none if value in (None, ()) else f"`{shown}`"
        assert table_row(document, flag_of(field))[1] == expected, field.name


@pytest.mark.parametrize("document", MANUALS)
def test_no_flag_is_described_that_is_not_there(document: str) -> None:
    helps = help_of("asr_service.py") + help_of("asr_service_streaming.py")
    for flag in re.findall(r"^\| `(--[a-z-]+)", read(document), flags=re.MULTILINE):
        assert re.search(re.escape(flag) + r"\b", helps), flag


@pytest.mark.parametrize("document", [*MANUALS, *PROTOCOLS])
def test_the_table_of_error_codes_holds_those_that_the_source_raises_and_no_others(document: str) -> None:
    codes = error_codes()
    assert {"config_invalid", "infer_final_failed", "audio_overflow"} <= codes
    in_table = [row[0].strip("`") for row in table_of_codes(document)]
    assert sorted(in_table) == sorted(codes)


def test_both_protocols_call_the_same_errors_fatal() -> None:
    chinese, english = ({row[0]: row[1] for row in table_of_codes(document)} for document in PROTOCOLS)
    same = {"是": "yes", "否": "no", "启动时是，`resume` 时否": "at the start yes, on `resume` no"}
    assert {code: same[fatal] for code, fatal in chinese.items()} == english


@pytest.mark.parametrize("document", PROTOCOLS)
def test_every_command_is_described(document: str) -> None:
    for kind in BY_TYPE:
        assert len(table_row(document, kind)) == 3, kind


def outline(document: str) -> list[str]:
    """What must be parallel in two languages: headings by level, table rows, blocks of code and their language."""
    lines = re.findall(r"^(#+ |\||```\w*|- |\d+\. )", read(document), flags=re.MULTILINE)
    return [line.strip() for line in lines]


def code_spans(document: str) -> list[str]:
    """The first cell of every table row, as far as it is code: keys, flags, codes, in order."""
    rows = [cells_of(line)[0] for line in read(document).splitlines() if line.startswith("|")]
    return [span for cell in rows for span in re.findall(r"`[^`]+`", cell)]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair[0])
def test_the_two_languages_are_parallel(pair: list[str]) -> None:
    chinese, english = pair
    assert outline(chinese) == outline(english)
    assert code_spans(chinese) == code_spans(english)


@pytest.mark.parametrize("document", READMES)
def test_a_readme_is_one_page(document: str) -> None:
    assert len(read(document).splitlines()) <= LONGEST_README


def without_code(document: str) -> str:
    return re.sub(r"^```.*?^```", "", read(document), flags=re.MULTILINE | re.DOTALL)


def sentences(document: str) -> set[str]:
    """The prose of a document, cut at full stops, line ends and cell borders; only what is long."""
    text = re.sub(r"\]\([^)]*\)", "]", without_code(document))  # a link's target depends on where the document lies
    pieces = re.split(r"(?<!\\)\||\n|[。；：！？]|[.;:!?](?=\s)", text)
    clean = (re.sub(r"[\[\]*#]+", "", piece).strip(" -") for piece in pieces)
    return {piece for piece in clean if len(re.sub(r"[^\x00-\x7f]", "xx", piece)) >= SENTENCE}


@pytest.mark.parametrize(
    "documents", [IN_CHINESE, [name for name in DOCUMENTS if name not in IN_CHINESE]], ids=["zh", "en"]
)
def test_no_sentence_stands_in_two_documents(documents: list[str]) -> None:
    assert len(documents) > 3
    first: dict[str, str] = {}
    twice = [
        f"{document} and {first[sentence]}: {sentence}"
        for document in documents
        for sentence in sentences(document)
        if first.setdefault(sentence, document) != document
    ]
    assert not twice, "\n".join(sorted(twice))


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


def test_a_chinese_reader_is_told_before_he_opens_an_english_page() -> None:
    english = {(ROOT / name).resolve() for name in DOCUMENTS if name not in IN_CHINESE}
    for document, _ in PAIRS:
        for line in read(document).splitlines():
            targets = [
                (ROOT / document).parent / name
                for name in re.findall(r"\]\(([^)\s#]+\.md)", line)
                if "http" not in name
            ]
            if any(target.resolve() in english for target in targets):
                assert "英文" in line or line.startswith("[English]"), f"{document}: {line}"


TOP = tuple(path.name + "/" for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
SOURCE = re.compile(r"[\w*][\w./*-]*\.(?:py|sh|mjs|toml)")


def named_paths(document: str) -> set[str]:
    """What in blocks of code and in backticks looks like a path of this repository; FunASR's own are not ours."""
    blocks = re.findall(r"^```.*?^```", read(document), flags=re.MULTILINE | re.DOTALL)
    code = " ".join([*blocks, *re.findall(r"`[^`\n]+`", without_code(document))])
    words = {word.partition("::")[0].rstrip(".,;") for word in re.split(r"[\s`\"'()\[\]<>=，、；：]+", code)}
    ours = {word for word in words if word.startswith(TOP) or SOURCE.fullmatch(word) or re.fullmatch(r"[a-z_]+/", word)}
    return {word for word in ours if not word.startswith("funasr/")}


def is_there(path: str, folder: Path) -> bool:
    """A path from the root or from the document's folder, a pattern of them, or a bare name of a file somewhere."""
    bare = "/" not in path and any(ROOT.glob(f"*/**/{path}"))
    return bare or any(ROOT.glob(path)) or any(folder.glob(path))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_is_named_exists(document: str) -> None:
    missing = sorted(path for path in named_paths(document) if not is_there(path, (ROOT / document).parent))
    assert not missing, f"{document}: {missing}"


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_module_that_is_run_exists(document: str) -> None:
    for module in re.findall(r"python -m ((?:tools|tests|common)[\w.]*)", read(document)):
        assert (ROOT / (module.replace(".", "/") + ".py")).exists(), module


def test_every_test_that_shows_a_fault_is_there() -> None:
    shown = re.findall(r"`(tests/[a-z_/]+\.py)::(test_\w+)`", read(RELIABILITY))
    assert len(shown) > 10
    for path, name in shown:
        assert re.search(rf"^def {name}\(", read(path), flags=re.MULTILINE), f"{path}::{name}"
