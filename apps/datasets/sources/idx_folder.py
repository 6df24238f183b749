"""A folder in MNIST's layout: four files in the idx format, packed or not."""

from __future__ import annotations

import gzip
import re
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np

from apps.datasets.arrays import Array
from apps.datasets.idx import parsed
from apps.datasets.sources.reader import Parts, Reader, Split, existing_folder
from apps.errors import UserError

_NAME: Final = re.compile(r"(?:.*[-_.])?(train|t10k|test)-(images|labels)[-.]idx\d-ubyte(?:\.gz)?")
_KEYS: Final = {"images": "x", "labels": "y", "train": "train", "t10k": "test", "test": "test"}
_EXPECTED: Final = {
    "x_train": "train-images-idx3-ubyte",
    "y_train": "train-labels-idx1-ubyte",
    "x_test": "t10k-images-idx3-ubyte",
    "y_test": "t10k-labels-idx1-ubyte",
}


class IdxFolder(Reader):
    """MNIST and what has its layout (KMNIST, one set of EMNIST, ...).

    Attributes:
        path: of the folder.
        channels: whether images get a last axis of one channel.
    """

    path: str
    channels: bool = False

    def files(self, folder: Path) -> Mapping[str, Path]:
        """Return the four files; a packed one before an unpacked one of the same name."""
        place = existing_folder(folder, self.path, "path")
        found: dict[str, Path] = {}
        for path in sorted(place.iterdir()):
            if named := _NAME.fullmatch(path.name):
                key = f"{_KEYS[named[2]]}_{_KEYS[named[1]]}"
                if key in found and found[key].name.removesuffix(".gz") != path.name.removesuffix(
                    ".gz"
                ):
                    raise UserError(
                        f"{place}: {found[key].name} and {path.name} are both {key}: give each "
                        "data set a folder of its own",
                        code="data-form",
                    )
                found[key] = path
        if missing := [f"{name}.gz" for key, name in _EXPECTED.items() if key not in found]:
            raise UserError(
                f"{place}: missing {', '.join(missing)} (as .gz or unpacked)", code="data-not-found"
            )
        return found

    def read(self, folder: Path, split: Split) -> Parts:
        """Return images [n, rows, columns] as they are, and the numbers of their classes [n]."""
        arrays = {key: _array(path) for key, path in self.files(folder).items()}
        if self.channels:
            arrays |= {key: arrays[key][..., np.newaxis] for key in ("x_train", "x_test")}
        return {part: (arrays[f"x_{part}"], arrays[f"y_{part}"]) for part in ("train", "test")}


def _array(path: Path) -> Array:
    try:
        content = path.read_bytes()
        return parsed(gzip.decompress(content) if path.suffix == ".gz" else content)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise UserError(
            f"{path}: not a sound idx file ({error}); replace it", code="data-damaged"
        ) from error
