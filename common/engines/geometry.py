"""The shapes of a streaming Paraformer: what config.yaml says, and which tensors a checkpoint must hold; pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Dict, Tuple

EPSILON = 1e-12  # of every layer normalisation (transformer/layer_norm.py)


@dataclass(frozen=True)
class Geometry:
    """What a checkpoint's configuration says about its shapes."""

    inputs: int  # numbers in a row of features: 560
    size: int  # of a hidden vector
    heads: int
    encoder_layers: int
    decoder_layers: int  # those with attention
    encoder_units: int  # of a feed-forward layer
    decoder_units: int
    encoder_kernel: int  # of the FSMN memory, half of it ahead
    kernel: int  # of the decoder's FSMN memory, all of it in the past
    vocabulary: int
    fire_threshold: float
    tail_weight: float  # CIF weight of the frame that a final chunk appends

    @classmethod
    def of(cls, conf: dict[str, Any], vocabulary: int) -> Geometry:
        """From config.yaml. Raises ValueError for a variant that streaming_step does not compute."""
        try:
            return cls._read(conf, vocabulary)
        except (KeyError, TypeError, OverflowError) as error:  # FunASR has defaults for what is left out
            raise ValueError(f"config.yaml does not say all of the model's shapes: {error!r}") from error

    @classmethod
    def _read(cls, conf: dict[str, Any], vocabulary: int) -> Geometry:
        encoder, decoder, predictor = conf["encoder_conf"], conf["decoder_conf"], conf["predictor_conf"]
        frontend = conf["frontend_conf"]
        geometry = cls(
            inputs=int(frontend["n_mels"]) * int(frontend["lfr_m"]),
            size=int(encoder["output_size"]),
            heads=int(encoder["attention_heads"]),
            encoder_layers=int(encoder["num_blocks"]),
            decoder_layers=int(decoder["num_blocks"]),
            encoder_units=int(encoder["linear_units"]),
            decoder_units=int(decoder["linear_units"]),
            encoder_kernel=int(encoder["kernel_size"]),
            kernel=int(decoder["kernel_size"]),
            vocabulary=vocabulary,
            fire_threshold=float(predictor["threshold"]),
            tail_weight=float(predictor["tail_threshold"]),
        )
        _refuse_variants(encoder, decoder, predictor, frontend)
        return geometry


def _refuse_variants(
    encoder: dict[str, Any], decoder: dict[str, Any], predictor: dict[str, Any], frontend: dict[str, Any]
) -> None:
    causal = (int(decoder["kernel_size"]) - 1) // 2 == int(decoder["sanm_shfit"])
    plain = (
        frontend["lfr_m"] == 7
        and frontend["lfr_n"] == 6
        and frontend.get("fs", 16000) == 16000
        and encoder.get("input_layer") == "pe_online"
        and encoder.get("normalize_before", True)
        and encoder.get("sanm_shfit", 0) == 0
        and decoder["att_layer_num"] == decoder["num_blocks"]
        and decoder["attention_heads"] == encoder["attention_heads"]
        and (predictor["l_order"], predictor["r_order"]) == (1, 1)
        and predictor.get("smooth_factor", 1.0) == 1.0
        and predictor.get("noise_threshold", 0) == 0
    )
    if not (plain and causal):
        raise ValueError("config.yaml describes a variant of the model that FunASR alone computes")


Shapes = Dict[str, Tuple[int, ...]]


def tensor_shapes(geometry: Geometry) -> Shapes:
    """Name and shape of every tensor that the layers read."""
    size = geometry.size
    shapes: Shapes = {}
    for index in range(geometry.encoder_layers):
        name = "encoder.encoders0.0" if index == 0 else f"encoder.encoders.{index - 1}"
        shapes.update(_encoder_layer(name, geometry, geometry.inputs if index == 0 else size))
    shapes.update(_norm("encoder.after_norm", size))
    shapes["predictor.cif_conv1d.weight"] = (size, size, 3)
    shapes["predictor.cif_conv1d.bias"] = (size,)
    shapes.update(_linear("predictor.cif_output", 1, size))
    for index in range(geometry.decoder_layers):
        shapes.update(_decoder_layer(f"decoder.decoders.{index}", geometry))
    shapes.update(_decoder_feed_forward("decoder.decoders3.0", geometry))
    shapes.update(_norm("decoder.after_norm", size))
    shapes.update(_linear("decoder.output_layer", geometry.vocabulary, size))
    return shapes


def _encoder_layer(name: str, geometry: Geometry, width: int) -> Shapes:
    size, units = geometry.size, geometry.encoder_units
    return {
        **_linear(f"{name}.self_attn.linear_q_k_v", 3 * size, width),
        **_linear(f"{name}.self_attn.linear_out", size, size),
        f"{name}.self_attn.fsmn_block.weight": (size, 1, geometry.encoder_kernel),
        **_linear(f"{name}.feed_forward.w_1", units, size),
        **_linear(f"{name}.feed_forward.w_2", size, units),
        **_norm(f"{name}.norm1", width),
        **_norm(f"{name}.norm2", size),
    }


def _decoder_layer(name: str, geometry: Geometry) -> Shapes:
    size = geometry.size
    return {
        **_decoder_feed_forward(name, geometry),
        f"{name}.self_attn.fsmn_block.weight": (size, 1, geometry.kernel),
        **_linear(f"{name}.src_attn.linear_q", size, size),
        **_linear(f"{name}.src_attn.linear_k_v", 2 * size, size),
        **_linear(f"{name}.src_attn.linear_out", size, size),
        **_norm(f"{name}.norm2", size),
        **_norm(f"{name}.norm3", size),
    }


def _decoder_feed_forward(name: str, geometry: Geometry) -> Shapes:
    size, units = geometry.size, geometry.decoder_units
    return {
        **_linear(f"{name}.feed_forward.w_1", units, size),
        f"{name}.feed_forward.w_2.weight": (size, units),
        **_norm(f"{name}.feed_forward.norm", units),
        **_norm(f"{name}.norm1", size),
    }


def _linear(name: str, outputs: int, inputs: int) -> Shapes:
    return {f"{name}.weight": (outputs, inputs), f"{name}.bias": (outputs,)}


def _norm(name: str, width: int) -> Shapes:
    return {f"{name}.weight": (width,), f"{name}.bias": (width,)}
