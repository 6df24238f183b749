"""The champion of a run -> a Keras file for its users."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Final

import numpy as np

from apps.errors import HeterosisError, UserError
from apps.files import sha256_file
from apps.messages.results import ExportResult
from apps.messages.specs import TrainingSpec
from apps.messages.tasks import ExportTask, Workplace
from apps.networks.keras_compile import open_network
from apps.records.checkpoints import open_checkpoint
from apps.records.result_files import checkpoint_is_whole
from apps.records.run_dir import CHAMPION
from apps.tasks.kind import Kind
from apps.training.trainer import Trainer, trainer_for

if TYPE_CHECKING:
    import keras

_CHARACTERS: Final = 400


def export(task: ExportTask, place: Workplace) -> ExportResult:
    """Write the champion as a Keras file, open it again, and check it against its record.

    Raises:
        HeterosisError: the file opened again does not reach the recorded test accuracy (or loss).
        DamagedFile: the champion's checkpoint is not what its record says.
    """
    root = Path(place.root)
    trainer = trainer_for(task.data, task.network, task.training, task.seed, place)
    stored = open_checkpoint(task.checkpoint, place)
    # With the optimiser's own state: whoever trains the champion on goes on from it.
    optimizer = stored.optimizer
    if optimizer and stored.average:
        optimizer = trainer.member.adapted(optimizer, stored.network)
    network = replace(stored, weights=stored.network, optimizer=optimizer)
    trainer.member.load(network, np.random.default_rng(0))
    if not stored.optimizer:
        trainer.rate.multiply(1.0)  # a fresh state has the rate that the trainer was made with
    path = root / task.folder / CHAMPION
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".new-{CHAMPION}")
    try:
        opened = saved_and_opened(trainer, beside, task.training, place)
    except UserError as error:
        raise HeterosisError(
            f"{error}; its weights are in {root / task.checkpoint.path}", code=error.code
        ) from error
    final = {f"test_{name}": value for name, value in trainer.evaluate_other(opened).items()}
    for name in final.keys() & task.expected.keys():
        # Sums are taken in another order here; an accuracy may move by one sample of a tie.
        if not np.isclose(final[name], task.expected[name], rtol=1e-3, atol=2e-4):
            raise HeterosisError(
                f"{beside}: opened again, its {name} is {final[name]}, recorded "
                f"{task.expected[name]}; the file is left for inspection",
                code="champion",
            )
    beside.replace(path)
    return ExportResult(path=f"{task.folder}/{CHAMPION}", sha256=sha256_file(path), final=final)


def saved_and_opened(
    trainer: Trainer, path: Path, training: TrainingSpec, place: Workplace
) -> keras.Model:
    """Write a trainer's network as a Keras file and return what Keras makes of the file.

    Args:
        trainer: has the network in it.
        path: of the file, which stays.
        training: what it was compiled with.
        place: where plug-ins are looked for.

    Raises:
        UserError: Keras does not write it, or does not open it again.
    """
    step = "write it to a file"
    try:
        trainer.model.save(path)
        step = "open its file again"
        return open_network(path, training, place.search_path)
    except UserError:
        raise
    except OSError as error:
        raise UserError(
            f"{path}: cannot be written or read: {error.strerror or error}", code="file-system"
        ) from error
    except Exception as error:
        raise UserError(
            f"the network cannot be a champion: Keras does not {step}: {_reason(error)}; give "
            "layers, functions and losses of its own no lambdas, but names at the top level of "
            "their module, classes a get_config, and register them with "
            "@keras.saving.register_keras_serializable()",
            code="champion",
        ) from error


def _reason(error: Exception) -> str:
    """Return what Keras has to say, without the configuration that it says it of."""
    text = str(error).rpartition("Exception encountered:")[2]
    for beginning in ("Full object config:", "config={", "If you trust the source"):
        text = text.partition(beginning)[0]
    return f"{type(error).__name__}: {shorten(text, _CHARACTERS, placeholder=' ...').strip('. ')}"


def _is_whole(result: ExportResult, root: Path) -> bool:
    return checkpoint_is_whole(root / result.path, result.sha256)


KIND: Final = Kind(ExportTask, ExportResult, export, is_whole=_is_whole)
