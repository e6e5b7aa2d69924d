"""model.pt read without torch: the numbers that torch saved, and of a hostile or a damaged file a clear refusal."""

from __future__ import annotations

import contextlib
import io
import os
import pickle
import random
import struct
import zipfile
from collections import OrderedDict
from pathlib import Path
from typing import Any, Callable

import numpy as np
import pytest
import torch

from common.engines.checkpoint import checked_state
from common.engines.inert_pickle import loads
from common.errors import FatalError

NUMBERS = torch.arange(24, dtype=torch.float32).reshape(4, 6) / 7 - 1


def saved(path: Path, content: Any, **options: Any) -> Path:
    torch.save(content, str(path), **options)
    return path


def shapes(content: dict[str, torch.Tensor]) -> dict[str, tuple[int, ...]]:
    return {name: tuple(value.shape) for name, value in content.items()}


def refused(path: Path, wanted: dict[str, tuple[int, ...]]) -> str:
    with pytest.raises(FatalError) as error:
        dict(checked_state(path, wanted))
    assert error.value.error_code == "model_load_failed"
    assert str(path) in str(error.value)
    return str(error.value)


@pytest.fixture
def no_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is read is read by us."""

    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("torch reads it")

    monkeypatch.setattr(torch, "load", refuse)


KINDS = [
    *[torch.float32, torch.float64, torch.float16, torch.bfloat16],
    *[torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.bool],
]


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_numbers_of_every_type_are_those_that_torch_saved(tmp_path: Path, no_torch: None, kind: torch.dtype) -> None:
    tensor = (NUMBERS * 40).to(kind)
    state = checked_state(saved(tmp_path / "model.pt", {"a": tensor}), {"a": (4, 6)})
    assert state["a"].dtype == (np.float32 if kind.is_floating_point else tensor.numpy().dtype)
    np.testing.assert_array_equal(state["a"], (tensor.float() if kind.is_floating_point else tensor).numpy())


VIEWS: dict[str, torch.Tensor] = {
    "transposed": NUMBERS.t(),
    "cut": NUMBERS[1:3, 2:5],
    "every second": NUMBERS[::2, ::3],
    "one row for all": NUMBERS[:1].expand(5, 6),
    "a scalar": NUMBERS[2, 3],
    "nothing": NUMBERS[:0],
    "permuted": NUMBERS.reshape(2, 2, 6).permute(2, 0, 1),
}


@pytest.mark.parametrize("name", VIEWS)
def test_views_are_read_as_they_look(tmp_path: Path, no_torch: None, name: str) -> None:
    content = {"whole": NUMBERS, "view": VIEWS[name]}
    state = checked_state(saved(tmp_path / "model.pt", content), shapes(content))
    np.testing.assert_array_equal(state["view"], VIEWS[name].numpy())
    assert state.stored["whole"].is_plain


@pytest.mark.parametrize("key", ["state_dict", "model_state_dict", "model"])
def test_a_state_within_a_training_checkpoint_is_found(tmp_path: Path, no_torch: None, key: str) -> None:
    model = torch.nn.Linear(6, 4)
    optimizer = torch.optim.SGD(model.parameters(), 0.1).state_dict()
    state = OrderedDict((f"module.{name}", value) for name, value in model.state_dict().items())
    content = {"epoch": 3, "optimizer": optimizer, key: state, "arguments": [object, 1.5, {"a": (1,)}]}
    read = checked_state(saved(tmp_path / "model.pt", content), {"weight": (4, 6), "bias": (4,)})
    np.testing.assert_array_equal(read["weight"], model.weight.detach().numpy())


def test_parameters_are_tensors(tmp_path: Path, no_torch: None) -> None:
    path = saved(tmp_path / "model.pt", {"a": torch.nn.Parameter(NUMBERS)})
    np.testing.assert_array_equal(checked_state(path, {"a": (4, 6)})["a"], NUMBERS.numpy())


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_every_protocol_of_pickle_is_read(tmp_path: Path, no_torch: None, protocol: int) -> None:
    path = saved(tmp_path / "model.pt", OrderedDict(a=NUMBERS), pickle_protocol=protocol)
    np.testing.assert_array_equal(checked_state(path, {"a": (4, 6)})["a"], NUMBERS.numpy())


def test_what_we_do_not_read_torch_reads(tmp_path: Path) -> None:
    content = {"a": NUMBERS, "half": NUMBERS.bfloat16()}
    path = saved(tmp_path / "model.pt", content, _use_new_zipfile_serialization=False)
    state = checked_state(path, shapes(content))
    np.testing.assert_array_equal(state["a"], NUMBERS.numpy())
    np.testing.assert_array_equal(state["half"], NUMBERS.bfloat16().float().numpy())


def test_without_torch_the_error_says_what_torch_would_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "model.pt", {"a": NUMBERS}, _use_new_zipfile_serialization=False)
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert "needs torch: pip install torch" in refused(path, {"a": (4, 6)})


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("kind", [torch.float32, torch.float16, torch.bfloat16], ids=str)
def test_a_number_that_is_not_finite_is_refused_by_its_tensor_s_name(
    tmp_path: Path, value: float, kind: torch.dtype
) -> None:
    tensor = torch.ones(50, 60, dtype=kind)
    tensor[20, 30] = value
    assert "a.weight in" in refused(saved(tmp_path / "model.pt", {"a.weight": tensor}), {"a.weight": (50, 60)})


def test_large_numbers_are_not_taken_for_infinite_ones(tmp_path: Path) -> None:
    path = saved(tmp_path / "model.pt", {"a": torch.full((100,), 3e38)})
    assert checked_state(path, {"a": (100,)})["a"].max() == np.float32(3e38)


class Runs:
    """An object whose unpickling would call ``function``."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._call = (function, arguments)

    def __reduce__(self) -> Any:
        return self._call


