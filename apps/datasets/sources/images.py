"""Pictures in folders, a folder a class."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Final, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from apps.datasets.sources.reader import (
    Form,
    Parts,
    Reader,
    Seed,
    Share,
    Split,
    Told,
    drawn,
    existing_folder,
    place,
)
from apps.errors import UserError, first_few

if TYPE_CHECKING:
    from PIL.Image import Image

ENDINGS: Final = frozenset({".bmp", ".gif", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})
"""Of the files that are taken for pictures."""

_PARTS: Final = {
    "train": "train",
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "validation": "validation",
    "test": "test",
    "testing": "test",
}
"""Names of the folders of parts, in small letters."""

_TURNED: Final = 274  # the tag in which a camera says how it was held
_SYSTEM: Final = frozenset({"thumbs.db", "desktop.ini"})

Length = Annotated[int, Field(ge=1)]


class Images(Reader):
    """A folder with a sub-folder of pictures for each class, perhaps below `train` and `test`.

    Folders that hold folders are parts by their names, capitals or not: `train`, `test` and perhaps
    `validation` (or `val`, `valid`); a folder of pictures is a class, whatever it is called. The
    classes are numbered in the order of their folders' names, pictures are in the order of theirs.
    Hidden files, and files that do not end like a picture's, are left alone. Pictures of 16 bits
    are brought to 8; what is transparent has the colour that is stored for it.

    Attributes:
        path: of the folder.
        size: `[height, width]` to which all pictures are scaled; if left out, all must have one
            size.
        color: `rgb` gives [height, width, 3], `gray` gives [height, width].
        test: share or number of the pictures for testing; only if there is no folder `test`.
        seed: of that choice; the experiment's if left out.
    """

    package: ClassVar[str] = "pillow"
    path: str
    size: list[Length] | None = Field(default=None, min_length=2, max_length=2)
    color: Literal["rgb", "gray"] = "rgb"
    test: Share | None = None
    seed: Seed | None = None

    def files(self, folder: Path) -> Mapping[str, Path]:
        """Return the pictures by `[part/]class/name`."""
        root = existing_folder(folder, self.path, "path")
        parts = _parts(root)
        if "test" in parts and (self.test is not None or self.seed is not None):
            raise UserError(
                f"{root}: has folders train and test; data.params.test and seed are for a folder "
                "without them: take them out",
                code="data-setting",
            )
        return {
            path.relative_to(root).as_posix(): path
            for part in (parts.values() or [root])
            for path in _pictures(part)
        }

    def read(self, folder: Path, split: Split) -> Parts:
        """Return pixels [n, height, width(, 3)], uint8, and the numbers of the classes [n]."""
        return self.read_with_form(folder, split)[0]

    def read_with_form(self, folder: Path, split: Split) -> tuple[Parts, Form]:
        """Return the data, and what other pictures are made to inputs with."""
        files = self.files(folder)
        names = np.array([path.parent.name for path in files.values()])
        parts = np.array(
            [_PARTS[key.split("/")[0].lower()] if key.count("/") > 1 else "" for key in files]
        )
        classes = np.unique(names)
        for part in np.unique(parts):
            if missing := sorted({*classes} - {*names[parts == part]}):
                raise UserError(
                    f"{place(folder, self.path) / part}: there is no class {missing[0]}, which "
                    "another part has: all parts need the same classes",
                    code="data-form",
                )
        x = pixels(list(files.values()), self.color, self.size)
        y = np.searchsorted(classes, names).astype(np.int32)
        form = {
            "kind": "images",
            "size": list(x.shape[1:3]),
            "resize": self.size is not None,
            "color": self.color,
            "classes": classes.tolist(),
        }
        rows = {str(part): np.flatnonzero(parts == part) for part in np.unique(parts)}
        if "test" not in rows:
            drawn_from = rows.pop("train" if "train" in rows else "")
            seed = split.seed if self.seed is None else self.seed
            own = y[drawn_from] if split.stratified else None
            train, test = drawn(len(drawn_from), self.test, seed, own)
            rows |= {"train": drawn_from[train], "test": drawn_from[test]}
        return {part: (x[each], y[each]) for part, each in rows.items()}, form

    def told(self, folder: Path, split: Split) -> Told:
        """Return the classes and their pictures, and what was left alone or changed."""
        root = existing_folder(folder, self.path, "path")
        files = self.files(folder)
        counts = Counter("/".join(key.split("/")[:-1]) for key in files)
        lines = [f"{name}: {count:,} pictures" for name, count in counts.items()]
        if held := _parts(root).get("validation"):
            lines.append(f"{held.name} is the validation part: data.validation is not needed")
        remarks = [*_left_alone(root, {*files.values()}), *_changed(files)]
        return Told(tuple(lines), tuple(remarks))


def pixels(
    paths: Sequence[Path], color: Literal["rgb", "gray"], size: Sequence[int] | None
) -> NDArray[np.uint8]:
    """Return pictures [n, height, width(, 3)].

    Args:
        paths: of the files.
        color: as of `Images`.
        size: that all are brought to; None where all have one size.

    Raises:
        UserError: one cannot be read, or they are of several sizes.
    """
    pictures: list[NDArray[np.uint8]] = []
    for path in paths:
        picture = _picture(path, color, size)
        if pictures and picture.shape != pictures[0].shape:
            raise UserError(
                f"{path} has {picture.shape[:2]} pixels, {paths[0]} has "
                f"{pictures[0].shape[:2]}: say data.params.size = [height, width]",
                code="data-form",
            )
        pictures.append(picture)
    return np.stack(pictures)


def asked_pictures(form: Form, path: Path) -> tuple[list[Path], NDArray[np.uint8]]:
    """Return pictures as those of the training [n, height, width(, 3)], and their files.

    Args:
        form: of `Images.read_with_form`.
        path: of a picture, or of a folder: all pictures in it and below are taken, in order.

    Raises:
        UserError: there is none, one cannot be read, or has another size.
    """
    paths = [path] if path.is_file() else sorted(_below(path))
    if not paths:
        raise UserError(
            f"{path}: there is no picture ({', '.join(sorted(ENDINGS))})", code="predict-input"
        )
    size = form["size"]
    if not form["resize"]:
        for each in paths:
            if (found := _size(each)) != tuple(size):
                raise UserError(
                    f"{each} has {found} pixels, and those of the training {tuple(size)}: bring it "
                    "to their size",
                    code="predict-input",
                )
    return paths, pixels(paths, form["color"], size if form["resize"] else None)


def _picture(path: Path, color: str, size: Sequence[int] | None) -> NDArray[np.uint8]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            flat = _flat(image).convert("L" if color == "gray" else "RGB")
            if size is not None:
                height, width = size
                flat = flat.resize((width, height), Image.Resampling.BILINEAR)
            return np.asarray(flat, np.uint8)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def _flat(image: Image) -> Image:
    """Return a picture of 8 bits, whose palette has no transparency."""
    from PIL import Image

    if image.mode.startswith("I;16"):
        # As the format's rules have it: 65535 is white, as 255 is.
        deep = np.asarray(image).astype(np.uint32)
        return Image.fromarray(((deep * 255 + 32767) // 65535).astype(np.uint8))
    if image.mode == "F" or image.mode.startswith("I"):
        raise ValueError(f"mode {image.mode}: more than 16 bits a pixel")
    return image.convert("RGBA") if "transparency" in image.info and image.mode == "P" else image


def _size(path: Path) -> tuple[int, int]:
    from PIL import Image

    try:
        with Image.open(path) as image:
            return image.height, image.width
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> UserError:
    return UserError(f"{path}: not a picture that can be read: {error}", code="data-damaged")


# --------------------------------------------------------------------------------------- folders
def _parts(root: Path) -> dict[str, Path]:
    """Return the folders of parts by the parts' names; none where there are classes only."""
    folders = [each for each in sorted(root.iterdir()) if _is_folder(each)]
    named = [each for each in folders if each.name.lower() in _PARTS]
    # A class may have any name, but it holds pictures and not folders of them.
    found = [each for each in named if any(_is_folder(inner) for inner in each.iterdir())]
    parts: dict[str, Path] = {}
    for each in found:
        part = _PARTS[each.name.lower()]
        if part in parts:
            raise UserError(
                f"{root}: {parts[part].name} and {each.name} are both the {part} part: leave one",
                code="data-form",
            )
        parts[part] = each
    if not parts:
        return {}
    if odd := [each for each in named if each not in found]:
        raise UserError(
            f"{root}: {found[0].name} holds folders of classes and {odd[0].name} holds none: put "
            "the pictures of every part into a folder a class, or take the folder away",
            code="data-form",
        )
    if "train" not in parts:
        raise UserError(
            f"{root}: there is a folder {found[0].name} but none named train",
            code="data-not-found",
        )
    if parts.keys() == {"train"}:
        raise UserError(
            f"{root}: there is a folder train but none named test: name {parts['train']} as "
            "data.params.path, and the test pictures are drawn of it",
            code="data-not-found",
        )
    return parts


