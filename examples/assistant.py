#!/usr/bin/env python3
"""An assistant that lets itself be interrupted and thinks ahead, with a scripted answerer in a language model's place.

    python examples/assistant.py --demo --realtime --input demo/speech/single05.wav
    python examples/assistant.py                                  # the microphone, with headphones

It is quiet at once when somebody speaks, begins to think at the eager end, throws that away if more is said, and
speaks when the turn has ended. After a cough it goes on with what it was saying.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Iterator

SERVICE = Path(__file__).resolve().parent.parent / "asr_service_streaming.py"


def events(arguments: list[str]) -> Iterator[dict[str, Any]]:
    command = [sys.executable, str(SERVICE), "--turns", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL) as service:
        assert service.stdout is not None
        for line in service.stdout:
            yield json.loads(line)


class Assistant:
    """What it says goes to stdout, a line each; a real one would speak it."""

    def __init__(self) -> None:
        self.speaking = ""  # what it is saying, or was when it was interrupted
        self.thought = ""  # the answer that is ready if the turn really has ended
        self.answer = ""  # to what was said in this turn

    def started(self, _event: dict[str, Any]) -> None:
        if self.speaking:
            print("(quiet)", flush=True)  # stop the loudspeaker now

    def eager_end(self, event: dict[str, Any]) -> None:
        if event["text"]:
            self.thought = self.answer_to(event["text"])  # start the language model here

    def resumed(self, _event: dict[str, Any]) -> None:
        self.thought = ""  # cancel the language model: more was said, or it was something else

    def final(self, event: dict[str, Any]) -> None:
        self.answer = self.thought or self.answer_to(event["text"])

    def ended(self, event: dict[str, Any]) -> None:
        self.thought = ""
        if event["continues"]:
            return  # the same turn goes on with the next started
        self.speaking, self.answer = self.answer or self.speaking, ""
        if self.speaking:  # a new answer; or, after a cough, what was interrupted
            print(self.speaking, flush=True)

    def answer_to(self, text: str) -> str:
        return f"好的：{text}" if text else ""


def main() -> None:
    assistant = Assistant()
    for event in events(sys.argv[1:]):
        kind = event["type"].rsplit(".", 1)[-1]
        handle = getattr(assistant, kind, None)
        if handle is not None and kind in ("started", "eager_end", "resumed", "final", "ended"):
            handle(event)
        elif event["type"] == "core.error_event":
            print(event["message"], file=sys.stderr)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
