"""A file's hash is remembered, and made anew whenever its content may be another."""

from __future__ import annotations

import hashlib
import os
import time
from pathlib import Path

import pytest

from common.engines.openvino.cache import Cache


def hashed(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("way", ["replaced", "overwritten"])
def test_a_file_of_the_same_size_and_time_with_another_content_is_noticed(tmp_path: Path, way: str) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"first")
    before = path.stat()
    assert Cache(tmp_path, None).hash_of(path) == hashed(b"first")
    time.sleep(0.02)  # the kernel's clock for files ticks every few milliseconds
    new = tmp_path / "new" if way == "replaced" else path
    new.write_bytes(b"other")
    os.utime(new, ns=(before.st_atime_ns, before.st_mtime_ns))
    os.replace(new, path)
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)
    assert Cache(tmp_path, None).hash_of(path) == hashed(b"other")


def test_a_file_that_has_not_changed_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "model.pt"
    path.write_bytes(b"first")
    assert Cache(tmp_path, None).hash_of(path) == hashed(b"first")
    [known] = (tmp_path / "hashes").iterdir()
    known.write_text("remembered".ljust(64, "."), encoding="ascii")
    assert Cache(tmp_path, None).hash_of(path) == "remembered".ljust(64, ".")
