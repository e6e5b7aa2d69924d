"""The engine on OpenVINO: from the cache, or prepared once for a model; neither needs torch.

Prepared are, each kept under its own key: the int8 weights of a model, the verdict on them, and the compiled graphs
for one precision, chunk size, look-back and number of threads.
"""

from __future__ import annotations

import functools
import logging
from dataclasses import asdict
from pathlib import Path
from typing import Any

import common.engines.openvino.graphs as graphs
import common.engines.openvino.judge as judge
import common.engines.openvino.weights as weights
from common.engines.checkpoint import Checkpoint, checked_state
from common.engines.features import Frontend
from common.engines.geometry import Geometry, tensor_shapes
from common.engines.loading import Loading, Progress
from common.engines.memory import give_back_what_is_free
from common.engines.model_folder import ModelFiles
from common.engines.openvino.cache import Cache, entry_of, key_of
from common.engines.openvino.network import OpenvinoNetwork
from common.engines.openvino.package import openvino
from common.engines.openvino.weights import Weights
from common.engines.paraformer_session import ParaformerEngine
from common.engines.streaming_step import Shape
from common.errors import FatalError, describe
from common.packages import INSTALL, import_or_explain
from common.settings.services import ModelConfig

log = logging.getLogger(__name__)

FORMAT = 5  # of an entry: a change in how graphs or weights are made makes the old ones useless
MODEL_FILES = ("model.pt", "config.yaml", "am.mvn", "tokens.json")
WEIGHTS = "weights.bin"
BLOBS = ("encoder.blob", "decoder.blob")
PARTS = {"weights": (0.0, 0.15), "single": (0.15, 0.65), "int8": (0.65, 0.85), "graphs": (0.85, 1.0)}  # of the time


def load_openvino(config: ModelConfig, files: ModelFiles, geometry: Geometry, loading: Loading) -> ParaformerEngine:
    """The engine in the precision that ``config`` asks for, or that the verdict on int8 leaves; its ``precision``
    says which.

    Raises FatalError: ``dependency_missing`` without OpenVINO, ``model_load_failed`` for the checkpoint.
    """
    openvino()
    import_or_explain("kaldi_native_fbank")
    job = _Job(config, files, geometry, lambda part: loading.busy("preparing", part))
    for last_try in (False, True):
        try:
            if not job.is_prepared():
                with job.cache.alone(job.wait):
                    if not job.is_prepared():
                        return job.engine()
            else:
                loading.prepared()
            return job.engine()
        except FatalError:
            raise
        except Exception as error:  # whatever OpenVINO makes of a damaged file
            if last_try:
                raise FatalError("dependency_missing", describe(error, INSTALL)) from error
            log.debug("%s", error)
            job.forget()
    raise AssertionError("unreachable")


