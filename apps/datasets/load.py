"""Data sets by name or plug-in: checked, and split by seed into training, validation and test."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Final

import numpy as np

from apps.datasets import idx
from apps.datasets.arrays import Array, Samples, listed, mapped, type_in_words
from apps.datasets.batches import Batches
from apps.datasets.checks import PIXEL, Part, Source, checked
from apps.datasets.dataset import Dataset
from apps.datasets.fashion_mnist import (
    FASHION_MNIST,
    SAMPLE,
    Collection,
    Fetch,
    decoded_folder,
    download,
    load_arrays,
    survey,
    what_to_do,
)
from apps.datasets.remarks import remarks
from apps.datasets.sources.reader import Split, Told, held_out, one_class_each
from apps.datasets.sources.readers import READERS, content_digest, make_reader
from apps.errors import UserError
from apps.messages.specs import DataSpec
from apps.messages.values import Loss
from apps.plugins.load import call_plugin, is_plugin, unknown
from apps.plugins.sources import digest_of, files_absent, files_named, plugin_sources
from apps.recent import Recent
from apps.seeds import Address, Purpose

COLLECTIONS: Final = {"fashion_mnist": FASHION_MNIST, "fashion_mnist_sample": SAMPLE}
"""The built-in data sets."""

_TOLD: Final = 3


_kept: Final[Recent[Dataset]] = Recent(most=2)


def load_dataset(spec: DataSpec, seed: int, search_path: str | None = None) -> Dataset:
    """Return the data set of `spec`, split by `seed`.

    The last few are cached: threads share one, and a worker loads each only once.

    Args:
        spec: which data and how they are split.
        seed: the experiment's seed; it alone decides which samples are held out.
        search_path: the folder of the experiment, where plug-ins are looked for and where relative
            paths begin.

    Raises:
        UserError: the data cannot be found, are damaged, or break a rule.
    """
    key = json.dumps([asdict(spec), seed, search_path], sort_keys=True)

    def read() -> Dataset:
        source = _read(spec, search_path, seed)
        _check_sizes(spec, source)
        return _split(spec, source, seed)

    return _kept.get(key, read)


def forget_datasets() -> None:
    """Drop the data sets that `load_dataset` has cached."""
    _kept.forget()


def prepare(spec: DataSpec, search_path: str | None = None, fetch: Fetch = download) -> Path | None:
    """Find, fetch, verify and decode the data, so that bad data end a run before its first task.

    A plug-in is called and what it returns is checked.

    Args:
        spec: which data and how they are split.
        search_path: the folder of the experiment, where plug-ins are looked for.
        fetch: downloads.

    Returns:
        The folder of the decoded arrays that all workers map; None when there is none.

    Raises:
        UserError: as `load_dataset`.
    """
    source = _read(spec, search_path, verify=True, fetch=fetch)
    _check_sizes(spec, source)
    for part in (source.train, source.validation, source.test):
        if isinstance(part, Batches):
            part.check_repeats()
    return source.folder


def told(
    spec: DataSpec, seed: int, search_path: str | None = None, loss: Loss | None = None
) -> Told:
    """Return what became of the data's files, and what looks as if it was not meant so.

    Args:
        spec: which data.
        seed: as for `load_dataset`.
        search_path: as for `load_dataset`.
        loss: of the experiment, where one is known.

    Raises:
        UserError: as `load_dataset`.
    """
    data = load_dataset(spec, seed, search_path)
    found = Told()
    if spec.name in READERS:
        reader = make_reader(spec.name, spec.params)
        found = reader.told(Path(search_path or ".").absolute(), _asked_split(spec, seed))
    more = [*remarks(data, spec.stratified, loss)]
    for part in (data.train, data.validation, data.test):
        if isinstance(part, Batches):
            more += part.told(training=part is data.train)
    return Told(found.lines, (*found.remarks, *more))


def describe(spec: DataSpec, search_path: str | None = None, seed: int = 0) -> str:
    """Return in words where the data are and their size; or the places searched and what helps.

    Of a user's own data also what became of them, and what looks odd. Nothing is fetched or
    written.

    Args:
        spec: which data and how they are split.
        search_path: the folder of the experiment, where plug-ins are looked for.
        seed: the experiment's.

    Raises:
        UserError: an unknown name, or a plug-in that cannot be loaded or returns bad data, or files
            that cannot be read.
    """
    if is_plugin(spec.name) or spec.name in READERS:
        lines = [f"{spec.name}: {_shown(_read(spec, search_path, seed))}"]
        found = told(spec, seed, search_path)
        lines += [f"  {line}" for line in found.lines]
        return "\n".join([*lines, *(f"note: {remark}" for remark in found.remarks)])
    collection = _collection(spec)
    train, test = (collection.files[key].shape for key in ("x_train", "x_test"))
    lines = [f"{spec.name}: {train[0]:,} training and {test[0]:,} test images of 28 x 28 pixels"]
    folder = str(SAMPLE.folders[0]) if collection is SAMPLE else spec.folder
    states = survey(folder, collection)
    lines += [
        f"  {problem or f'{place}: {_found(place, collection)}'}" for place, problem in states
    ]
    if collection is not SAMPLE:
        decoded = decoded_folder(collection)
        done = idx.mapped(decoded, collection.files) is not None
        lines.append(f"  {decoded}: {'decoded, shared by all workers' if done else 'not decoded'}")
        if (spec.folder or not done) and all(problem for _, problem in states):
            lines.append(what_to_do(collection))
    return "\n".join(lines)


def _found(place: Path, collection: Collection) -> str:
    paths = [idx.find(place, file) for file in collection.files.values()]
    size_mb = sum(path.stat().st_size for path in paths if path is not None) / 1e6
    return f"all {len(paths)} files, {size_mb:.1f} MB, SHA-256 verified"


# ------------------------------------------------------------------------------------- reading
def _read(
    spec: DataSpec,
    search_path: str | None,
    seed: int = 0,
    *,
    verify: bool = False,
    fetch: Fetch = download,
) -> Source:
    if is_plugin(spec.name):
        return _read_plugin(spec, search_path)
    if spec.name in READERS:
        return _read_own(spec, search_path, seed)
    collection = _collection(spec)
    channels = _channels(spec)
    folder = None
    if collection is SAMPLE:
        arrays = idx.decode(idx.read_folder(SAMPLE.folders[0], SAMPLE.files), SAMPLE.files)
    else:
        arrays, folder = load_arrays(spec.folder, verify=verify, fetch=fetch, collection=collection)
    x_train, x_test = (
        arrays[key][..., np.newaxis] if channels else arrays[key] for key in ("x_train", "x_test")
    )
    y_train, y_test = (arrays[key].astype(np.int32) for key in ("y_train", "y_test"))
    return Source(Samples(x_train, y_train), Samples(x_test, y_test), None, PIXEL, folder)


def _collection(spec: DataSpec) -> Collection:
    if spec.name not in COLLECTIONS:
        raise UserError(
            unknown("data.name", spec.name, [*COLLECTIONS, *READERS]), code="unknown-name"
        )
    collection = COLLECTIONS[spec.name]
    if spec.folder is not None and collection is SAMPLE:
        raise UserError(
            f"data.folder is for fashion_mnist; {spec.name} ships with heterosis",
            code="data-setting",
        )
    return collection


def _channels(spec: DataSpec) -> bool:
    if odd := sorted(spec.params.keys() - {"channels"}):
        raise UserError(
            f'data.params of {spec.name} has the one key channels, got "{odd[0]}"',
            code="data-setting",
        )
    channels = spec.params.get("channels", False)
    if not isinstance(channels, bool):
        raise UserError(
            f"data.params.channels is true or false, got {channels!r}", code="data-setting"
        )
    return channels


def _read_plugin(spec: DataSpec, search_path: str | None) -> Source:
    if spec.folder is not None:
        raise UserError(
            f"data.folder is for fashion_mnist; give {spec.name} its folder in data.params",
            code="data-setting",
        )
    if spec.digest:
        sources = plugin_sources(spec.name, search_path)
        files = sources | files_named(spec.name, spec.params, search_path)
        # Older runs know the module's own file alone.
        if spec.digest not in (digest_of(files), next(iter(sources.values()))):
            absent = ", ".join(files_absent(spec.params, search_path))
            folder = Path(search_path or ".").absolute()
            gone = f"; there is no {absent} in {folder}" if absent else ""
            raise UserError(
                f'the source of data plug-in "{spec.name}", or a file that it reads, has changed '
                f"since this run began ({', '.join(files)}{gone}); undo the change, or start over",
                code="data-changed",
            )
    returned = call_plugin(spec.name, spec.params, search_path)
    try:
        return checked(_as_mapping(returned) if isinstance(returned, Dataset) else returned)
    except UserError as error:
        raise UserError(f'data plug-in "{spec.name}": {error}', code=error.code) from error


def _read_own(spec: DataSpec, search_path: str | None, seed: int) -> Source:
    if spec.folder is not None:
        raise UserError(
            f"data.folder is for fashion_mnist; {spec.name} takes the place of its files from "
            "data.params",
            code="data-setting",
        )
    reader = make_reader(spec.name, spec.params)
    folder = Path(search_path or ".").absolute()
    if spec.digest and spec.digest != content_digest(reader, folder):
        raise UserError(
            f'the files of data "{spec.name}" have changed since this run began: '
            f"{', '.join(sorted({str(path) for path in reader.files(folder).values()})[:_TOLD])}; "
            "bring them back, or start over",
            code="data-changed",
        )
    try:
        parts, form = reader.read_with_form(folder, _asked_split(spec, seed))
        return replace(checked(parts), form=form)
    except UserError as error:
        raise UserError(f'data "{spec.name}": {error}', code=error.code) from error


def _asked_split(spec: DataSpec, seed: int) -> Split:
    return Split(seed, spec.validation, spec.stratified)


def _as_mapping(data: Dataset) -> dict[str, object]:
    parts = {"train": data.train, "test": data.test, "validation": data.validation}
    return {"input_scale": data.input_scale} | {
        name: part.fields if isinstance(part, Samples) else part
        for name, part in parts.items()
        if name != "validation" or not isinstance(part, Samples) or len(part)
    }


def _shown(source: Source) -> str:
    if not isinstance(source.train, Samples) or not isinstance(source.test, Samples):
        return "data in batches, read anew for every pass"
    x, y = (
        ", ".join(f"{list(each.shape[1:])} {type_in_words(each)}" for each in listed(value))
        for value in (source.train.x, source.train.y)
    )
    held = source.validation
    validation = f", {len(held):,} validation" if isinstance(held, Samples) else ""
    return (
        f"{len(source.train):,} training{validation} and {len(source.test):,} test samples, "
        f"inputs {x}, targets {y}"
    )


# ------------------------------------------------------------------------------------ the split
def _check_sizes(spec: DataSpec, source: Source) -> None:
    if spec.train_limit is not None and spec.train_limit < 1:
        raise UserError(
            f"data.train_limit must be at least 1, got {spec.train_limit}", code="data-split"
        )
    if spec.validation < 0:
        raise UserError(
            f"data.validation must be at least 0, got {spec.validation}", code="data-split"
        )
    if not isinstance(source.train, Samples):
        if spec.stratified:
            raise UserError(
                f"data.stratified is for arrays; {spec.name} gives batches: split them there",
                code="data-split",
            )
        if spec.train_limit is not None:
            raise UserError(
                f"data.train_limit is for arrays; {spec.name} gives batches: limit them there",
                code="data-split",
            )
        return
    samples = len(source.train)
    if source.validation is None and spec.validation >= samples:
        raise UserError(
            f"data.validation must be smaller than the training set of {spec.name}, which has"
            f" {samples:,} samples; got {spec.validation:,}",
            code="data-split",
        )


def _split(spec: DataSpec, source: Source, seed: int) -> Dataset:
    """Return the data set: permute the training set, hold out its first, limit the rest."""
    train, validation = source.train, source.validation
    drawn = {"validation"} if validation is None and spec.validation else set()
    if spec.name in READERS:  # which may have drawn both
        drawn = {"validation", "test"}
    if isinstance(train, Samples):
        order = Address(seed).stream(Purpose.DATA_SPLIT).permutation(len(train))
        if validation is None:
            classes = one_class_each(spec.name, train.y)[order] if spec.stratified else None
            held, order = held_out(order, spec.validation, classes)
            validation = train[held]
        train = train[order[: spec.train_limit]]
    assert validation is not None  # `checked` asks for it with batches
    train, validation, test = (_read_only(part) for part in (train, validation, source.test))
    return Dataset(
        train,
        validation,
        test,
        source.input_scale,
        source.byte_targets,
        source.form,
        frozenset(drawn),
    )


def _read_only(part: Part) -> Part:
    if isinstance(part, Batches):
        return part
    weights = None if part.weights is None else _view(part.weights)
    return Samples(mapped(_view, part.x), mapped(_view, part.y), weights)


def _view(array: Array) -> Array:
    view = array.view()
    view.setflags(write=False)
    return view
