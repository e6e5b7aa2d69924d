#!/usr/bin/env python3
"""Try settings on your own recordings: errors, delays, characters taken back, a row for each setting.

    python tools/evaluate/evaluate.py demo/speech/single*.wav --reference demo/speech/transcripts.tsv --demo
    python tools/evaluate/evaluate.py talk.wav --reference talk.tsv --model-dir DIR --chunk-size 5,10,5
    python tools/evaluate/evaluate.py talk.wav --reference talk.tsv --demo --hotwords @words.txt --markdown table.md

The flags below may be repeated, and every combination is tried; hotwords are tried beside none. Without --chunk-size
and --chunk-sec it is both services at their defaults. Every other flag of the services holds for all rows; with
--final-model, --punc-model and --itn errors, and what was taken back, are those of the finals they make.

FILE of --reference: a recording's name, a tab and its text in each line. FILE of --times: name, start and end in
seconds, text, a character or a longer stretch in each line; without it delays are counted from the recogniser's own
word times. Delays come from a simulated clock (paced.py says how), so nothing waits; with --realtime the service
is started and hears the recording at the speed of speech.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import math
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Iterator, NamedTuple

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from common.engines.choose import load_engine  # noqa: E402
from common.errors import FatalError  # noqa: E402
from common.finals.load import load_finals  # noqa: E402
from common.settings.command_line import build_parser, parse  # noqa: E402
from common.settings.services import ModelConfig, SliceConfig, StreamingConfig  # noqa: E402
from common.speech.service import Service  # noqa: E402
from common.speech.vad import load_vad  # noqa: E402
from tools.evaluate.paced import listen, partials_of, with_silence  # noqa: E402
from tools.evaluate.recording import read  # noqa: E402
from tools.evaluate.report import markdown, table  # noqa: E402
from tools.evaluate.scores import Scores, units  # noqa: E402
from tools.evaluate.spawned_service import listen_in_real_time  # noqa: E402
from tools.evaluate.timeline import Line, Spoken  # noqa: E402

UNKNOWN = float("nan")
AXES = ("chunk_size", "chunk_sec", "partial_interval_ms", "engine", "hotwords")


class Recording(NamedTuple):
    """``samples``: 16 kHz mono float32; ``text`` None: no reference; ``times`` empty: none are known."""

    path: Path
    samples: np.ndarray
    text: str | None
    times: list[Spoken]


def arguments_of(argv: list[str] | None = None) -> tuple[argparse.Namespace, list[str]]:
    """Our own flags, and the rest: flags of the services."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False
    )
    parser.add_argument("audio", nargs="+", type=Path)
    parser.add_argument("--reference", type=Path, metavar="FILE")
    parser.add_argument("--times", type=Path, metavar="FILE")
    for flag, metavar in (
        ("chunk-size", "L,C,R"),
        ("chunk-sec", "S"),
        ("partial-interval-ms", "MS"),
        ("engine", "ENGINE"),
        ("hotwords", "WORDS|@FILE"),
    ):
        parser.add_argument("--" + flag, action="append", default=[], metavar=metavar)
    parser.add_argument("--realtime", action="store_true", help="start the service and wait as long as the audio lasts")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the table as Markdown too")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers and the texts too")
    return parser.parse_known_args(argv)


def settings(flags: argparse.Namespace, others: list[str]) -> Iterator[tuple[str, list[str], ModelConfig]]:
    """What to call each row, the service's flags, and what these say. Raises FatalError ``config_invalid``."""
    both = not flags.chunk_size and not flags.chunk_sec
    services: list[tuple[ModelConfig, list[str]]] = []
    services += [(SliceConfig(), ["chunk_sec"])] if both or flags.chunk_sec else []
    services += [(StreamingConfig(), ["chunk_size", "partial_interval_ms"])] if both or flags.chunk_size else []
    for base, own in services:
        axes = [axis for axis in AXES if axis in own or axis in ("engine", "hotwords")]
        choices = [[None, *flags.hotwords] if axis == "hotwords" else getattr(flags, axis) or [None] for axis in axes]
        for values in itertools.product(*choices):
            chosen = [(f"--{axis.replace('_', '-')}", value) for axis, value in zip(axes, values) if value is not None]
            call = [*itertools.chain(*chosen), *others]
            config, _ = parse(base, build_parser(base, ""), call)
            name = "asr_service" if isinstance(base, SliceConfig) else "asr_service_streaming"
            yield " ".join([name, *itertools.chain(*chosen)]), [name + ".py", *call], config


