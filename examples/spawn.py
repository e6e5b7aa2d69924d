#!/usr/bin/env python3
"""Spawns the recogniser, reads its lines, pauses it while this program speaks, restarts it when it dies."""

import contextlib
import json
import subprocess
import sys
import time
from pathlib import Path

COMMAND = [sys.executable, str(Path(__file__).resolve().parents[1] / "asr_service_streaming.py"), *sys.argv[1:]]


def send(service, kind):
    with contextlib.suppress(BrokenPipeError):  # it has gone: its exit status says why
        print(json.dumps({"type": f"core.control.{kind}"}), file=service.stdin, flush=True)


def listen(service):
    for event in map(json.loads, service.stdout):
        if event["type"] == "voice.asr_text.final":
            send(service, "pause")  # an assistant that speaks must not hear itself
            print("heard:", event["text"], flush=True)
            send(service, "resume")
        elif event["type"] == "core.error_event":
            print(event["error_code"], event["message"], file=sys.stderr)


pause = 0.5  # seconds before the next start; what dies at once is started less and less often
while True:
    began = time.monotonic()
    service = subprocess.Popen(COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8")
    with contextlib.suppress(KeyboardInterrupt):
        listen(service)
    send(service, "stop")  # after Ctrl-C; what was being said is still heard
    listen(service)
    if service.wait() in (0, 2, 3, 130):  # ended as asked, or another start would fail the same way
        sys.exit(service.returncode)
    pause = 1 if time.monotonic() - began > 60 else min(2 * pause, 60)
    time.sleep(pause)
