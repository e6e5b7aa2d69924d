#!/usr/bin/env python3
"""True streaming: the model's cache lives through the utterance, and later context corrects the tail.

Speech from a microphone, a file or stdin becomes JSON lines on stdout: voice.asr_text.partial while an
utterance goes on (its tail may still change), voice.asr_text.final when the speaker stops.
"""

from __future__ import annotations

from common.run.signals import hold_signals

if __name__ == "__main__":
    hold_signals()  # until run() watches them: one that comes during the imports ends with status 0, too

from common.run.app import run
from common.run.process import Process
from common.settings.services import StreamingConfig

# Settings for those who would rather edit than type flags; a flag wins. --help lists them all.
CONFIG = StreamingConfig(
    chunk_size=(5, 10, 5),  # left context, chunk, look-ahead in frames of 60 ms
    encoder_chunk_look_back=4,  # chunks
    decoder_chunk_look_back=1,  # chunks
    endpoint_silence_ms=800,  # silence that ends an utterance
    max_utterance_sec=20,  # longest utterance
    partial_interval_ms=200,  # audio between two looks at the tail that is not committed yet
    device="auto",  # auto, cpu, cuda, cuda:N or mps
)


def pipeline(config: StreamingConfig, process: Process) -> int:
    """The steps, in order. Heavy packages are imported by the step that needs them."""
    from common.engines.choose import load_engine
    from common.finals.load import load_finals
    from common.run.serve import loading, open_source, serve
    from common.speech.partials import Partials
    from common.speech.service import Service
    from common.speech.vad import load_vad
    from common.units import to_samples

    source = open_source(config, process)  # microphone, file, raw PCM or JSON lines → 16 kHz mono
    told = loading(config, source, process)  # of downloads and preparations
    engine = load_engine(config, told)  # ParaformerStreaming, its cache kept through the utterance
    vad = load_vad()  # speech probability per 32 ms: silence costs no inference
    finals = load_finals(config, process.inbox.deadline)  # opt-in: second pass, punctuation, numbers in digits
    partials = Partials(peek_interval=to_samples(config.partial_interval_ms))
    service = Service(config, engine, vad, partials, finals=finals)
    return serve(config, source, service, process)


if __name__ == "__main__":
    run(CONFIG, pipeline, __doc__)