def test_code_in_a_checkpoint_is_not_run(tmp_path: Path, no_torch: None) -> None:
    proof = tmp_path / "executed"
    hostile = [Runs(os.system, f"touch {proof}"), Runs(eval, f"open({str(proof)!r}, 'w')"), Runs(os.mkdir, str(proof))]
    content = {"a": NUMBERS, "hook": hostile, 5: Runs(exec, f"open({str(proof)!r}, 'w')")}
    np.testing.assert_array_equal(
        checked_state(saved(tmp_path / "model.pt", content), {"a": (4, 6)})["a"], NUMBERS.numpy()
    )
    assert not proof.exists()


@pytest.mark.parametrize("wrapped", [True, False])
def test_code_in_the_place_of_a_tensor_is_refused_and_not_run(tmp_path: Path, wrapped: bool) -> None:
    proof = tmp_path / "executed"
    hostile = Runs(os.system, f"touch {proof}")
    assert "damaged" in refused(saved(tmp_path / "model.pt", {"a": hostile} if wrapped else hostile), {"a": (4, 6)})
    assert not proof.exists()


@pytest.mark.parametrize("code", [b"cos\nsystem\n(S'touch %s'\ntR.", b"(S'touch %s'\nios\nsystem\n.", b"\x80\x02."])
def test_a_bare_pickle_is_refused_and_not_run(tmp_path: Path, code: bytes) -> None:
    proof = tmp_path / "executed"
    path = tmp_path / "model.pt"
    path.write_bytes(code.replace(b"%s", str(proof).encode()))
    assert "damaged" in refused(path, {"a": (4, 6)})
    assert not proof.exists()


def test_every_way_to_call_something_is_inert() -> None:
    proof = b"S'never'\n"
    for code in (
        *[b"cos\nabort\n(tR.", b"(ios\nabort\n.", b"(cos\nabort\no.", b"\x80\x02cos\nabort\n)\x81."],
        *[b"\x80\x04\x8c\x02os\x8c\x05abort\x93)R.", b"\x80\x04cos\nabort\n)}\x92.", b"\x80\x02\x82\x01."],
        *[b"cos\nabort\n" + proof + b"b.", b"Pabort\n.", b"\x80\x04\x8f(K\x01\x90.", b"\x80\x04(K\x01\x91."],
    ):
        loads(code)


