"""Pictures in folders: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from apps.datasets.load import describe, forget_datasets, load_dataset
from apps.datasets.sources.images import asked_pictures
from apps.errors import UserError
from tests.support.data_files import picture, refused, spec


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
    others = "cat/more/0.png, cat/notes.txt, dog/notes.txt and 1 more:"
    assert f"note: 4 files are not read, {others}" in told
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
