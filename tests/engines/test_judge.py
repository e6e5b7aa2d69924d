"""The verdict on int8: it takes what gives the same text and refuses what does not, whatever voices it hears."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path

import numpy as np
import pytest

from common.engines.seam import Hypothesis
from common.settings.flags import DEMO_MODEL, DEMO_SPEECH
from tests.audio import REAL_AUDIO, real_recordings

if importlib.util.find_spec("openvino") is None:
    pytest.skip("OpenVINO needs Python 3.10 or newer", allow_module_level=True)

from common.engines.openvino import judge
from common.engines.openvino.judge import ENOUGH, Verdict, compared, heard_until_sure
from tools.verify.judge_int8 import DAMAGES, Judged

FAMILIAR = DEMO_SPEECH.parent
UNFAMILIAR = REAL_AUDIO / "speech"
needs_people = pytest.mark.skipif(not real_recordings("speech"), reason="no recordings of people beside the project")


def nothing(_: float) -> None:
    """Nobody asks how far it is."""


def said(tokens: str, sure: str = "", size: int = 30) -> Hypothesis:
    """A token for each letter; with a posterior of 0.9 where ``sure`` has an x, else of 0.3."""
    ids = [ord(letter) - ord("a") + 3 for letter in tokens]
    values = [0.9 if place < len(sure) and sure[place] == "x" else 0.3 for place in range(len(ids))]
    rows = np.full((len(ids), size), 1e-9)
    rows[range(len(ids)), ids] = values
    rows[:, 0] = 1 - np.array(values)
    return Hypothesis(
        tuple(ids), tuple(math.log(value) for value in values), tuple(range(len(ids))), tuple(np.log(rows))
    )


def test_only_the_tokens_that_single_precision_is_sure_of_count() -> None:
    verdict = compared([said("abcd", "x..x")], [said("abzd")])
    assert (verdict.tokens, verdict.same, verdict.sure, verdict.kept) == (4, 3, 2, 2)
    verdict = compared([said("abcd", "xxxx")], [said("abzd")])
    assert (verdict.sure, verdict.kept) == (4, 3)


def test_a_token_too_many_or_too_few_does_not_shift_the_others() -> None:
    assert compared([said("abcd", "xxxx")], [said("zabcd")]).kept == 4
    assert compared([said("abcd", "xxxx")], [said("acd")]).kept == 3


@pytest.mark.parametrize(
    ("found", "moved"), [("abcd", 0.0), ("abcz", 0.3 / 4), ("abc", 0.25), ("", 1.0), ("abcdz", 0.0)]
)
def test_how_far_the_posteriors_move_is_between_0_and_1(found: str, moved: float) -> None:
    assert compared([said("abcd")], [said(found)]).moved == pytest.approx(moved, abs=1e-6)


@pytest.mark.parametrize(
    ("verdict", "accepted"),
    [
        (Verdict(80, 80, 60, 60, 0.5), True),  # 60 sure ones are enough: nothing else counts
        (Verdict(80, 10, 60, 59, 0.5), True),
        (Verdict(80, 79, 60, 58, 0.0), False),
        (Verdict(200, 190, 100, 98, 0.0), True),
        (Verdict(200, 190, 100, 97, 0.0), False),
        (Verdict(80, 10, 59, 59, 0.1), True),  # too few
        (Verdict(80, 10, 59, 59, 0.11), False),
        (Verdict(80, 80, 59, 57, 0.0), False),
        (Verdict(80, 10, 0, 0, 0.05), True),
        (Verdict(0, 0, 0, 0, 0.0), False),  # it heard nothing
    ],
    ids=str,
)
def test_the_rule(verdict: Verdict, accepted: bool) -> None:
    assert verdict.accepted is accepted


class Recorded:
    """An engine that gives the hypotheses that it is told, one a recording."""

    def __init__(self, *hypotheses: Hypothesis) -> None:
        self.left = list(hypotheses)

    def session(self) -> Recorded:
        return self

    def accept(self, samples: np.ndarray) -> None:
        pass

    def finish(self) -> Hypothesis:
        return self.left.pop(0)


def test_no_more_speech_is_decoded_than_it_takes() -> None:
    second = np.ones(16000, dtype=np.float32)
    sure, unsure = said("a" * 25, "x" * 25), said("a" * 25)
    assert len(heard_until_sure(Recorded(*[sure] * 5), [second] * 5, nothing)) == math.ceil(ENOUGH / 25)
    assert len(heard_until_sure(Recorded(*[unsure] * 99), [second] * 99, nothing)) == judge.LONGEST_SEC
    assert len(heard_until_sure(Recorded(*[unsure] * 5), [second] * 5, nothing)) == 5


@pytest.fixture(scope="module")
def judged() -> Judged:
    from common.engines.model_folder import read_folder

    return Judged(read_folder(DEMO_MODEL))


@pytest.mark.parametrize("folder", [FAMILIAR, pytest.param(UNFAMILIAR, marks=needs_people)], ids=["known", "unknown"])
def test_int8_is_taken_and_damaged_weights_are_refused_on_voices_that_the_model_knows_and_does_not(
    judged: Judged, folder: Path
) -> None:
    """On the demo model, whose training never had a human voice."""
    audio = list(judge.recordings(folder))
    single = heard_until_sure(judged.engine(None), audio, nothing)
    verdicts = {
        name: compared(single, judge.heard(judged.engine(DAMAGES[name]), audio[: len(single)], nothing))
        for name in ("none", "3 bits", "2 bits", "1 row in 20 is 0", "last layer, 1 row in 20 is 0")
    }
    assert {name for name, verdict in verdicts.items() if verdict.accepted} == {"none"}
    assert (verdicts["none"].sure >= ENOUGH) == (folder == FAMILIAR)