def _pictures(root: Path) -> Iterator[Path]:
    """Yield the pictures of the classes below a folder, in order."""
    classes = sorted(each for each in root.iterdir() if _is_folder(each))
    if len(classes) < 2:
        raise UserError(
            f"{root}: pictures lie in a folder a class, of which there must be two or more; got "
            f"{', '.join(each.name for each in classes) or 'none'}",
            code="data-form",
        )
    for each in classes:
        found = sorted(path for path in each.iterdir() if _is_picture(path))
        if not found:
            raise UserError(
                f"{each}: this class has no picture ({', '.join(sorted(ENDINGS))}); take its "
                "folder away or fill it",
                code="data-form",
            )
        yield from found


def _below(root: Path) -> Iterator[Path]:
    for each in root.iterdir():
        if _is_folder(each):
            yield from _below(each)
        elif _is_picture(each):
            yield each


def _is_folder(path: Path) -> bool:
    return path.is_dir() and not path.name.startswith((".", "__"))


def _is_picture(path: Path) -> bool:
    return path.suffix.lower() in ENDINGS and not path.name.startswith(".") and path.is_file()


# --------------------------------------------------------------------------------------- remarks
def _left_alone(root: Path, taken: set[Path]) -> Iterator[str]:
    """Tell of files that are not read, but for what systems leave everywhere."""
    others = [
        path
        for path in sorted(root.rglob("*"))
        if path.is_file()
        and path not in taken
        and path.name.lower() not in _SYSTEM
        and not any(part.startswith((".", "__")) for part in path.relative_to(root).parts)
    ]
    if others:
        what = "file is" if len(others) == 1 else "files are"
        shown = first_few([path.relative_to(root) for path in others])
        yield f"{len(others):,} {what} not read, {shown}: no picture of a class"


def _changed(files: Mapping[str, Path]) -> Iterator[str]:
    """Tell of pictures that hold more than is learnt from; only their first bytes are read."""
    from PIL import Image

    found: dict[str, list[str]] = {}
    for key, path in files.items():
        with Image.open(path) as image:
            for what in _lost(image):
                found.setdefault(what, []).append(key)
    for what, keys in found.items():
        yield f"{len(keys):,} of {len(files):,} pictures: {what} ({first_few(keys)})"


def _lost(image: Any) -> Iterator[str]:
    if image.mode.startswith("I;16"):
        yield "16 bits a pixel are brought to 8, 65535 to 255"
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        yield "what is transparent has the colour that is stored for it"
    if getattr(image, "n_frames", 1) > 1:
        yield "of several frames the first is read"
    if image.getexif().get(_TURNED, 1) != 1:
        yield "taken with a turned camera, they are read as they are stored"
