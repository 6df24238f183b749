"""Pictures in folders, a folder a class."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from apps.datasets.sources.reader import (
    Parts,
    Reader,
    Seed,
    Share,
    Split,
    drawn,
    existing_folder,
    place,
)
from apps.errors import UserError

_ENDINGS: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
_PARTS: Final = ("train", "validation", "test")

Length = Annotated[int, Field(ge=1)]


class Images(Reader):
    """A folder with a sub-folder of pictures for each class, perhaps below `train` and `test`.

    The classes are numbered in the order of their folders' names, pictures are in the order of
    theirs. Files that do not end like a picture's are left alone.

    Attributes:
        path: of the folder.
        size: `[height, width]` that all pictures are brought to; if left out, all have one size.
        color: `rgb` gives [height, width, 3], `gray` gives [height, width].
        test: share or number of the pictures that are for testing; without a folder `test` only.
        seed: decides which; the experiment's if left out.
    """

    path: str
    size: list[Length] | None = Field(default=None, min_length=2, max_length=2)
    color: Literal["rgb", "gray"] = "rgb"
    test: Share | None = None
    seed: Seed | None = None

    def files(self, folder: Path) -> Mapping[str, Path]:
        """Return the pictures by `[part/]class/name`."""
        root = existing_folder(folder, self.path, "path")
        parts = [root / part for part in _PARTS if (root / part).is_dir()]
        if not parts:
            return {path.relative_to(root).as_posix(): path for path in _pictures(root)}
        for part in ("train", "test"):
            if not (root / part).is_dir():
                raise UserError(
                    f"{root}: there is a folder {parts[0].name} but none named {part}",
                    code="data-not-found",
                )
        if self.test is not None or self.seed is not None:
            raise UserError(
                f"{root}: has folders train and test; data.params.test and seed are for a folder "
                "without them: take them out",
                code="data-setting",
            )
        return {
            path.relative_to(root).as_posix(): path for part in parts for path in _pictures(part)
        }

    def read(self, folder: Path, split: Split) -> Parts:
        """Return pixels [n, height, width(, 3)], uint8, and the numbers of the classes [n]."""
        files = self.files(folder)
        names = np.array([path.parent.name for path in files.values()])
        parts = np.array([key.split("/")[0] if key.count("/") > 1 else "" for key in files])
        classes = np.unique(names)
        for part in np.unique(parts):
            if missing := sorted({*classes} - {*names[parts == part]}):
                raise UserError(
                    f"{place(folder, self.path) / part}: there is no class {missing[0]}, which "
                    "another part has: all parts need the same classes",
                    code="data-form",
                )
        x = self._pixels(list(files.values()))
        y = np.searchsorted(classes, names).astype(np.int32)
        if parts[0]:
            rows = {str(part): parts == part for part in np.unique(parts)}
            return {part: (x[each], y[each]) for part, each in rows.items()}
        train, test = drawn(len(y), self.test, split.seed if self.seed is None else self.seed)
        return {"train": (x[train], y[train]), "test": (x[test], y[test])}

    def _pixels(self, paths: list[Path]) -> NDArray[np.uint8]:
        pictures: list[NDArray[np.uint8]] = []
        for path in paths:
            picture = self._picture(path)
            if pictures and picture.shape != pictures[0].shape:
                raise UserError(
                    f"{path} has {picture.shape[:2]} pixels, {paths[0]} has "
                    f"{pictures[0].shape[:2]}: say data.params.size = [height, width]",
                    code="data-form",
                )
            pictures.append(picture)
        return np.stack(pictures)

    def _picture(self, path: Path) -> NDArray[np.uint8]:
        from PIL import Image

        try:
            with Image.open(path) as image:
                if image.mode == "F" or image.mode.startswith("I"):
                    raise ValueError(f"mode {image.mode}: more than 8 bits a pixel")
                flat = image.convert("L" if self.color == "gray" else "RGB")
                if self.size is not None:
                    height, width = self.size
                    flat = flat.resize((width, height), Image.Resampling.BILINEAR)
                return np.asarray(flat, np.uint8)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise UserError(
                f"{path}: not a picture that can be read: {error}", code="data-damaged"
            ) from error


def _pictures(root: Path) -> Iterator[Path]:
    """Yield the pictures of the classes below a folder, in order."""
    classes = sorted(each for each in root.iterdir() if _is_class(each))
    if len(classes) < 2:
        raise UserError(
            f"{root}: pictures lie in a folder a class, of which there must be two or more; got "
            f"{', '.join(each.name for each in classes) or 'none'}",
            code="data-form",
        )
    for each in classes:
        found = sorted(path for path in each.iterdir() if path.suffix.lower() in _ENDINGS)
        if not found:
            raise UserError(
                f"{each}: this class has no picture ({', '.join(sorted(_ENDINGS))}); take its "
                "folder away or fill it",
                code="data-form",
            )
        yield from found


def _is_class(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "__"))
