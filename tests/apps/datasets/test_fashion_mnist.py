"""Files are found in order, verified, fetched at need, and decoded once per machine."""

from __future__ import annotations

import gzip
import runpy
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.datasets import fashion_mnist, idx
from apps.datasets.fashion_mnist import (
    SAMPLE,
    Collection,
    cache_folder,
    load_arrays,
    survey,
)
from apps.errors import UserError
from tests.support.sample_files import (
    FULL,
    NAMES,
    SHIPPED,
    Folder,
    assert_is_sample,
    change_a_pixel,
    fetch_shipped,
    needs_full_set,
    no_fetch,
    truncate,
)

DATA = Path(fashion_mnist.__file__).parent / "data"

pytestmark = pytest.mark.usefixtures("cache")


# --------------------------------------------------------------------------------------- the files
def test_sample_is_balanced_small_and_licensed() -> None:
    arrays = idx.decode(idx.read_folder(SHIPPED, SAMPLE.files), SAMPLE.files)
    assert arrays["x_train"].shape == (2000, 28, 28)
    assert arrays["x_test"].shape == (500, 28, 28)
    assert np.bincount(arrays["y_train"]).tolist() == [200] * 10
    assert np.bincount(arrays["y_test"]).tolist() == [50] * 10
    assert sum((SHIPPED / name).stat().st_size for name in NAMES) < 1.2e6
    assert "2017 Zalando SE" in (DATA / "LICENSE").read_text()


@needs_full_set
def test_sample_is_what_its_script_makes(tmp_path: Path) -> None:
    make_sample = runpy.run_path(str(DATA / "make_sample.py"))["make_sample"]
    contents = make_sample(FULL, tmp_path)
    assert contents == {file.name: idx.read_file(SHIPPED, file) for file in SAMPLE.files.values()}


@needs_full_set
def test_full_set_is_verified_and_mapped(cache: Path) -> None:
    arrays, decoded = load_arrays(fetch=no_fetch)
    assert decoded == cache / "fashion-mnist" / "decoded"
    assert arrays["x_train"].shape == (60_000, 28, 28)
    assert np.bincount(arrays["y_train"]).tolist() == [6000] * 10
    assert np.bincount(arrays["y_test"]).tolist() == [1000] * 10
    # Mean and deviation of the training pixels as the data set's users know them.
    assert arrays["x_train"].mean() / 255 == pytest.approx(0.2860, abs=1e-4)
    assert arrays["x_train"].std() / 255 == pytest.approx(0.3530, abs=1e-4)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (truncate, "truncated|not a sound gzip file"),
        (change_a_pixel, "wrong checksum, expected SHA-256 [0-9a-f]{64} .* found [0-9a-f]{64}"),
        (lambda path: path.write_bytes(b"<html>not found</html>"), "not a sound gzip file"),
        (lambda path: path.write_bytes(b""), "truncated, unpacks to 0 bytes"),
        (lambda path: path.write_bytes(gzip.compress(bytes(10**7))), "longer than"),
    ],
)
def test_damaged_file_in_an_explicit_folder_is_named(
    folder: Folder,
    collection: Collection,
    name: str,
    damage: Callable[[Path], object],
    expected: str,
) -> None:
    path = folder("mine")
    folder("system")
    damage(path / name)
    with pytest.raises(UserError, match=expected) as caught:
        load_arrays(str(path), collection=collection, fetch=no_fetch)
    assert str(path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("cut", [1, 8, 9, 1000])
def test_every_truncation_is_noticed(folder: Folder, cut: int) -> None:
    path = folder("mine") / "t10k-labels-idx1-ubyte.gz"
    content = path.read_bytes()
    path.write_bytes(content[: max(0, len(content) - cut)])
    with pytest.raises(UserError, match="truncated"):
        idx.read_folder(path.parent, SAMPLE.files)


def test_truncated_unpacked_file_is_noticed(tmp_path: Path, folder: Folder) -> None:
    path = folder("mine") / "t10k-labels-idx1-ubyte"
    path.write_bytes(gzip.decompress((SHIPPED / f"{path.name}.gz").read_bytes())[:-1])
    path.with_suffix(".gz").unlink()
    with pytest.raises(UserError, match="truncated, unpacks to 507 bytes where 508 are expected"):
        idx.read_folder(path.parent, SAMPLE.files)


def test_files_may_be_unpacked_or_packed_otherwise(folder: Folder, collection: Collection) -> None:
    path = folder("mine")
    for name in NAMES[:2]:
        (path / name).with_suffix("").write_bytes(gzip.decompress((path / name).read_bytes()))
        (path / name).unlink()
    for name in NAMES[2:]:
        (path / name).write_bytes(gzip.compress(gzip.decompress((path / name).read_bytes()), 1))
    arrays, _ = load_arrays(str(path), collection=collection, fetch=no_fetch)
    assert_is_sample(arrays)


# --------------------------------------------------------------------------------- where they are
def test_explicit_folder_ends_the_search(folder: Folder, collection: Collection) -> None:
    path = folder("mine")
    folder("system")
    (path / NAMES[1]).unlink()
    with pytest.raises(UserError, match=r"data\.folder: .*mine: missing train-labels-idx1-ubyte"):
        load_arrays(str(path), collection=collection, fetch=fetch_shipped)
    with pytest.raises(UserError, match="nowhere: there is no such folder"):
        load_arrays(str(path.with_name("nowhere")), collection=collection, fetch=fetch_shipped)
    with pytest.raises(
        UserError, match=rf"data\.folder: .*{NAMES[0]}: this is a file; name the fo"
    ):
        load_arrays(str(path / NAMES[0]), collection=collection, fetch=fetch_shipped)


def test_explicit_folder_is_verified_although_decoded(
    folder: Folder, collection: Collection
) -> None:
    path = folder("mine")
    load_arrays(str(path), collection=collection, fetch=no_fetch)
    change_a_pixel(path / NAMES[0])
    with pytest.raises(UserError, match="wrong checksum"):
        load_arrays(str(path), verify=True, collection=collection, fetch=no_fetch)
    assert_is_sample(load_arrays(str(path), collection=collection, fetch=no_fetch)[0])


@pytest.mark.parametrize("place", ["cache/tiny", "system", "local"])
def test_each_place_is_searched(folder: Folder, collection: Collection, place: str) -> None:
    folder(place)
    arrays, _ = load_arrays(collection=collection, fetch=no_fetch)
    assert_is_sample(arrays)


def test_damaged_place_is_passed_over_with_a_warning(
    folder: Folder, collection: Collection, caplog: pytest.LogCaptureFixture
) -> None:
    truncate(folder("cache/tiny") / NAMES[0])
    folder("system")
    assert_is_sample(load_arrays(collection=collection, fetch=no_fetch)[0])
    assert NAMES[0] in caplog.text


def test_download_is_verified_and_kept(cache: Path, collection: Collection) -> None:
    arrays, _ = load_arrays(collection=collection, fetch=fetch_shipped)
    assert_is_sample(arrays)
    for name in NAMES:
        assert (cache / "tiny" / name).read_bytes() == (SHIPPED / name).read_bytes()
        assert (cache / "tiny" / name).stat().st_mode & 0o777 == 0o644


def test_download_replaces_only_what_is_damaged(
    cache: Path, folder: Folder, collection: Collection
) -> None:
    truncate(folder("cache/tiny") / NAMES[2])
    fetched = []

    def fetch(url: str, path: str, _: Any) -> None:
        fetched.append(url)
        fetch_shipped(url, path, _)

    assert_is_sample(load_arrays(collection=collection, fetch=fetch)[0])
    assert fetched == [f"http://data.invalid/{NAMES[2]}"]


def test_download_of_something_else_is_refused_and_not_kept(
    cache: Path, collection: Collection
) -> None:
    def portal(url: str, path: str, _: Any) -> None:
        Path(path).write_bytes(b"<html>log in</html>")

    with pytest.raises(UserError, match=r"download: http://data\.invalid/train-images.*MD5 hash"):
        load_arrays(collection=collection, fetch=portal)
    assert {path.name for path in (cache / "tiny").iterdir()} == {"decoded", ".lock"}


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path == "/broken":
            self.wfile.write(b"not HTTP\r\n")
            return
        self.send_response(200 if self.path == "/file" else 404)
        self.end_headers()
        self.wfile.write(b"0123456789")

    def log_message(self, *args: object) -> None:
        """Say nothing."""


def test_download_writes_the_answer_or_raises_an_os_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def download(url: str) -> bytes:
        fashion_mnist.download(url, str(tmp_path / "answer"), None)
        return (tmp_path / "answer").read_bytes()

    monkeypatch.setenv("no_proxy", "*")
    with ThreadingHTTPServer(("127.0.0.1", 0), _Handler) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}"
        try:
            assert download(f"{url}/file") == b"0123456789"
            with pytest.raises(OSError, match="404"):
                download(f"{url}/other")
            with pytest.raises(OSError, match="BadStatusLine"):
                download(f"{url}/broken")
        finally:
            server.shutdown()
    with pytest.raises(OSError, match=r"no connection .*refused") as caught:
        download(f"{url}/file")
    assert "\n" not in str(caught.value)
    assert "Max retries" not in str(caught.value)


