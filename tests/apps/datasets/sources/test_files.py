"""Data of the user's own files: idx, npz and images; what is read, and what is refused."""

from __future__ import annotations

import gzip
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from apps.datasets.fashion_mnist import SAMPLE
from apps.datasets.idx import parsed
from apps.datasets.load import describe, forget_datasets, load_dataset, prepare
from apps.datasets.sources.images import asked_pictures
from apps.datasets.sources.reader import held_out
from apps.datasets.sources.readers import READERS, content_digest, make_reader
from apps.errors import UserError
from apps.messages.specs import DataSpec

X = np.arange(60, dtype=np.float32).reshape(20, 3)
Y = np.arange(20) % 4


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    forget_datasets()


def spec(name: str, validation: int = 2, **params: Any) -> DataSpec:
    return DataSpec(name, {"path": "data"} | params, validation=validation)


def refused(given: DataSpec, folder: Path, expected: str) -> None:
    with pytest.raises(UserError, match=expected) as caught:
        prepare(given, str(folder))
    assert "\n" not in str(caught.value)


# ------------------------------------------------------------------------------------- settings
@pytest.mark.parametrize(
    ("name", "params", "expected"),
    [
        (
            "npz",
            {},
            r'data\.params\.path is needed by data\.name = "npz"; it has the settings path',
        ),
        ("npz", {"path": "a", "tset": 1}, r"unknown key 'tset'; did you mean 'test'\?"),
        ("npz", {"path": 3}, r"data\.params\.path = 3 of .*string"),
        ("npz", {"path": "a", "test": 1.5}, r"data\.params\.test = 1\.5 .* a share is less than 1"),
        ("npz", {"path": "a", "test": True}, "should be a share between 0 and 1"),
        ("images", {"path": "a", "size": [3]}, r"data\.params\.size = \[3\]"),
        ("images", {"path": "a", "color": "grey"}, "'rgb' or 'gray'"),
        ("table", {"path": "a.csv"}, r"data\.params\.target is needed"),
        ("friedman", {"features": 4}, r"data\.params\.features = 4 .*5"),
    ],
)
def test_wrong_settings_are_refused_by_name(
    name: str, params: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    refused(DataSpec(name, params), tmp_path, expected)


@pytest.mark.parametrize("name", sorted(READERS.keys() - {"friedman", "mackey_glass"}))
def test_a_missing_path_is_told_in_full(name: str, tmp_path: Path) -> None:
    params = {"target": "y"} if name == "table" else {}
    refused(
        spec(name, **params), tmp_path, f"{tmp_path / 'data'}: there is no such f.*data.params.path"
    )


def test_a_reader_has_no_folder_beside_its_path(tmp_path: Path) -> None:
    given = DataSpec("npz", {"path": "data"}, folder="/data")
    refused(given, tmp_path, r"data\.folder is for fashion_mnist; npz")


def test_an_unknown_name_knows_the_readers() -> None:
    with pytest.raises(UserError, match="did you mean 'images'"):
        prepare(DataSpec("image"))


# ------------------------------------------------------------------------------- files that change
def test_a_changed_file_is_noticed_and_a_moved_one_is_the_same(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        np.savez(tmp_path / folder / "data", x=X, y=Y)
    reader = make_reader("npz", {"path": "data.npz"})
    digest = content_digest(reader, tmp_path / "one")
    assert digest == content_digest(reader, tmp_path / "two")
    known = DataSpec("npz", {"path": "data.npz"}, validation=2, digest=digest)
    prepare(known, str(tmp_path / "one"))
    np.savez(tmp_path / "one" / "data", x=X + 1, y=Y)
    with pytest.raises(UserError, match=r'files of data "npz" have changed .*data\.npz; '):
        prepare(known, str(tmp_path / "one"))


def test_made_data_have_no_digest(tmp_path: Path) -> None:
    assert content_digest(make_reader("friedman", {}), tmp_path) == ""


# --------------------------------------------------------------------------------------------- npz
def parts(**more: Any) -> dict[str, Any]:
    return {"x_train": X, "y_train": Y, "x_test": X[:5], "y_test": Y[:5]} | more


def test_npz_in_parts_is_taken_as_it_is(tmp_path: Path) -> None:
    held = {"x_validation": X[:3], "y_validation": Y[:3]}
    np.savez(tmp_path / "data.npz", **parts(**held, w_train=Y + 1.0))
    given = spec("npz", path="data.npz")
    data = load_dataset(given, 0, str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (20, 3, 5)
    order = data.train.x[:, 0].astype(int) // 3
    np.testing.assert_array_equal(data.train.weights, Y[order] + 1)
    assert "20 training, 3 validation and 5 test samples, inputs [3] float32" in describe(
        given, str(tmp_path)
    )


def test_npz_that_is_whole_is_split_by_a_seed(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X, y=Y)

    def tested(experiments: int, **params: Any) -> list[int]:
        data = load_dataset(spec("npz", path="data.npz", **params), experiments, str(tmp_path))
        rows = [part.x[:, 0] for part in (data.train, data.validation, data.test)]
        assert sorted(np.concatenate(rows)) == X[:, 0].tolist()
        return (data.test.x[:, 0] / 3).astype(int).tolist()

    assert len(tested(1)) == 4
    assert len(tested(1, test=0.5)) == 10
    assert len(tested(1, test=7)) == 7
    assert tested(1) != tested(2)
    assert tested(1, seed=9) == tested(2, seed=9)


@pytest.mark.parametrize(
    ("arrays", "params", "expected"),
    [
        ({"x": X}, {}, "there is no array y, it holds x; write it with numpy.savez"),
        ({"x": X, "y": Y[:3]}, {}, r"x and y must be of one length, got x \(20, 3\), y \(3,\)"),
        ({"x": X, "y": Y, "x_test": X}, {}, "holds x and y, to be split, and x_test"),
        ({"x": X, "y": Y}, {"test": 20}, "are 20 for testing: both parts need at least one"),
        (parts(x_val=X), {}, "holds x_val; known names are x, .*w_test$"),
        (parts(), {"test": 0.5}, "has parts of its own"),
        (parts(x_validation=X), {}, "there is no array y_validation"),
        (parts(x_test=X[:5, :2]), {}, r"x_test must be like x_train.*\(3,\).*\(2,\)"),
        ({"x": X, "y": np.array([{}] * 20, object)}, {}, "not a file of numeric arrays"),
    ],
)
def test_npz_that_does_not_fit_is_refused(
    arrays: dict[str, Any], params: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    refused(spec("npz", path="data.npz", **params), tmp_path, expected)


def test_npz_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x,y\n1,2\n")
    refused(spec("npz"), tmp_path, "data: not a file of numeric arrays that numpy.savez wrote")


# --------------------------------------------------------------------------------------------- idx
def idx_bytes(array: np.ndarray[Any, Any]) -> bytes:
    return struct.pack(f">HBB{array.ndim}I", 0, 8, array.ndim, *array.shape) + array.tobytes()


@pytest.fixture
def idx_folder(tmp_path: Path) -> Callable[..., Path]:
    def write(train: int = 6, labels: int = 6, packed: bool = False) -> Path:
        (tmp_path / "data").mkdir()
        for name, array in {
            "train-images-idx3-ubyte": np.arange(train * 12).reshape(train, 3, 4),
            "train-labels-idx1-ubyte": np.arange(labels) % 3,
            "t10k-images-idx3-ubyte": np.zeros((3, 3, 4)),
            "t10k-labels-idx1-ubyte": np.arange(3),
        }.items():
            content = idx_bytes(array.astype(np.uint8))
            end = ".gz" if packed else ""
            path = tmp_path / "data" / f"{name}{end}"
            path.write_bytes(gzip.compress(content) if packed else content)
        return tmp_path

    return write


@pytest.mark.parametrize("packed", [False, True])
def test_idx_reads_any_images_of_mnists_layout(
    packed: bool, idx_folder: Callable[..., Path]
) -> None:
    folder = idx_folder(packed=packed)
    data = load_dataset(spec("idx", channels=True), 0, str(folder))
    assert data.train.x.shape == (4, 3, 4, 1)
    assert data.train.x.dtype == np.uint8
    assert data.input_scale == 1 / 255
    np.testing.assert_array_equal(data.train.x[:, 0, 0, 0] // 12 % 3, data.train.y)


def test_idx_reads_what_the_verified_reader_reads() -> None:
    folder = SAMPLE.folders[0]
    own = load_dataset(spec("idx", path=str(folder)), 3)
    known = load_dataset(DataSpec("fashion_mnist_sample", validation=2), 3)
    for part in ("train", "validation", "test"):
        np.testing.assert_array_equal(getattr(own, part).x, getattr(known, part).x)
        np.testing.assert_array_equal(getattr(own, part).y, getattr(known, part).y)


def test_idx_that_lacks_a_file_names_it(idx_folder: Callable[..., Path]) -> None:
    folder = idx_folder()
    (folder / "data" / "t10k-labels-idx1-ubyte").unlink()
    refused(spec("idx"), folder, r"data: missing t10k-labels-idx1-ubyte\.gz")


def test_idx_of_two_data_sets_is_refused(idx_folder: Callable[..., Path]) -> None:
    folder = idx_folder()
    (folder / "data" / "letters-train-images-idx3-ubyte").write_bytes(b"")
    refused(spec("idx"), folder, "letters-train-.* and train-images-.* are both x_train")


def test_idx_that_is_damaged_is_refused(idx_folder: Callable[..., Path]) -> None:
    folder = idx_folder(labels=5)
    refused(spec("idx"), folder, "got 6 in x_train and 5 in y_train")
    path = folder / "data" / "train-images-idx3-ubyte"
    path.write_bytes(path.read_bytes()[:-1])
    refused(spec("idx"), folder, "train-images-idx3-ubyte: not a sound idx file .*87 bytes")
    path.write_bytes(b"<html>")
    refused(spec("idx"), folder, "first bytes are not those of the format")


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (11, ">i2"), (13, ">f4")])
def test_idx_has_other_numbers_too(code: int, dtype: str) -> None:
    array = np.array([[1, 2, 3], [4, 5, 6]], dtype)
    content = struct.pack(">HBBII", 0, code, 2, 2, 3) + array.tobytes()
    found = parsed(content)
    np.testing.assert_array_equal(found, array)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")


# ------------------------------------------------------------------------------------------ images
def picture(path: Path, value: int, size: tuple[int, int] = (4, 6)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size[::-1], (value, 0, 255 - value)).save(path)


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    for name, value in (("dog", 200), ("cat", 40)):
        for number in range(10):
            picture(tmp_path / "data" / name / f"{number}.png", value + number)
        (tmp_path / "data" / name / "notes.txt").write_text("not a picture")
    (tmp_path / "data" / ".hidden").mkdir()
    return tmp_path


def test_images_are_of_the_class_of_their_folder(pictures: Path) -> None:
    data = load_dataset(spec("images", test=0.25), 1, str(pictures))
    assert data.train.x.shape == (13, 4, 6, 3)
    assert (len(data.validation), len(data.test)) == (2, 5)
    for part in (data.train, data.validation, data.test):
        np.testing.assert_array_equal(part.x[:, 0, 0, 0] > 100, part.y)  # cat is 0, dog is 1
    forget_datasets()
    again = load_dataset(spec("images", test=0.25), 1, str(pictures))
    np.testing.assert_array_equal(data.train.x, again.train.x)


def test_images_are_brought_to_size_and_to_grey(pictures: Path) -> None:
    picture(pictures / "data" / "cat" / "large.jpg", 40, (30, 20))
    refused(spec("images"), pictures, r"large\.jpg has \(30, 20\).*data\.params\.size = \[height")
    data = load_dataset(spec("images", size=[8, 5], color="gray"), 1, str(pictures))
    assert data.train.x.shape[1:] == (8, 5)


def test_images_below_train_and_test_stay_there(tmp_path: Path) -> None:
    for part, count in (("train", 4), ("validation", 2), ("test", 3)):
        for name in ("a", "b"):
            for number in range(count):
                picture(tmp_path / "data" / part / name / f"{number}.png", number)
    data = load_dataset(spec("images"), 1, str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (8, 4, 6)
    refused(spec("images", test=0.5), tmp_path, "has folders train and test")
    for path in (tmp_path / "data" / "test" / "b").iterdir():
        path.unlink()
    refused(spec("images"), tmp_path, "test/b: this class has no picture")
    (tmp_path / "data" / "test" / "b").rename(tmp_path / "data" / "test" / "c")
    picture(tmp_path / "data" / "test" / "c" / "0.png", 1)
    refused(spec("images"), tmp_path, "test: there is no class b, which another part has")


def test_images_that_cannot_be_read_are_named(pictures: Path) -> None:
    broken = pictures / "data" / "dog" / "3.png"
    broken.write_bytes(broken.read_bytes()[:40])
    refused(spec("images"), pictures, r"dog/3\.png: not a picture that can be read")
    broken.unlink()
    Image.new("F", (6, 4)).save(broken.with_suffix(".tif"))
    refused(spec("images"), pictures, "more than 16 bits a pixel")


def test_images_without_folders_of_classes_are_refused(tmp_path: Path) -> None:
    picture(tmp_path / "data" / "0.png", 1)
    refused(spec("images"), tmp_path, "there must be two or more; got none")


@pytest.mark.parametrize(
    ("train", "validation", "test"),
    [("train", "val", "test"), ("Train", "Valid", "TEST"), ("training", "validation", "testing")],
)
def test_images_parts_have_the_names_of_the_world(
    train: str, validation: str, test: str, tmp_path: Path
) -> None:
    for part, count in ((train, 4), (validation, 2), (test, 3)):
        for name in ("a", "train"):
            for number in range(count):
                picture(tmp_path / "data" / part / name / f"{number}.png", number)
    data = load_dataset(spec("images"), 1, str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (8, 4, 6)
    assert "validation part: data.validation is not needed" in describe(
        spec("images"), str(tmp_path)
    )


def test_images_without_a_test_part_have_it_drawn(tmp_path: Path) -> None:
    for part, count in (("train", 10), ("val", 3)):
        for name in ("a", "b"):
            for number in range(count):
                picture(tmp_path / "data" / part / name / f"{number}.png", number)
    data = load_dataset(spec("images", test=4), 1, str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (16, 6, 4)


@pytest.mark.parametrize("part", ["train", "test", "val", "Validation"])
def test_a_class_may_have_the_name_of_a_part(part: str, tmp_path: Path) -> None:
    for name in ("plane", part):
        for number in range(10):
            picture(tmp_path / "data" / name / f"{number}.png", number)
    data = load_dataset(spec("images"), 1, str(tmp_path))
    assert data.form["classes"] == sorted(["plane", part])
    assert len(data.train) + len(data.validation) + len(data.test) == 20


def test_parts_of_pictures_without_classes_are_refused(tmp_path: Path) -> None:
    for name in ("a", "b"):
        picture(tmp_path / "data" / "train" / name / "0.png", 1)
        picture(tmp_path / "data" / "val" / name / "0.png", 1)
    picture(tmp_path / "data" / "test" / "0.png", 1)
    refused(spec("images"), tmp_path, "train holds folders of classes and test holds none")
    (tmp_path / "data" / "test" / "0.png").unlink()
    (tmp_path / "data" / "test").rmdir()
    (tmp_path / "data" / "val").rename(tmp_path / "data" / "valid")
    for name in ("a", "b"):
        picture(tmp_path / "data" / "validation" / name / "0.png", 1)
    refused(spec("images"), tmp_path, "valid and validation are both the validation part")


def test_hidden_files_are_no_pictures_and_others_are_told(pictures: Path) -> None:
    whole = load_dataset(spec("images"), 1, str(pictures))
    for path in ("cat/._0.png", ".DS_Store", "cat/.DS_Store", "dog/Thumbs.db"):
        (pictures / "data" / path).write_bytes(b"no picture")
    (pictures / "data" / "__MACOSX" / "cat").mkdir(parents=True)
    picture(pictures / "data" / "cat" / "more" / "0.png", 1)
    picture(pictures / "data" / "loose.png", 1)
    forget_datasets()
    same = load_dataset(spec("images"), 1, str(pictures))
    np.testing.assert_array_equal(whole.train.x, same.train.x)
    told = describe(spec("images"), str(pictures))
    assert "note: 4 files are not read, cat/more/0.png, cat/notes.txt, dog/notes.txt, ..." in told
    assert "Thumbs" not in told


MODES = ["RGB", "RGBA", "L", "LA", "P", "1", "CMYK", "I;16"]


@pytest.mark.parametrize("color", ["rgb", "gray"])
@pytest.mark.parametrize("mode", MODES)
def test_a_picture_is_the_same_in_every_mode(
    mode: str, color: str, pictures: Path, tmp_path: Path
) -> None:
    grey = np.full((4, 6), 255, np.uint8)
    grey[1:3] = 0
    path = pictures / "data" / "cat" / ("z.tif" if mode == "CMYK" else "z.png")
    if mode == "I;16":
        Image.fromarray(grey.astype(np.uint16) * 257).save(path)
    else:
        Image.fromarray(grey).convert("RGB").convert(mode).save(path)
    data = load_dataset(spec("images", color=color, test=1), 1, str(pictures))
    wanted = np.stack([grey] * 3, axis=-1) if color == "rgb" else grey
    every = np.concatenate([data.train.x, data.validation.x, data.test.x])
    assert (every == wanted).reshape(len(every), -1).all(axis=1).sum() == 1


def test_what_is_lost_of_pictures_is_told(pictures: Path) -> None:
    folder = pictures / "data" / "cat"
    Image.fromarray(np.zeros((4, 6), np.uint16)).save(folder / "deep.png")
    Image.new("RGBA", (6, 4)).save(folder / "clear.png")
    frames = [Image.new("L", (6, 4), color) for color in (1, 200)]
    frames[0].save(folder / "moving.gif", save_all=True, append_images=frames[1:])
    turned = Image.Exif()
    turned[274] = 6
    Image.new("RGB", (6, 4)).save(folder / "turned.jpg", exif=turned)
    told = describe(spec("images"), str(pictures))
    for expected in (
        "1 of 24 pictures: 16 bits a pixel are brought to 8, 65535 to 255 (cat/deep.png)",
        "1 of 24 pictures: what is transparent has the colour that is stored for it (cat/clear.png",
        "1 of 24 pictures: of several frames the first is read (cat/moving.gif)",
        "1 of 24 pictures: taken with a turned camera, they are read as they are stored",
    ):
        assert expected in told


def test_pictures_that_are_asked_are_made_as_those_of_the_training(pictures: Path) -> None:
    data = load_dataset(spec("images", size=[8, 5], color="gray"), 1, str(pictures))
    files, x = asked_pictures(data.form, pictures / "data")
    assert [path.name for path in files[:3]] == ["0.png", "1.png", "2.png"]
    every = np.concatenate([data.train.x, data.validation.x, data.test.x])
    assert x.shape == every.shape
    assert sorted(each.tobytes() for each in x) == sorted(each.tobytes() for each in every)
    _, one = asked_pictures(data.form, files[3])
    np.testing.assert_array_equal(one[0], x[3])
    with pytest.raises(UserError, match="there is no picture"):
        asked_pictures(data.form, pictures / "data" / ".hidden")
    forget_datasets()
    strict = load_dataset(spec("images"), 1, str(pictures)).form
    picture(pictures / "large.png", 1, (30, 20))
    with pytest.raises(UserError, match=r"\(30, 20\) pixels, and those of the training \(4, 6\)"):
        asked_pictures(strict, pictures / "large.png")


# --------------------------------------------------------------------------------- rare classes
def rare(name: str, folder: Path) -> dict[str, Any]:
    """Write data of 60, 60 and 3 samples of the classes a, b and c."""
    classes = np.repeat(["a", "b", "c"], [60, 60, 3])
    numbers = np.searchsorted(["a", "b", "c"], classes)
    if name == "images":
        for number, each in enumerate(classes):
            picture(folder / "data" / each / f"{number:03}.png", number)
        return {"path": "data"}
    if name == "npz":
        np.savez(folder / "data.npz", x=np.arange(123.0)[:, None], y=numbers)
        return {"path": "data.npz"}
    lines = [f"{number},{each}" for number, each in enumerate(classes)]
    (folder / "data.csv").write_text("\n".join(["x,y", *lines]))
    return {"path": "data.csv", "target": "y"}


@pytest.mark.parametrize("name", ["images", "npz", "table"])
@pytest.mark.parametrize("seed", range(4))
def test_a_stratified_split_has_every_class_in_every_part(
    name: str, seed: int, tmp_path: Path
) -> None:
    given = DataSpec(name, rare(name, tmp_path), validation=20, stratified=True)
    data = load_dataset(given, seed, str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (78, 20, 25)
    for part in (data.train, data.validation, data.test):
        counts = np.bincount(part.y, minlength=3)
        assert counts[2] == 1
        assert abs(int(counts[0]) - int(counts[1])) <= 1
    assert "has the class" not in describe(given, str(tmp_path), seed)


@pytest.mark.parametrize("name", ["images", "npz", "table"])
def test_a_class_that_a_part_lacks_is_told(name: str, tmp_path: Path) -> None:
    given = DataSpec(name, rare(name, tmp_path), validation=20)
    told = describe(given, str(tmp_path), 1)
    shown = "2" if name == "npz" else "c"
    assert re.search(
        rf"no (test|validation) sample has the class {shown}, .*data\.stratified = true", told
    )


def test_a_stratified_split_needs_classes(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X, y=X)
    given = DataSpec("npz", {"path": "data.npz"}, validation=2, stratified=True)
    with pytest.raises(UserError, match="stratified is for data with one class a sample"):
        load_dataset(given, 0, str(tmp_path))
    (tmp_path / "t.csv").write_text("x,y\n" + "1,2.5\n3,4.5\n" * 9)
    given = DataSpec("table", {"path": "t.csv", "target": "y"}, validation=2, stratified=True)
    refused(given, tmp_path, "stratified is for a target of classes")


@pytest.mark.parametrize("sizes", [[5], [1, 1], [7, 1, 2], [30, 11, 3, 2, 2], [2, 2, 2, 2, 2]])
def test_what_is_held_out_has_its_share_of_every_class(sizes: list[int]) -> None:
    classes = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    order = np.random.default_rng(1).permutation(len(classes))
    for count in range(len(order)):
        held, rest = held_out(order, count, classes[order])
        assert sorted([*held, *rest]) == list(range(len(order)))
        assert len(held) == count
        got = np.bincount(classes[held], minlength=len(sizes))
        wanted = np.array(sizes) * count / len(order)
        least = np.array([min(1, size - 1) for size in sizes])
        if least.sum() <= count <= (np.array(sizes) - 1).sum():
            assert (least <= got).all()
            assert (got < np.array(sizes)).all()
        if (np.floor(wanted) >= least).all() and (wanted <= np.array(sizes) - 1).all():
            assert (np.abs(got - wanted) < 2).all()