def test_a_key_is_not_asked_for_its_hash() -> None:
    """This one would take longer than the universe has."""
    nested = b")" + b"2\x86" * 200
    assert loads(b"\x80\x02}" + nested + b"K\x01s.") == {}


def test_a_deep_pickle_does_not_end_the_process() -> None:
    loads(b"\x80\x02]" + b"]" * 300000 + b"a" * 300000 + b".")
    loads(b"\x80\x02)" + b"\x85" * 300000 + b".")


def rewritten(path: Path, change: Callable[[zipfile.ZipInfo, bytes], Any], method: int = zipfile.ZIP_STORED) -> Path:
    """The archive with each member as ``change`` gives it: its content, or None to leave it out."""
    source = zipfile.ZipFile(io.BytesIO(path.read_bytes()))
    with zipfile.ZipFile(path, "w", method) as target:
        for info in source.infolist():
            content = change(info, source.read(info))
            if content is not None:
                target.writestr(info.filename, content)
    return path


def with_pickle(path: Path, change: Callable[[bytes], bytes]) -> Path:
    return rewritten(path, lambda info, content: change(content) if info.filename.endswith(".pkl") else content)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    return saved(tmp_path / "model.pt", {"a": NUMBERS, "b": NUMBERS.clone()})


WANTED = {"a": (4, 6), "b": (4, 6)}


def test_what_the_tests_below_damage_is_read_when_it_is_only_written_anew(good: Path, no_torch: None) -> None:
    np.testing.assert_array_equal(
        checked_state(rewritten(good, lambda _, content: content), WANTED)["b"], NUMBERS.numpy()
    )


def test_compressed_members_are_refused(good: Path) -> None:
    assert "compressed" in refused(rewritten(good, lambda _, content: content, zipfile.ZIP_DEFLATED), WANTED)


def test_a_zip_bomb_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model/data.pkl", bytes(256 << 20))
    assert path.stat().st_size < 1 << 20
    assert "compressed" in refused(path, WANTED)


def test_a_pickle_without_end_in_sight_is_refused(good: Path) -> None:
    assert "a pickle of" in refused(with_pickle(good, lambda _: b"\x80\x02" + b"]" * (17 << 20) + b"."), WANTED)


@pytest.mark.parametrize("change", [lambda content: content[:-4], lambda content: content + bytes(4)])
def test_a_tensor_that_is_too_short_or_too_long_is_refused(good: Path, change: Callable[[bytes], bytes]) -> None:
    changed = rewritten(good, lambda info, content: change(content) if info.filename.endswith("data/1") else content)
    assert "bytes, its tensors need 96" in refused(changed, WANTED)


def test_a_storage_that_is_missing_or_there_twice_is_refused(good: Path, recwarn: pytest.WarningsRecorder) -> None:
    twice = good.with_name("twice.pt")
    twice.write_bytes(good.read_bytes())
    with zipfile.ZipFile(twice, "a") as archive:
        name = next(name for name in archive.namelist() if name.endswith("data/0"))
        archive.writestr(name, bytes(96))
    assert "same name" in refused(twice, WANTED)
    refused(rewritten(good, lambda info, content: None if info.filename.endswith("data/0") else content), WANTED)


