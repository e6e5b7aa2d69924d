"""The engines that the benchmark compares, each behind the same seam: open it, begin a stream, feed it 600 ms."""

from __future__ import annotations

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import numpy as np

from common.settings.services import SliceConfig, StreamingConfig
from common.units import SAMPLE_RATE

Feed = Callable[[np.ndarray], Any]  # decodes the next samples of a stream
Begin = Callable[[], Feed]  # begins a stream
CHUNK_SIZES = ((0, 10, 5), (5, 10, 5))


@dataclass(frozen=True)
class Job:
    """What a worker is to measure."""

    engine: str  # a key of ENGINES
    model_dir: str
    peers_dir: str | None  # where tools/bench/peers.py put the ONNX files
    chunk_size: tuple[int, int, int] = (0, 10, 5)
    look_backs: tuple[int, int] = (4, 1)
    threads: int = 1


@dataclass(frozen=True)
class Engine:
    """``look_back``: whether its encoder and decoder see the keys and values of earlier chunks, as FunASR's do."""

    title: str
    look_back: str
    open: Callable[[Job], Begin]
    needs: str | None = None  # a package that may be missing
    chunk_sizes: tuple[tuple[int, int, int], ...] = CHUNK_SIZES  # that it can do

    @property
    def is_installed(self) -> bool:
        return self.needs is None or importlib.util.find_spec(self.needs) is not None


def open_funasr(job: Job) -> Begin:
    from common.engines.funasr.build import import_automodel

    auto = import_automodel()(
        model=job.model_dir,
        device="cpu",
        ncpu=job.threads,
        frontend_conf={"dither": 0.0},
        disable_update=True,
        disable_pbar=True,
        disable_log=True,
    )
    options = {"encoder_chunk_look_back": job.look_backs[0], "decoder_chunk_look_back": job.look_backs[1]}

    def begin() -> Feed:
        cache: dict[str, Any] = {}
        size = list(job.chunk_size)
        return lambda samples: auto.generate(input=samples, cache=cache, is_final=False, chunk_size=size, **options)

    return begin


def open_funasr_onnx(job: Job) -> Begin:
    from funasr_onnx.paraformer_online_bin import Paraformer

    model = Paraformer(
        str(job.peers_dir), chunk_size=list(job.chunk_size), quantize=True, intra_op_num_threads=job.threads
    )

    def begin() -> Feed:
        model.frontend.cache_reset()  # it belongs to the model, not to the stream
        options: dict[str, Any] = {"cache": {}, "is_final": False}
        return lambda samples: model(audio_in=samples, param_dict=options)

    return begin


def open_sherpa_onnx(job: Job) -> Begin:
    import sherpa_onnx

    from tools.bench.peers import DECODER, SHERPA_ENCODER, SHERPA_TOKENS

    folder = Path(str(job.peers_dir))
    recognizer = sherpa_onnx.OnlineRecognizer.from_paraformer(
        tokens=str(folder / SHERPA_TOKENS),
        encoder=str(folder / SHERPA_ENCODER),
        decoder=str(folder / DECODER),
        num_threads=job.threads,
    )

    def begin() -> Feed:
        stream = recognizer.create_stream()

        def feed(samples: np.ndarray) -> None:
            stream.accept_waveform(SAMPLE_RATE, samples)
            while recognizer.is_ready(stream):
                recognizer.decode_stream(stream)

        return feed

    return begin


def config_of(job: Job) -> StreamingConfig:
    return StreamingConfig(
        model_dir=job.model_dir,
        device="cpu",
        engine=job.engine,
        precision="int8" if job.engine == "openvino" else "float32",
        threads=job.threads,
        chunk_size=job.chunk_size,
        encoder_chunk_look_back=job.look_backs[0],
        decoder_chunk_look_back=job.look_backs[1],
    )


def open_ours(job: Job) -> Begin:
    from common.engines.choose import load_engine

    engine = load_engine(config_of(job))
    return lambda: engine.session().accept


def slice_service(job: Job) -> Any:
    """asr_service.py's service on one of our engines, with the real VAD, without its threads and its stdout."""
    from common.engines.choose import load_engine
    from common.speech.partials import Partials
    from common.speech.service import Service
    from common.speech.vad import load_vad

    config = SliceConfig(model_dir=job.model_dir, device="cpu", engine=job.engine, threads=job.threads)
    return Service(config, load_engine(config), load_vad(), Partials(append_only=True))


class HearsSpeechAlways:
    """The VAD at its own cost, to which everything is speech: nobody pauses, the worst case."""

    def __init__(self, vad: Any) -> None:
        self._vad = vad
        self.reset = vad.reset

    def probability(self, frame: np.ndarray) -> float:
        self._vad.probability(frame)
        return 1.0


def streaming_services(job: Job) -> tuple[Any, Any]:
    """asr_service_streaming.py's service in the same way, as it is and without looks at the tail; nobody pauses."""
    from common.engines.choose import load_engine
    from common.speech.partials import Partials
    from common.speech.service import Service
    from common.speech.vad import load_vad
    from tools.evaluate.paced import partials_of

    config = StreamingConfig(model_dir=job.model_dir, device="cpu", engine=job.engine, threads=job.threads)
    engine, looks = load_engine(config), partials_of(config)
    vad = HearsSpeechAlways(load_vad())
    return Service(config, engine, vad, looks), Service(config, engine, vad, Partials())


ENGINES = {
    "funasr": Engine("FunASR `AutoModel`", "yes", open_funasr),
    "funasr-onnx": Engine("funasr-onnx int8", "no", open_funasr_onnx, "funasr_onnx"),
    # [5,10,3] is compiled into sherpa-onnx (online-recognizer-paraformer-impl.h): it stands in [5,10,5]'s row.
    "sherpa-onnx": Engine("sherpa-onnx int8", "no", open_sherpa_onnx, "sherpa_onnx", CHUNK_SIZES[1:]),
    "torch": Engine("ours, `torch`", "yes", open_ours),
    "openvino": Engine("ours, `openvino` int8", "yes", open_ours, "openvino"),
}
OURS = ("torch", "openvino")