def test_when_nothing_works_every_place_and_remedy_is_named(
    tmp_path: Path, folder: Folder, collection: Collection
) -> None:
    truncate(folder("system") / NAMES[3])
    with pytest.raises(UserError) as caught:
        load_arrays(collection=collection, fetch=no_fetch)
    first, cache_line, system, local, net, help_line = str(caught.value).splitlines()
    assert first == "tiny is in none of the places tried:"
    assert f"{tmp_path / 'cache' / 'tiny'}: none of the 4 files is there" in cache_line
    assert f"{tmp_path / 'system' / NAMES[3]}: truncated" in system
    assert f"{tmp_path / 'local'}: there is no such folder" in local
    assert "http://data.invalid/train-images-idx3-ubyte.gz" in net
    assert "no network in tests" in net
    assert "apt-get install dataset-tiny" in help_line
    assert str(tmp_path / "cache" / "tiny") in help_line
    assert "data.folder" in help_line


def test_survey_tells_each_place_and_writes_nothing(
    cache: Path, folder: Folder, collection: Collection
) -> None:
    path = folder("local")
    states = dict(survey(collection=collection))
    assert list(states) == [cache / "tiny", path.with_name("system"), path]
    assert states[path] is None
    assert states[cache / "tiny"] == f"{cache / 'tiny'}: there is no such folder"
    assert not cache.exists()
    assert survey(str(path), collection) == [(path, None)]


def test_cache_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HETEROSIS_DATA", "/data/own")
    assert cache_folder() == Path("/data/own")
    monkeypatch.delenv("HETEROSIS_DATA")
    monkeypatch.setenv("XDG_CACHE_HOME", "/xdg")
    assert cache_folder() == Path("/xdg/heterosis")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", "/home/user")
    assert cache_folder() == Path("/home/user/.cache/heterosis")