def recordings(flags: argparse.Namespace) -> list[Recording]:
    """Raises SystemExit for a file that cannot be read."""
    texts = {row[0]: row[1] for row in rows(flags.reference, 2)}
    times: dict[str, list[Spoken]] = {}
    for name, start, end, text in (row[:4] for row in rows(flags.times, 4) if is_number(row[1])):
        times.setdefault(name, []).extend(stretch(text, float(start), float(end)))
    found = []
    for path in flags.audio:
        name = path.name if path.name in texts or path.name in times else path.stem
        if flags.reference and name not in texts:
            raise SystemExit(f"{path.name} is not in {flags.reference}: its first column names the recordings")
        found.append(Recording(path, read(path), texts.get(name), times.get(name, [])))
    return found


def rows(path: Path | None, columns: int) -> list[list[str]]:
    if path is None:
        return []
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"{path}: {error}") from error
    cells = [line.split("\t") for line in lines if line.strip()]
    short = [number for number, row in enumerate(cells, 1) if len(row) < columns]
    if short:
        raise SystemExit(f"{path}, line {short[0]}: {columns} columns with tabs between them are needed")
    return cells


def is_number(text: str) -> bool:
    return text.replace(".", "", 1).isdigit()


def stretch(text: str, start: float, end: float) -> list[Spoken]:
    """The words of a stretch: of the first the start is known, of the last the end."""
    words = units(text)
    last = len(words) - 1
    return [
        Spoken(word, start if index == 0 else UNKNOWN, end if index == last else UNKNOWN)
        for index, word in enumerate(words)
    ]


def evaluate(call: list[str], config: ModelConfig, audio: list[Recording], realtime: bool) -> dict[str, Any]:
    """The numbers of one setting, and the text of each recording."""
    scores, texts = Scores(), {}
    if not realtime:
        engine, vad, finals = load_engine(config), load_vad(), load_finals(config, lambda: math.inf)
    for recording in audio:
        samples = with_silence(recording.samples, config)
        lines: list[Line]
        if realtime:
            lines, busy = listen_in_real_time([str(ROOT / call[0]), *call[1:]], samples), 0.0
        else:
            vad.reset()
            lines, busy = listen(Service(config, engine, vad, partials_of(config), finals=finals), samples)
        scores.audio_sec += len(samples) / 16000
        scores.busy_sec += busy
        texts[recording.path.name] = scores.add(lines, recording.text, recording.times)
    return {**scores.summary(), "texts": texts}


def main() -> None:
    logging.basicConfig(level=logging.WARNING, format="%(message)s")
    flags, others = arguments_of()
    try:
        import jiwer  # noqa: F401
    except ImportError:
        raise SystemExit("jiwer counts the errors: pip install -r requirements-dev.txt") from None
    audio = recordings(flags)
    results = {}
    try:
        for name, call, config in settings(flags, others):
            print(f"{name} …", file=sys.stderr, flush=True)
            results[name] = evaluate(call, replace(config, realtime=False), audio, flags.realtime)
    except FatalError as error:
        raise SystemExit(str(error)) from error
    print(table(results, timed=any(recording.times for recording in audio), realtime=flags.realtime))
    if flags.markdown:
        flags.markdown.write_text(markdown(results), encoding="utf-8")
    if flags.json:
        flags.json.write_text(json.dumps(results, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
