"""The tensors of a ``model.pt`` as numpy arrays, without torch: a zip with a pickle in it, and a file for each storage.

Nothing in it is executed (see inert_pickle). A file that only torch can read, such as one in its format from before
2020, is read by torch with ``weights_only``, if torch is installed.
"""

from __future__ import annotations

import importlib.util
import math
import reprlib
import struct
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping

import numpy as np

from common.engines.inert_pickle import Call, Global, Persistent, loads
from common.engines.model_folder import AGAIN, failed

TYPES = {  # of the numbers in a storage; bfloat16 is the upper half of a float32
    **{"Float": "<f4", "Double": "<f8", "Half": "<f2", "BFloat16": "<u2", "Bool": "?"},
    **{"Long": "<i8", "Int": "<i4", "Short": "<i2", "Char": "<i1", "Byte": "<u1"},
}
STORAGES = {f"torch {name}Storage": kind for name, kind in TYPES.items()}
LOCAL_HEADER = struct.Struct("<4s22xHH")  # signature, lengths of the name and of the extra field
TOGETHER = "model.pt, config.yaml and tokens.json must come from the same model: "


class ForTorch(ValueError):
    """A checkpoint that may be sound, but that we leave to torch to read."""


@dataclass(frozen=True)
class Stored:
    """Where a tensor lies: ``offset`` in bytes from the file's beginning, ``strides`` in numbers. It ends within its
    storage."""

    kind: str
    bfloat16: bool
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    @property
    def span(self) -> int:
        """How many numbers lie between its first and its last, both included."""
        return _span(self.shape, self.strides)

    @property
    def is_plain(self) -> bool:
        """float32, row after row, and placed so that a library may map the file."""
        return self.kind == "<f4" and self.offset % 4 == 0 and self.strides == _row_by_row(self.shape)


class Checkpoint(Mapping[str, np.ndarray]):
    """The wanted tensors of a file, each read when it is asked for and checked: a number that is not finite is a
    FatalError ``model_load_failed``. Floating-point numbers come as float32."""

    def __init__(self, path: Path, tensors: Mapping[str, Stored | np.ndarray]) -> None:
        self.path = path
        self.stored = tensors

    def __getitem__(self, name: str) -> np.ndarray:
        stored = self.stored[name]
        try:
            array = self._read(stored) if isinstance(stored, Stored) else stored
        except (OSError, ValueError) as error:
            raise _damaged(self.path, error) from error
        if array.dtype.kind == "f":
            array = array.astype(np.float32, copy=False)
            # A sum is twice as fast as a look at every number; it is not finite if one of them is not.
            with np.errstate(all="ignore"):
                if not np.isfinite(array.sum()) and not np.isfinite(array).all():
                    raise failed(ValueError(f"{name} in {self.path} holds numbers that are not finite"))
        return array

    def __iter__(self) -> Iterator[str]:
        return iter(self.stored)

    def __len__(self) -> int:
        return len(self.stored)

    def check(self) -> None:
        """Read every tensor. Raises FatalError ``model_load_failed``."""
        for _ in self.values():
            pass

    def _read(self, stored: Stored) -> np.ndarray:
        numbers = np.empty(stored.span, stored.kind)
        with self.path.open("rb") as file:
            file.seek(stored.offset)
            if file.readinto(numbers.view(np.uint8).data) != numbers.nbytes:
                raise ValueError("it is shorter than it was")
        if stored.bfloat16:
            numbers = (numbers.astype(np.uint32) << 16).view(np.float32)
        strides = tuple(stride * numbers.itemsize for stride in stored.strides)
        return np.ascontiguousarray(np.lib.stride_tricks.as_strided(numbers, stored.shape, strides))


def checked_state(path: Path, wanted: Mapping[str, tuple[int, ...]]) -> Checkpoint:
    """The tensors of these names and shapes, which must all be there: FunASR's own loader goes on with random weights
    where one is missing or has another shape.

    Raises FatalError ``model_load_failed``.
    """
    found: Mapping[str, Stored | np.ndarray]
    try:
        found = _tensors(path, wanted)
    except ForTorch as error:
        found = _by_torch(path, error)
    except Exception as error:  # a damaged zip or pickle raises nearly anything
        raise _damaged(path, error) from error
    wrong = [name for name, shape in wanted.items() if name not in found or tuple(found[name].shape) != tuple(shape)]
    if wrong:
        what = "is missing or has another shape in"
        raise failed(ValueError(f"{wrong[0]} (and {len(wrong) - 1} more tensors) {what} {path}"), TOGETHER + AGAIN)
    return Checkpoint(path, {name: found[name] for name in wanted})


def _damaged(path: Path, error: Exception) -> Exception:
    return failed(ValueError(f"{path} is damaged or not a checkpoint: {error}"))


