"""Fashion-MNIST: found or downloaded, verified, decoded once per machine.

SHA-256 is of the unpacked files: one set of them holds for the official download, for Debian's
package (which repacked them) and for files that somebody unpacked. What is downloaded is checked
before by pooch, with the MD5 sums of the packed files that the data set's README lists; with the
official gzip headers restored, Debian's files have them, too.

Reference:
    Xiao, Rasul, Vollgraf: Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine Learning
    Algorithms. 2017. arXiv:1708.07747. Copyright 2017 Zalando SE, MIT licence.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Final

from filelock import FileLock, Timeout

from apps.datasets import idx
from apps.datasets.idx import Arrays, IdxFile
from apps.errors import UserError

Fetch = Callable[[str, str, Any], None]
"""One of pooch's downloaders: writes what a URL answers to a path; OSError when it cannot."""

CONNECT_TIMEOUT_S: Final = 5.0
LOCK_TIMEOUT_S: Final = 600.0

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Collection:
    """The four files of a data set, and where they may be.

    Attributes:
        name: the subfolder of the user's cache.
        files: by array: `x_train`, `y_train`, `x_test`, `y_test`.
        folders: system folders to search.
        url: where they are downloaded from; None for nowhere.
        packed: by name, the MD5 of the files as they are downloaded.
    """

    name: str
    files: dict[str, IdxFile]
    folders: tuple[Path, ...] = ()
    url: str | None = None
    packed: Mapping[str, str] = field(default_factory=dict)


FASHION_MNIST: Final = Collection(
    name="fashion-mnist",
    files={
        "x_train": IdxFile(
            "train-images-idx3-ubyte",
            (60_000, 28, 28),
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        ),
        "y_train": IdxFile(
            "train-labels-idx1-ubyte",
            (60_000,),
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        ),
        "x_test": IdxFile(
            "t10k-images-idx3-ubyte",
            (10_000, 28, 28),
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        ),
        "y_test": IdxFile(
            "t10k-labels-idx1-ubyte",
            (10_000,),
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    },
    folders=(
        Path("/usr/share/datasets/fashion-mnist"),
        Path("/usr/local/share/datasets/fashion-mnist"),
    ),
    url="http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    packed={
        "train-images-idx3-ubyte.gz": "8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "25c81989df183df01b3e8a0aad5dffbe",
        "t10k-images-idx3-ubyte.gz": "bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "bb300cfdad3c16e7a12a480ee83cd310",
    },
)

SAMPLE: Final = Collection(
    name="fashion-mnist-sample",
    files={
        "x_train": IdxFile(
            "train-images-idx3-ubyte",
            (2_000, 28, 28),
            "a724cd72799a6b1c3a81c4263865a75a73bb6473673b3394e34adf222930f19e",
        ),
        "y_train": IdxFile(
            "train-labels-idx1-ubyte",
            (2_000,),
            "4738fd437c0f8d6498ae7f6f5c86f1cc3c878d4116ff169fc5635bd6847899cc",
        ),
        "x_test": IdxFile(
            "t10k-images-idx3-ubyte",
            (500, 28, 28),
            "8fdf02ada67d92f4db5ba3c2f6c5b1cc6186ba6e0efd4914661e4389e103b81e",
        ),
        "y_test": IdxFile(
            "t10k-labels-idx1-ubyte",
            (500,),
            "9c71808b3a0ebfc091442c0009a7aa35be2d9622bf6aaf6891ce9a0088e96c07",
        ),
    },
    folders=(Path(__file__).parent / "data" / "fashion-mnist-sample",),
)


def cache_folder() -> Path:
    """Return the user's data folder: `HETEROSIS_DATA`, or `heterosis` in the user's cache.

    A user without a home directory has one among the temporary files.
    """
    if own := os.environ.get("HETEROSIS_DATA"):
        return Path(own).expanduser().absolute()
    if base := os.environ.get("XDG_CACHE_HOME"):
        return Path(base) / "heterosis"
    home = os.path.expanduser("~")
    if home == "~":  # neither HOME nor an entry in passwd, as in a container
        return Path(gettempdir()) / f"heterosis-{os.getuid()}"
    return Path(home) / ".cache" / "heterosis"


def decoded_folder(collection: Collection = FASHION_MNIST) -> Path:
    """Return the folder of the decoded arrays."""
    return cache_folder() / collection.name / "decoded"


def download(url: str, path: str, _: Any) -> None:
    """Write what `url` answers to `path`, as one of pooch's downloaders.

    Raises:
        OSError: no connection, no answer, or an answer other than success.
    """
    import pooch

    try:
        pooch.HTTPDownloader(timeout=CONNECT_TIMEOUT_S)(url, path, None)
    except OSError as error:
        # Without a connection the text repeats host, port and path, and what was tried.
        reason = getattr(next(iter(error.args), None), "reason", None)
        if reason is None:
            raise
        raise OSError(f"no connection ({reason})") from error


