"""What is prepared is kept once, for whoever comes next; and whatever is wrong with the cache, the engine decodes."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable

import pytest

from common.engines.cache_folder import SHARED, cache_root, remove_unfinished
from common.engines.openvino import cache as cache_module
from common.engines.openvino.cache import BUILDING, Cache, entry_of
from common.settings.flags import DEMO_MODEL
from common.settings.services import StreamingConfig
from tests.audio import ROOT
from tests.process.spawned import command, environment

needs_no_root = pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
needs_openvino = pytest.mark.skipif(sys.version_info < (3, 10), reason="OpenVINO needs Python 3.10 or newer")
CONFIG = StreamingConfig(model_dir=str(DEMO_MODEL), device="cpu", threads=1, engine="openvino", precision="int8")
HOLDS = """
import sys, time
sys.path.insert(0, sys.argv[1])
from pathlib import Path
from common.engines.openvino.cache import Cache
with Cache(Path(sys.argv[2]), None).alone(lambda: None):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return cache_root()


def writes(content: bytes = b"content") -> Callable[[Path], dict[str, Any]]:
    def make(folder: Path) -> dict[str, Any]:
        (folder / "file").write_bytes(content)
        return {"what": "a test"}

    return make


def never(_: Path) -> dict[str, Any]:
    raise AssertionError("made again")


def left_over(own: Path) -> list[Path]:
    return [path for path in own.iterdir() if path.name.startswith(BUILDING)]


def test_an_entry_is_made_once_and_found_again(own: Path) -> None:
    cache = Cache.of_the_user()
    folder = cache.made("key", writes())
    assert folder == own / "key"
    assert Cache.of_the_user().made("key", never) == folder
    assert (entry_of(folder) or {})["what"] == "a test"
    assert left_over(own) == []


def test_the_cache_is_for_the_user_alone(own: Path) -> None:
    assert own.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("entry", ["", "[]", "{}", '{"files": 5}', '{"files": {"file": "7"}}', '{"files": {"no": 1}}'])
def test_an_entry_that_is_not_whole_is_made_again(own: Path, entry: str) -> None:
    cache = Cache.of_the_user()
    folder = cache.made("key", writes())
    assert folder is not None
    (folder / "entry.json").write_text(entry)
    assert cache.find("key") is None
    assert cache.made("key", writes(b"new")) == folder
    assert (folder / "file").read_bytes() == b"new"


def test_what_fails_while_it_is_made_leaves_nothing(own: Path) -> None:
    def fails(folder: Path) -> dict[str, Any]:
        writes()(folder)
        raise KeyError("on the way")

    with pytest.raises(KeyError):
        Cache.of_the_user().made("key", fails)
    assert [path.name for path in own.iterdir()] == []


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.EIO, errno.EDQUOT])
def test_a_cache_that_cannot_be_filled_is_one_warning_and_nothing_is_kept(
    own: Path, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    def fails(folder: Path) -> dict[str, Any]:
        writes()(folder)
        raise OSError(code, os.strerror(code))

    cache = Cache.of_the_user()
    assert cache.made("key", fails) is None
    assert cache.made("other", never) is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert os.strerror(code) in caplog.text
    assert left_over(own) == []


def no_home(patch: pytest.MonkeyPatch, _: Path) -> None:
    def nobody() -> Path:
        raise RuntimeError("Could not determine home directory.")

    patch.delenv("XDG_CACHE_HOME", raising=False)
    patch.setattr(Path, "home", nobody)


def a_file(patch: pytest.MonkeyPatch, folder: Path) -> None:
    (folder / "file").write_bytes(b"")
    patch.setenv("XDG_CACHE_HOME", str(folder / "file"))


def not_there(patch: pytest.MonkeyPatch, _: Path) -> None:
    patch.setenv("XDG_CACHE_HOME", "/proc/no/such/folder")


def not_writable(patch: pytest.MonkeyPatch, folder: Path) -> None:
    patch.setenv("XDG_CACHE_HOME", str(folder))
    patch.setattr(os, "access", lambda *_: False)


@pytest.mark.parametrize("home", [no_home, a_file, not_there, not_writable])
def test_a_cache_that_cannot_be_made_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, home: Callable[..., None]
) -> None:
    with monkeypatch.context() as patch:
        home(patch, tmp_path)
        cache = Cache.of_the_user()
    assert cache.own is None
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert "XDG_CACHE_HOME" in caplog.text
    with cache.alone(None) as is_alone:
        assert is_alone
    assert cache.made("key", never) is None
    assert len(cache.hash_of(ROOT / "LICENSE")) == 64


@needs_openvino
@pytest.mark.parametrize("precision", ["auto", "int8", "float32"])
def test_without_a_cache_the_engine_decodes_the_same(
    own: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, precision: str
) -> None:
    from dataclasses import replace

    from tests.engines.test_openvino import text_of

    wanted = text_of(CONFIG)
    monkeypatch.setattr("common.engines.openvino.judge.LONGEST_SEC", 5.0)
    no_home(monkeypatch, own)
    assert text_of(replace(CONFIG, precision=precision)) == wanted
    assert caplog.text.count("nothing can be kept") == 1


@needs_openvino
@pytest.mark.parametrize("room", [0, 100_000, 3_000_000])
def test_on_a_full_disk_the_engine_decodes_the_same(
    own: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, room: int
) -> None:
    from common.engines.openvino import graphs, weights
    from tests.engines.test_openvino import text_of

    written = 0

    def counts(size: int) -> None:
        nonlocal written
        written += size
        if written > room:
            raise OSError(errno.ENOSPC, "No space left on device")

    real = weights.write, graphs.export

    def write(checkpoint: Any, places: Any, file: Any, done: Any) -> None:
        if hasattr(file, "fileno") and not hasattr(file, "getbuffer"):
            counts(sum(place.nbytes for place in places.values()))
        real[0](checkpoint, places, file, done)

    def export(graph: Any, path: Path) -> None:
        real[1](graph, path)
        counts(path.stat().st_size)

    monkeypatch.setattr(weights, "write", write)
    monkeypatch.setattr(graphs, "export", export)
    assert len(text_of(CONFIG)) > 3
    assert caplog.text.count("nothing can be kept") == 1
    assert left_over(own) == []


