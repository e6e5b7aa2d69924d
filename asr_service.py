#!/usr/bin/env python3
"""Slice streaming: every slice of speech is decoded once, and what it said is never taken back.

Speech from a microphone, a file or stdin becomes JSON lines on stdout: voice.asr_text.partial while an
utterance goes on (each starts with the one before it), voice.asr_text.final when the speaker stops.
"""

from __future__ import annotations

from common.run.signals import hold_signals

if __name__ == "__main__":
    hold_signals()  # until run() watches them: one that comes during the imports ends with status 0, too

import logging

from common.run.app import run
from common.run.process import Process
from common.settings.services import SliceConfig

# Settings for those who would rather edit than type flags; a flag wins. --help lists them all.
CONFIG = SliceConfig(
    chunk_sec=0.6,  # seconds of speech per inference, 0.24 to 1.2: smaller is earlier text, larger is less work
    endpoint_silence_ms=800,  # silence that ends an utterance
    max_utterance_sec=20,  # longest utterance
    device="auto",  # auto, cpu, cuda, cuda:N or mps
)


def pipeline(config: SliceConfig, process: Process) -> int:
    """The steps, in order. Heavy packages are imported by the step that needs them."""
    from common.engines.choose import load_engine
    from common.finals.load import load_finals
    from common.run.serve import loading, open_source, serve
    from common.speech.partials import Partials
    from common.speech.service import Service
    from common.speech.vad import load_vad

    log = logging.getLogger("asr")
    heard_sec = config.chunk_frames * 0.06
    if abs(heard_sec - config.chunk_sec) > 1e-6:
        log.warning("chunk_sec %g is rounded to whole 60 ms frames: %.2f s", config.chunk_sec, heard_sec)
    source = open_source(config, process)  # microphone, file, raw PCM or JSON lines → 16 kHz mono
    told = loading(config, source, process)  # of downloads and preparations
    engine = load_engine(config, told)  # ParaformerStreaming; its cache carries context from slice to slice
    vad = load_vad()  # speech probability per 32 ms: silence costs no inference
    finals = load_finals(config, process.inbox.deadline)  # opt-in: second pass, punctuation, numbers in digits
    service = Service(config, engine, vad, Partials(append_only=True), finals=finals)
    return serve(config, source, service, process)


if __name__ == "__main__":
    run(CONFIG, pipeline, __doc__)