def load_arrays(
    folder: str | None = None,
    *,
    verify: bool = False,
    fetch: Fetch = download,
    collection: Collection = FASHION_MNIST,
) -> tuple[Arrays, Path | None]:
    """Return the four arrays (uint8, read-only), decoding them when this machine has not yet.

    Args:
        folder: the one folder to take the files from; None to search.
        verify: check the files in `folder` even when the arrays are decoded already.
        fetch: downloads.
        collection: which data set.

    Returns:
        `x_train` [n, 28, 28], `y_train` [n], `x_test`, `y_test`; and the folder that they are
        mapped from, or None when it cannot be written and they are in this process's memory.

    Raises:
        UserError: no place has the files, or one in `folder` is missing or damaged.
    """
    contents = _read_explicit(folder, collection) if folder is not None and verify else None
    decoded = decoded_folder(collection)
    if (arrays := idx.mapped(decoded, collection.files)) is not None:
        return arrays, decoded
    lock = decoded.parent / ".lock"
    try:
        decoded.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=LOCK_TIMEOUT_S):
            if (arrays := idx.mapped(decoded, collection.files)) is None:
                contents = contents or _read(folder, fetch, collection)
                idx.store(decoded, idx.decode(contents, collection.files))
                arrays = idx.mapped(decoded, collection.files)
        if arrays is not None:
            return arrays, decoded
        reason = "what was written does not read back"
    except Timeout as error:
        raise UserError(
            f"another process has been decoding {collection.name} for {LOCK_TIMEOUT_S:.0f} s (it"
            f" holds {lock}); end it, or set HETEROSIS_DATA to another folder",
            code="data-busy",
        ) from error
    except OSError as error:
        reason = idx.told(error)
    _LOG.warning(
        "%s cannot hold the decoded data (%s), so each process decodes its own; set"
        " HETEROSIS_DATA to a writable folder",
        decoded,
        reason,
    )
    contents = contents or _read(folder, fetch, collection)
    return idx.decode(contents, collection.files), None


def survey(
    folder: str | None = None, collection: Collection = FASHION_MNIST
) -> list[tuple[Path, str | None]]:
    """Return every place that is searched for the files, in order; nothing is downloaded.

    Args:
        folder: the explicit folder, then the only place.
        collection: which data set.

    Returns:
        Each place with None when its files are all there and verified, or what is wrong.
    """
    states: list[tuple[Path, str | None]] = []
    for place in (Path(folder),) if folder is not None else _places(collection):
        try:
            idx.read_folder(place, collection.files)
            states.append((place, None))
        except UserError as error:
            states.append((place, str(error)))
    return states


def what_to_do(collection: Collection = FASHION_MNIST) -> str:
    """Return the ways to get the files onto a machine."""
    names = " ".join(f"{file.name}.gz" for file in collection.files.values())
    return (
        f"What helps: apt-get install dataset-{collection.name} (Debian, Ubuntu); or copy {names}"
        f" from {collection.url} into {cache_folder() / collection.name}; or name the folder that"
        " holds them as data.folder"
    )


def _places(collection: Collection) -> tuple[Path, ...]:
    return (cache_folder() / collection.name, *collection.folders)


def _read_explicit(folder: str, collection: Collection) -> dict[str, bytes]:
    try:
        return idx.read_folder(Path(folder), collection.files)
    except UserError as error:
        raise UserError(f"data.folder: {error}", code=error.code) from error


def _read(folder: str | None, fetch: Fetch, collection: Collection) -> dict[str, bytes]:
    """Return the contents from the first place that has them."""
    if folder is not None:
        return _read_explicit(folder, collection)
    tried = []
    for place in _places(collection):
        try:
            return idx.read_folder(place, collection.files)
        except UserError as error:
            tried.append(str(error))
            if any(idx.find(place, file) for file in collection.files.values()):
                _LOG.warning("%s; looking further", error)
    try:
        return {key: _fetched(file, fetch, collection) for key, file in collection.files.items()}
    except (UserError, OSError) as error:
        tried.append(f"download: {idx.told(error)}")
    raise UserError(
        f"{collection.name} is in none of the places tried:"
        + "".join(f"\n  {reason}" for reason in tried)
        + f"\n{what_to_do(collection)}",
        code="data-not-found",
    )


def _fetched(file: IdxFile, fetch: Fetch, collection: Collection) -> bytes:
    """Return the file's content from the cache, downloaded into it when not there."""
    cache = cache_folder() / collection.name
    try:
        return idx.read_file(cache, file)
    except UserError:
        pass  # absent or damaged: replaced
    name = f"{file.name}.gz"
    url = f"{collection.url}{name}"
    if not os.access(cache, os.W_OK):
        raise UserError(
            f"{url} not tried, because {cache} cannot be written", code="data-not-found"
        )
    _LOG.info("downloading %s", url)
    import pooch

    pooch.get_logger().setLevel(logging.WARNING)  # it would say the same
    checksum = f"md5:{collection.packed[name]}"
    try:
        path = Path(pooch.retrieve(url, checksum, name, cache, downloader=fetch))
        path.chmod(0o644)  # pooch leaves it to its owner alone; caches are shared
    except OSError as error:
        raise UserError(f"{url}: {idx.told(error)}", code="data-not-found") from error
    except ValueError as error:
        raise UserError(f"{url}: {error}", code="data-damaged") from error
    return idx.read_file(cache, file)
