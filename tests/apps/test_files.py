"""A file is whole or it is the old one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps import files
from apps.files import DamagedFile, read_limited, sha256, sha256_file, write_atomic


@pytest.fixture
def umask() -> Iterator[None]:
    before = os.umask(0o027)
    yield
    os.umask(before)


def test_a_written_file_is_read_back_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.json"
    for content in (b"first", b"", b"second"):
        write_atomic(path, content)
        assert path.read_bytes() == content
    assert os.listdir(path.parent) == ["a.json"]


@pytest.mark.parametrize("broken", ["fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_and_no_debris(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broken: str, error: BaseException
) -> None:
    path = tmp_path / "a.json"
    write_atomic(path, b"old")

    def fail(*_: object) -> None:
        raise error

    if broken == "fsync":
        monkeypatch.setattr(files.os, "fsync", fail)
    else:
        monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(type(error)):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_the_bytes_are_on_the_disk_before_the_name_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    seen = []

    def look(descriptor: int) -> None:
        name = Path(os.readlink(f"/proc/self/fd/{descriptor}")).name
        seen.append((name == tmp_path.name, path.exists()))

    monkeypatch.setattr(files.os, "fsync", look)
    write_atomic(path, b"content")
    assert seen == [(False, False), (True, True)]


@pytest.mark.usefixtures("umask")
def test_the_users_umask_is_respected(tmp_path: Path) -> None:
    write_atomic(tmp_path / "a.json", b"content")
    assert (tmp_path / "a.json").stat().st_mode & 0o777 == 0o640


def test_a_file_beyond_the_limit_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(DamagedFile, match="holds 5 bytes; of such a file at most 4"):
        read_limited(path, 4)
    with pytest.raises(FileNotFoundError):
        read_limited(tmp_path / "missing", 5)


@pytest.mark.parametrize("content", [b"", b"abc", bytes(2**20 + 1)])
def test_checksums_agree_with_hashlib(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a").write_bytes(content)
    expected = hashlib.new("sha256", content).hexdigest()
    assert sha256(content) == sha256_file(tmp_path / "a") == expected
