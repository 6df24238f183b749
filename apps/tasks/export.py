"""The champion of a run -> a Keras file for its users."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np

from apps.errors import HeterosisError
from apps.files import sha256_file
from apps.messages.results import ExportResult
from apps.messages.tasks import ExportTask, Workplace
from apps.networks.keras_compile import open_network
from apps.records.checkpoints import load_checkpoint
from apps.records.result_files import checkpoint_is_whole
from apps.tasks.kind import Kind
from apps.training.trainer import trainer_for

CHAMPION: Final = "champion.keras"


def export(task: ExportTask, place: Workplace) -> ExportResult:
    """Write the champion as a Keras file, open it again, and check it against its record.

    Raises:
        HeterosisError: the file opened again does not reach the recorded test accuracy (or loss).
        DamagedFile: the champion's checkpoint is not what its record says.
    """
    root = Path(place.root)
    trainer = trainer_for(task.data, task.network, task.training, task.seed, place)
    stored = load_checkpoint(root / task.checkpoint.path, task.checkpoint.sha256)
    # With the optimiser's own state: whoever trains the champion on goes on from it.
    trainer.member.load(replace(stored, weights=stored.network), np.random.default_rng(0))
    path = root / task.folder / CHAMPION
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".new-{CHAMPION}")
    trainer.model.save(beside)
    try:
        opened = open_network(beside, task.training, place.search_path)
    except Exception as error:
        raise HeterosisError(
            f"{beside}: Keras does not open it again ({type(error).__name__}): write the network's "
            "own classes at the top level of its module, with get_config, and register them with "
            "keras.saving.register_keras_serializable; the file is left for inspection",
            code="champion",
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


def _is_whole(result: ExportResult, root: Path) -> bool:
    return checkpoint_is_whole(root / result.path, result.sha256)


KIND: Final = Kind(ExportTask, ExportResult, export, is_whole=_is_whole)
