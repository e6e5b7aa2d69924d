"""The table of tools/evaluate/evaluate.py, for a terminal and in Markdown; pure."""

from __future__ import annotations

from typing import Any, Mapping

COLUMNS = [
    "setting",
    "CER",
    "sub/del/ins",
    "first word, ms",
    "character, ms",
    "taken back",
    "final, ms",
    "computing",
]
NONE = "–"


def table(results: Mapping[str, Mapping[str, Any]], timed: bool, realtime: bool) -> str:
    """Columns padded for a terminal, and below them what they mean."""
    lines = [COLUMNS, *(row(name, result) for name, result in results.items())]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    padded = ["  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines]
    return "\n".join([*padded, "", *meaning(timed, realtime)])


def markdown(results: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [COLUMNS, ["---"] * len(COLUMNS), *(row(f"`{name}`", result) for name, result in results.items())]
    return "".join("| " + " | ".join(cells) + " |\n" for cells in lines)


def meaning(timed: bool, realtime: bool) -> list[str]:
    source = "the reference times" if timed else "the recogniser's own word times (--times FILE gives better ones)"
    clock = "read off the wall clock" if realtime else "on a simulated clock: 32 ms blocks and measured computing"
    return [
        f"Delays are median / 95th percentile, by {source}, {clock}.",
        "first word: from the beginning of the speech to the first text. character: from its end until it is shown.",
        "final: from the end of the last character to the final that silence brings about.",
        "taken back: share of the tentative characters (position and character) that the final does not have.",
        "computing: seconds of computing for a second of audio; silence is nearly free.",
    ]


def row(name: str, result: Mapping[str, Any]) -> list[str]:
    errors = "/".join(str(result[kind]) for kind in ("substitutions", "deletions", "insertions"))
    return [
        name,
        percent(result["cer"]),
        f"{errors} of {result['units']}" if result["cer"] is not None else NONE,
        *(pair(result[key]) for key in ("first_word_ms", "word_ms")),
        percent(result["rewritten"]),
        pair(result["final_ms"]),
        NONE if not result["real_time_factor"] else f"{result['real_time_factor']:.3f}",
    ]


def percent(share: float | None) -> str:
    return NONE if share is None else f"{share:.1%}".replace("%", " %")


def pair(values: list[int] | None) -> str:
    return NONE if values is None else " / ".join(map(str, values))