def binint(number: int) -> bytes:
    return b"J" + struct.pack("<i", number)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"K\x04K\x06\x86", b"K\x04K\x07\x86"),  # the last row reaches over the end
        (b"K\x04K\x06\x86", b"K\x04" + binint(-6) + b"\x86"),
        (b"K\x04K\x06\x86", b"K\x04" + b"\x8a\x08" + b"\xff" * 7 + b"\x7f" + b"\x86"),  # 2 ** 63 - 1
        (b"K\x04K\x06\x86", b"K\x04G" + struct.pack(">d", 6.0) + b"\x86"),
        (b"K\x06K\x01\x86", b"K\x07K\x01\x86"),
        (b"K\x06K\x01\x86", binint(-1) + b"K\x01\x86"),
        (b"QK\x00K\x04", b"QK\x01K\x04"),
        (b"QK\x00K\x04", b"Q" + binint(-1) + b"K\x04"),
        (b"K\x18t", binint(2**31 - 1) + b"t"),
        (b"K\x18t", binint(-24) + b"t"),
    ],
)
def test_shapes_strides_and_offsets_out_of_their_storage_are_refused(good: Path, old: bytes, new: bytes) -> None:
    def change(content: bytes) -> bytes:
        plain = bytes(pickled_without_memo(content))
        assert old in plain
        return plain.replace(old, new, 1)

    refused(with_pickle(good, change), WANTED)


def pickled_without_memo(content: bytes) -> bytes:
    """The same pickle without its PUTs: torch's pickler writes one behind nearly everything."""
    import pickletools

    return pickletools.optimize(content)


def test_a_tensor_that_is_missing_or_has_another_shape_is_refused(good: Path) -> None:
    assert "c (and 0 more tensors) is missing" in refused(good, {**WANTED, "c": (1,)})
    assert "same model" in refused(good, {**WANTED, "a": (6, 4)})


@pytest.mark.parametrize("content", [[NUMBERS], NUMBERS, {"state_dict": [1]}, {"a": {"b": 1}}, {1: NUMBERS}, None])
def test_something_else_than_named_tensors_is_refused(tmp_path: Path, content: Any) -> None:
    refused(saved(tmp_path / "model.pt", content), WANTED)


def test_truncated_anywhere_it_is_refused(good: Path) -> None:
    content = good.read_bytes()
    for length in [*range(0, len(content) - 1, 37), len(content) - 1]:
        good.write_bytes(content[:length])
        refused(good, WANTED)


def test_a_file_that_shrinks_while_it_is_open_is_refused(good: Path) -> None:
    state = checked_state(good, WANTED)
    good.write_bytes(good.read_bytes()[:100])
    with pytest.raises(FatalError, match="shorter than it was"):
        dict(state)


def test_of_a_damaged_file_comes_a_refusal_or_the_right_shapes(good: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)  # torch has its own readers
    content, choose, read = good.read_bytes(), random.Random(0), 0
    for _ in range(1000):
        damaged = bytearray(content)
        for _ in range(choose.randint(1, 6)):
            damaged[choose.randrange(len(damaged))] = choose.randrange(256)
        good.write_bytes(damaged)
        try:
            state = dict(checked_state(good, WANTED))
        except FatalError as error:
            assert error.error_code == "model_load_failed"
        else:
            assert {name: value.shape for name, value in state.items()} == WANTED
            read += 1
    assert 50 < read < 950  # some of the damage is in the tensors, some is not


PYTHON_S_OWN = (ValueError, IndexError, KeyError, TypeError, AttributeError, OverflowError, struct.error)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of escapes in a damaged string
def test_of_a_damaged_pickle_comes_an_object_or_an_error_of_python_s_own(good: Path) -> None:
    whole = zipfile.ZipFile(good).read("model/data.pkl")
    choose = random.Random(1)
    for _ in range(5000):
        damaged = bytearray(whole)
        for _ in range(choose.randint(1, 8)):
            damaged[choose.randrange(len(damaged))] = choose.randrange(256)
        with contextlib.suppress(*PYTHON_S_OWN):
            loads(bytes(damaged))


def test_a_pickle_of_plain_values_is_what_pickle_reads() -> None:
    value = {"a": [1, 2.5, -3, 1 << 80, None, True, "文"], "b": (1, (2, 3), ()), 5: b"bytes", "c": {"d": []}}
    for protocol in range(6):
        if protocol > 2:  # before, bytes are a call
            assert loads(pickle.dumps(value, protocol)) == value
        assert loads(pickle.dumps(dict(value, **{"5": 1}), protocol))["b"] == value["b"]
