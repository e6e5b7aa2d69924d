#!/usr/bin/env python3
"""Prove the guarantees of docs/protocol.md on what a service printed.

    python asr_service.py --demo > events.jsonl
    python tools/check/check_events.py events.jsonl --append-only

One line a violation on stdout (file:line: guarantee: what), then a summary. Exit status 0: all hold; 1: something is
broken; 2: a bad call. FILE is the stdout of one run, from its first line. Needs nothing but Python.
"""

from __future__ import annotations

import argparse
import io
import signal
import sys
from pathlib import Path
from typing import Iterable

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from tools.check.event_lines import Run, Violation, parse, parse_commands  # noqa: E402
from tools.check.extended_guarantees import EXTENDED  # noqa: E402
from tools.check.guarantees import GUARANTEES  # noqa: E402
from tools.check.turn_guarantees import TURN_GUARANTEES  # noqa: E402


def check(
    lines: Iterable[bytes],
    append_only: bool = False,
    cut_off: bool = False,
    commands: Iterable[bytes] | None = None,
) -> list[Violation]:
    """Every violation in ``lines``, the whole stdout of one run, each with its newline; sorted by line.

    ``append_only``: asr_service.py printed them, and nothing polished its finals. ``cut_off``: the service was killed
    or its reader left, so the last line may be torn and the last utterance may lack its final. ``commands``: the
    lines sent to stdin; without them an utterance that ``core.control.reset`` dropped counts as one that lacks its
    final.
    """
    events, found = parse(lines, cut_off)
    run = Run(events, None if commands is None else parse_commands(commands), append_only, cut_off)
    for guarantee in (*GUARANTEES, *EXTENDED, *TURN_GUARANTEES):
        found += guarantee(run)
    return sorted(found, key=lambda violation: violation.line)


def as_written(data: bytes) -> tuple[bytes, str]:
    """What the service wrote, and how a shell had changed it ("" if not): PowerShell's ``>`` writes UTF-16."""
    changes = []
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        data = data.decode("utf-16", errors="replace").encode("utf-8")
        changes.append("UTF-16")
    elif data.startswith(b"\xef\xbb\xbf"):
        data = data[3:]
        changes.append("a byte order mark")
    if b"\n" in data and data.count(b"\n") == data.count(b"\r\n"):
        data = data.replace(b"\r\n", b"\n")
        changes.append("CRLF")
    return data, " and ".join(changes)


def read(name: str) -> list[bytes]:
    """The lines of a file or of stdin, each with its newline, as the service wrote them. Raises OSError."""
    data, changes = as_written(sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes())
    if changes:
        print(f"{name}: {changes}, as PowerShell's > writes it; checked as the service wrote it")
    return io.BytesIO(data).readlines()


def main() -> int:
    description, _, _ = (__doc__ or "").partition("\n\n")
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("file", metavar="FILE.jsonl", help="stdout of one run; - is standard input")
    parser.add_argument("--commands", metavar="FILE", help="what was sent to the service's stdin; - is standard input")
    parser.add_argument(
        "--append-only",
        action="store_true",
        help="asr_service.py printed it, and nothing polished its finals: text only grows",
    )
    parser.add_argument(
        "--cut-off", action="store_true", help="it was killed or its reader left: the last final may be missing"
    )
    options = parser.parse_args()
    if options.file == options.commands == "-":
        parser.error("only one of the two can be standard input")
    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # for a console that cannot show Chinese
    try:
        lines = read(options.file)
        commands = None if options.commands is None else read(options.commands)
    except OSError as error:
        parser.error(f"cannot be read: {error}")
    violations = check(lines, options.append_only, options.cut_off, commands)
    for violation in violations:
        print(f"{options.file}:{violation.line}: {violation.guarantee}: {violation.what}")
    print(f"lines: {len(lines)}; " + (f"violations: {len(violations)}" if violations else "every guarantee holds"))
    return 1 if violations else 0


if __name__ == "__main__":
    if hasattr(signal, "SIGPIPE"):
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # … | head ends it quietly
    sys.exit(main())