def test_what_was_used_longest_ago_goes_first(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = Cache.of_the_user()
    for number in range(4):
        folder = cache.made(str(number), writes(bytes(1000)))
        assert folder is not None
        os.utime(folder, (time.time() - 8000 + number, time.time() - 8000 + number))
    monkeypatch.setattr(cache_module, "LARGEST", 2500)
    cache.find("0")  # used now
    cache.made("new", writes(bytes(1000)))
    assert sorted(folder.name for _, folder, _ in cache.entries()) == ["0", "new"]


def test_what_was_used_within_the_hour_stays_however_large(own: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_module, "LARGEST", 10)
    cache = Cache.of_the_user()
    for name in "ab":
        cache.made(name, writes(bytes(1000)))
    assert len(cache.entries()) == 2


def test_what_a_killed_process_has_left_is_swept_at_the_next_start(own: Path) -> None:
    (own / f"{BUILDING}killed").mkdir()
    (own / f"{BUILDING}killed" / "weights.bin").write_bytes(bytes(1000))
    Cache.of_the_user()
    assert left_over(own) == []


def test_what_a_living_process_is_making_is_not_swept(own: Path) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLDS, str(ROOT), str(own)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    (own / f"{BUILDING}alive").mkdir()
    Cache.of_the_user()
    assert len(left_over(own)) == 1
    waits: list[int] = []
    with Cache(own, None).alone(None) as is_alone:
        assert not is_alone

    def kill() -> None:
        waits.append(1)
        holder.kill()
        holder.wait()

    with Cache.of_the_user().alone(kill) as is_alone:  # a dead holder's lock is nobody's
        assert is_alone
    assert waits == [1]
    assert left_over(own) == []


def test_what_is_unfinished_is_removed_by_whoever_ends_the_process(own: Path) -> None:
    def make(folder: Path) -> dict[str, Any]:
        writes()(folder)
        remove_unfinished()
        assert left_over(own) == []
        (folder / "more").write_bytes(b"")
        return {}

    cache = Cache.of_the_user()
    assert cache.made("key", make) is None
    assert left_over(own) == []


def test_an_entry_in_the_shared_folder_is_found_and_never_written_to(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared = tmp_path / "shared"
    Cache(shared, None).made("key", writes()) if shared.mkdir() is None else None
    before = sorted(path for path in shared.rglob("*"))
    monkeypatch.setenv(SHARED, str(shared))
    cache = Cache.of_the_user()
    assert cache.made("key", never) == shared / "key"
    assert cache.made("other", writes()) == own / "other"
    cache.drop("key")
    assert sorted(path for path in shared.rglob("*")) == before


def test_a_file_that_was_replaced_with_one_of_the_same_size_and_time_is_hashed_anew(own: Path, tmp_path: Path) -> None:
    cache = Cache.of_the_user()
    path, other = tmp_path / "model.pt", tmp_path / "other.pt"
    path.write_bytes(b"a" * 1000)
    first, state = cache.hash_of(path), path.stat()
    other.write_bytes(b"b" * 1000)
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    os.replace(other, path)
    replaced = cache.hash_of(path)
    path.write_bytes(b"c" * 1000)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert len({first, replaced, cache.hash_of(path)}) == 3


def test_a_hash_is_remembered_and_a_damaged_memory_of_it_is_not_believed(
    own: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache, path = Cache.of_the_user(), tmp_path / "model.pt"
    path.write_bytes(b"a" * 1000)
    wanted = cache.hash_of(path)
    [note] = (own / "hashes").iterdir()
    for damage in (b"", b"abc", b"\xff" * 64):
        note.write_bytes(damage)
        assert cache.hash_of(path) == wanted
    monkeypatch.setattr("hashlib.sha256", hashlib_sha256_of_small_things_only)
    assert cache.hash_of(path) == wanted


def hashlib_sha256_of_small_things_only(content: bytes = b"large") -> Any:
    import _hashlib

    assert content != b"large", "the file is read again"
    return _hashlib.openssl_sha256(content)


@needs_openvino
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_while_it_prepares_leaves_nothing_at_the_latest_when_it_starts_again(
    own: Path, tmp_path: Path, number: signal.Signals
) -> None:
    slow = tmp_path / "slow"
    slow.mkdir()
    (slow / "sitecustomize.py").write_text(
        f"import sys, time\nsys.path.insert(0, {str(ROOT)!r})\n"
        "import common.engines.openvino.weights as weights\nreal = weights.write\n"
        "def write(*arguments):\n    real(*arguments)\n    print('writing', file=sys.stderr, flush=True)\n"
        "    time.sleep(600)\nweights.write = write\n"
    )
    process = subprocess.Popen(
        command("asr_service", "--demo", "--input", "-", "--device", "cpu"),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(XDG_CACHE_HOME=str(tmp_path), PYTHONPATH=str(slow)),
    )
    assert process.stderr is not None
    while b"writing" not in process.stderr.readline():
        assert process.poll() is None
    assert len(left_over(own)) == 1
    process.send_signal(number)
    process.communicate()
    if number != signal.SIGKILL:
        assert left_over(own) == []
    Cache(own, None)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path))
        Cache.of_the_user()
    assert left_over(own) == []
    assert json.dumps([str(path) for path in own.glob("*/weights.bin")]) == "[]"
