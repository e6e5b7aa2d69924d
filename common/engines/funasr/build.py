"""Builds FunASR's model classes from a checked folder. Nothing in the folder is executed."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, Iterator

from common.engines.checkpoint import checked_state
from common.engines.model_folder import ModelFiles, failed
from common.errors import FatalError, describe
from common.packages import INSTALL, import_or_explain

MODULES = {  # of FunASR's model classes
    "ParaformerStreaming": "funasr.models.paraformer_streaming.model",
    "SeacoParaformer": "funasr.models.seaco_paraformer.model",
    "CTTransformer": "funasr.models.ct_transformer.model",
}


def build_checked(files: ModelFiles, arguments: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """What AutoModel.build_model makes of ``arguments``, with the checkpoint of ``files`` in it, every tensor checked.

    Raises FatalError: ``model_load_failed`` for the folder, ``dependency_missing`` for torch or FunASR.
    """
    AutoModel = import_automodel()
    import_or_explain(MODULES[arguments["model"]])  # FunASR itself hides why it does not load
    import torch

    try:
        model, build = AutoModel.build_model(**arguments)
    except Exception as error:
        raise failed(error, f"{files.path('config.yaml')} does not describe a model that FunASR can build") from error
    shapes = {name: tuple(tensor.shape) for name, tensor in model.state_dict().items()}
    state = checked_state(files.path("model.pt"), shapes)
    model.load_state_dict({name: torch.from_numpy(state[name]) for name in state}, strict=True)
    return model.to(arguments["device"]).eval(), build


@contextlib.contextmanager
def only_finite_numbers(model: str = "the model") -> Iterator[None]:
    """While ``with`` lasts, whatever a torch module computes must be finite: if it is not, every text is wrong.

    Raises FatalError ``model_load_failed``, naming ``model``.
    """
    import torch

    def check(_module: Any, _inputs: Any, outputs: Any) -> None:
        for output in outputs if isinstance(outputs, tuple) else (outputs,):
            is_number = isinstance(output, torch.Tensor) and output.is_floating_point()
            if is_number and not bool(torch.isfinite(output).all()):
                raise failed(FloatingPointError(f"what {model} computes is not finite: its weights are damaged"))

    hook = torch.nn.modules.module.register_module_forward_hook(check)
    try:
        yield
    finally:
        hook.remove()


def import_automodel() -> Any:
    """FunASR's AutoModel class. A torchaudio that is installed but cannot load (it raises OSError beside a CPU
    build of torch) would break the import; FunASR works without torchaudio."""
    try:
        import torchaudio  # noqa: F401
    except Exception:  # whatever it is: the package is of no use
        sys.modules["torchaudio"] = None  # type: ignore[assignment]
    os.environ.setdefault("MODELSCOPE_LOG_LEVEL", "40")
    funasr = import_or_explain("funasr")
    try:
        return funasr.AutoModel
    except Exception as error:  # imported lazily: what it needs may still be missing
        raise FatalError("dependency_missing", describe(error, INSTALL)) from error


def build_arguments(files: ModelFiles, threads: int, device: str) -> dict[str, Any]:
    """What AutoModel.build_model needs, from a checked folder; never a path to code or to a checkpoint."""
    conf = files.config
    tokenizer_conf = dict(
        conf.get("tokenizer_conf") or {},
        token_list=str(files.path("tokens.json")),
        seg_dict=str(files.path("seg_dict")),
    )
    frontend_conf = dict(conf["frontend_conf"], cmvn_file=str(files.path("am.mvn")), dither=0.0)
    return {
        "model": conf["model"],
        "model_conf": dict(conf.get("model_conf") or {}),
        "encoder": conf["encoder"],
        "encoder_conf": dict(conf["encoder_conf"]),
        "decoder": conf["decoder"],
        "decoder_conf": dict(conf["decoder_conf"]),
        "predictor": conf["predictor"],
        "predictor_conf": dict(conf["predictor_conf"]),
        "frontend": conf["frontend"],
        "frontend_conf": frontend_conf,
        "tokenizer": conf["tokenizer"],
        "tokenizer_conf": tokenizer_conf,
        "device": device,
        "ncpu": threads,
        "disable_update": True,
        "disable_log": True,
    }