def _tensors(path: Path, wanted: Mapping[str, Any]) -> dict[str, Stored]:
    """Those of the wanted tensors that the file holds. Raises ForTorch, or anything at all for a damaged file."""
    with path.open("rb") as file:
        if file.read(4) != b"PK\x03\x04":
            raise ForTorch("it is not a zip archive")
        with zipfile.ZipFile(file) as archive:
            members = {info.filename: info for info in archive.infolist()}
            if len(members) != len(archive.infolist()):
                raise ValueError("two members have the same name")
            [pickle] = [name for name in members if name.count("/") <= 1 and name.rsplit("/")[-1] == "data.pkl"]
            folder = pickle[: -len("data.pkl")]
            order = members.get(f"{folder}byteorder")
            if order is not None and _content(archive, order, 16) != b"little":
                raise ForTorch("its byte order is not little")
            state = _state(loads(_content(archive, members[pickle], members[pickle].file_size)))
        size = path.stat().st_size

        def place(key: str, nbytes: int) -> int:
            return _place(file, size, members[f"{folder}data/{key}"], nbytes)

        return {name: _stored(name, state[name], place) for name in wanted if name in state}


def _content(archive: zipfile.ZipFile, info: zipfile.ZipInfo, longest: int) -> bytes:
    if info.compress_type != zipfile.ZIP_STORED or info.file_size > min(longest, info.compress_size):
        raise ValueError(f"{info.filename} is compressed or too long")
    return archive.read(info)


def _state(content: Any) -> dict[str, Any]:
    """The dict of tensors by name; training tools wrap it in another, or begin every name with ``module.``."""
    for key in ("state_dict", "model_state_dict", "model"):
        if isinstance(content, dict) and isinstance(content.get(key), dict):
            content = content[key]
    if not isinstance(content, dict):
        raise ForTorch("it holds no tensors by name")
    names = {name: value for name, value in content.items() if isinstance(name, str)}
    return {name[7:] if name.startswith("module.") else name: value for name, value in names.items()}


def _stored(name: str, value: Any, place: Callable[[str, int], int]) -> Stored:
    """``value`` as torch._utils._rebuild_tensor_v2(storage, offset, size, stride, ...) describes it."""
    if isinstance(value, Call) and value.name == "torch._utils _rebuild_parameter":
        value = value.arguments[0]
    if not isinstance(value, Call) or value.name != "torch._utils _rebuild_tensor_v2":
        raise ForTorch(f"{name} is not a plain tensor")
    storage, first, shape, strides = value.arguments[:4]
    if not isinstance(storage, Persistent):
        raise ValueError(f"{name} has no storage")
    _, kind, key, _, count = storage.name
    if not isinstance(kind, Global) or kind.name not in STORAGES:
        raise ForTorch(f"{name} holds numbers of another type")
    numbers = [count, first, *shape, *strides]
    if len(shape) != len(strides) or len(shape) > 8 or not all(type(n) is int and 0 <= n < 1 << 48 for n in numbers):
        raise ValueError(f"{name} has the shape {reprlib.repr(shape)} with the strides {reprlib.repr(strides)}")
    item = np.dtype(STORAGES[kind.name]).itemsize
    if first + _span(shape, strides) > count:
        raise ValueError(f"{name} reaches over the end of its storage")
    offset = place(str(key), count * item) + first * item
    return Stored(STORAGES[kind.name], kind.name.endswith("BFloat16Storage"), offset, tuple(shape), tuple(strides))


def _place(file: Any, size: int, info: zipfile.ZipInfo, nbytes: int) -> int:
    """Where the content of a member begins; it must be ``nbytes`` long, not compressed and not encrypted."""
    if info.compress_type != zipfile.ZIP_STORED or info.flag_bits & 1 or info.file_size != info.compress_size:
        raise ValueError(f"{info.filename} is compressed or encrypted")
    if info.file_size != nbytes:
        raise ValueError(f"{info.filename} holds {info.file_size} bytes, its tensors need {nbytes}")
    file.seek(info.header_offset)
    signature, name, extra = LOCAL_HEADER.unpack(file.read(LOCAL_HEADER.size))
    begin = int(info.header_offset + LOCAL_HEADER.size + name + extra)
    if signature != b"PK\x03\x04" or begin + nbytes > size:
        raise ValueError(f"{info.filename} is not where the archive says")
    return begin


def _span(shape: tuple[int, ...], strides: tuple[int, ...]) -> int:
    if 0 in shape:
        return 0
    return 1 + sum((count - 1) * stride for count, stride in zip(shape, strides))


def _row_by_row(shape: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(math.prod(shape[place + 1 :]) for place in range(len(shape)))


def _by_torch(path: Path, reason: ForTorch) -> dict[str, np.ndarray]:
    if importlib.util.find_spec("torch") is None:
        raise failed(
            ValueError(f"{path} is damaged or not a checkpoint: {reason}"),
            f"{AGAIN}; a file in torch's old format needs torch: pip install torch",
        ) from reason
    try:
        import torch

        state = _state(torch.load(str(path), map_location="cpu", weights_only=True))
        tensors = {name: value.detach() for name, value in state.items() if isinstance(value, torch.Tensor)}
        return {
            name: (value.float() if value.is_floating_point() else value).numpy() for name, value in tensors.items()
        }
    except Exception as error:  # pickled code, foreign formats, a broken torch: each has its own type
        raise _damaged(path, error) from error