class _Job:
    """One model with one configuration, and the cache."""

    def __init__(self, config: ModelConfig, files: ModelFiles, geometry: Geometry, progress: Progress) -> None:
        self.cache = Cache.of_the_user()
        self._config, self._files, self._geometry = config, files, geometry
        self._progress = progress
        self._shape = Shape.of(config)
        self._frontend = Frontend.read(files.config["frontend_conf"], files.path("am.mvn"))
        self._in_memory: dict[str, Weights] = {}  # what the cache did not keep
        self._warned = ""
        self._told = -1.0  # nothing yet

    def wait(self) -> None:
        log.info("waiting: another process is preparing an engine")
        self._part("weights")

    def is_prepared(self) -> bool:
        """Whether all that the engine needs is in the cache."""
        precision = self._precision_in_cache()
        if precision is None:
            return False
        folder = self.cache.find(self._key_of_graphs(precision))
        return folder is not None and self._weights_of(folder, precision) is not None

    def engine(self) -> ParaformerEngine:
        """Loaded, prepared first if need be."""
        precision = self._precision_in_cache() or self._judged()
        if not self.is_prepared():
            self._weights(precision)  # before the graphs, which need them
        folder = self.cache.made(self._key_of_graphs(precision), lambda new: self._write_graphs(precision, new))
        path = None if folder is None else self._weights_of(folder, precision)
        if folder is None or path is None:
            engine = self._compiled(precision, self._shape)
            engine.warm_up()
        else:
            requests = [graphs.load(folder / blob, path, self._config.threads) for blob in BLOBS]
            engine = self._around(OpenvinoNetwork(self._geometry, self._shape, *requests), self._shape)
            if not engine.computes((entry_of(folder) or {})["warm_up"]):
                raise ValueError(f"{folder} gives other numbers than when it was made")
        engine.precision = precision
        if self._told >= 0:
            self._tell(1.0)
        return engine

    def forget(self) -> None:
        """Drop what may be damaged."""
        for precision in ("int8", "float32"):
            self.cache.drop(self._key_of_weights(precision))
            self.cache.drop(self._key_of_graphs(precision))

    def _precision_in_cache(self) -> str | None:
        """The one that is asked for, or that the verdict leaves; None if there is no verdict yet."""
        if self._config.precision != "auto":
            return self._config.precision
        folder = self.cache.find(self._key_of_verdict)
        entry = None if folder is None else entry_of(folder)
        try:
            return None if entry is None else self._taken(judge.Verdict(**entry["verdict"]))
        except (KeyError, TypeError):
            self.cache.drop(self._key_of_verdict)
            return None

    def _taken(self, verdict: judge.Verdict) -> str:
        if not verdict.accepted and self._warned != str(verdict):
            self._warned = str(verdict)
            log.warning("%s: single precision decodes, at half the speed; --precision int8 takes int8 anyway", verdict)
        return "int8" if verdict.accepted else "float32"

    def _judged(self) -> str:
        """Both precisions hear the bundled speech, one after the other: together they would need 1.3 GB."""
        log.info("preparing %s (once): int8 is held against single precision", self._files.folder)
        self._weights("int8")  # before single precision needs its memory
        audio = list(judge.recordings())
        single = judge.heard_until_sure(self._compiled("float32", judge.JUDGED), audio, self._part("single"))
        give_back_what_is_free()
        int8 = judge.heard(self._compiled("int8", judge.JUDGED), audio[: len(single)], self._part("int8"))
        give_back_what_is_free()
        verdict = judge.compared(single, int8)
        log.info("%s", verdict)
        entry = {**self._about("verdict on int8"), "verdict": asdict(verdict)}
        self.cache.made(self._key_of_verdict, lambda _: entry)
        return self._taken(verdict)

    def _write_graphs(self, precision: str, folder: Path) -> dict[str, Any]:
        log.info("preparing the %s engine for these settings (once)", precision)
        numbers = self._weights(precision)
        if precision == "float32":
            self._checkpoint.check()
        done = self._part("graphs")
        compiled = graphs.compiled(self._geometry, self._shape, numbers, self._config.threads)
        done(0.5)
        for each, blob in zip(compiled, BLOBS):
            graphs.export(each, folder / blob)
        requests = [graphs.Request(each, keep=numbers) for each in compiled]
        warm_up = self._around(OpenvinoNetwork(self._geometry, self._shape, *requests), self._shape).warm_up()
        where = "model.pt" if numbers.path == self._files.path("model.pt") else WEIGHTS
        return {**self._about(f"{precision} graphs"), "warm_up": warm_up.tolist(), "weights": where}

    def _compiled(self, precision: str, shape: Shape) -> ParaformerEngine:
        """Without graphs on the disk."""
        numbers = self._weights(precision)
        compiled = graphs.compiled(self._geometry, shape, numbers, self._config.threads)
        requests = [graphs.Request(each, keep=numbers) for each in compiled]
        return self._around(OpenvinoNetwork(self._geometry, shape, *requests), shape)

    def _around(self, network: OpenvinoNetwork, shape: Shape) -> ParaformerEngine:
        return ParaformerEngine(network, self._frontend, shape, self._files.tokens)

    def _weights(self, precision: str) -> Weights:
        """model.pt itself if its numbers can be used as they lie there, else a file of our own, or memory."""
        places = None if precision == "int8" else weights.where_they_are(self._checkpoint)
        if places is not None:
            return Weights.mapped(places, self._files.path("model.pt"))
        if precision in self._in_memory:
            return self._in_memory[precision]
        places = weights.laid_out(tensor_shapes(self._geometry), precision == "int8")
        done = self._part("weights")

        def make(folder: Path) -> dict[str, Any]:
            with (folder / WEIGHTS).open("wb") as file:
                weights.write(self._checkpoint, places, file, done)
            return self._about(f"{precision} weights")

        folder = self.cache.made(self._key_of_weights(precision), make)
        if folder is not None:
            return Weights.mapped(places, folder / WEIGHTS)
        self._in_memory[precision] = Weights.in_memory(self._checkpoint, places, done)
        return self._in_memory[precision]

    def _weights_of(self, graphs_folder: Path, precision: str) -> Path | None:
        """The file that exported graphs read, or None if it is not there any more."""
        if (entry_of(graphs_folder) or {})["weights"] == "model.pt":
            return self._files.path("model.pt")
        folder = self.cache.find(self._key_of_weights(precision))
        return None if folder is None else folder / WEIGHTS

    @functools.cached_property
    def _checkpoint(self) -> Checkpoint:
        return checked_state(self._files.path("model.pt"), tensor_shapes(self._geometry))

    @functools.cached_property
    def _model(self) -> dict[str, Any]:
        return {"format": FORMAT, "model": [self.cache.hash_of(self._files.path(name)) for name in MODEL_FILES]}

    @functools.cached_property
    def _machine(self) -> dict[str, Any]:
        """What compiled graphs depend on, and the numbers that they compute."""
        package = openvino()
        processor = package.Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
        return {"openvino": package.__version__, "processor": processor, "settings": graphs.settings(0)}

    def _key_of_weights(self, precision: str) -> str:
        return key_of({**self._model, "weights": precision})

    @property
    def _key_of_verdict(self) -> str:
        return key_of({**self._model, **self._machine, "verdict": "int8"})

    def _key_of_graphs(self, precision: str) -> str:
        graph = {"precision": precision, "shape": self._shape, "threads": self._config.threads}
        return key_of({**self._model, **self._machine, **graph})

    def _about(self, what: str) -> dict[str, Any]:
        """For whoever looks into the cache."""
        return {"what": what, "model": str(self._files.folder)}

    def _part(self, name: str) -> Progress:
        begin, end = PARTS[name]
        self._tell(begin)
        return lambda part: self._tell(begin + part * (end - begin))

    def _tell(self, part: float) -> None:
        if part > self._told:  # what is done twice is not told twice
            self._told = part
            self._progress(part)
