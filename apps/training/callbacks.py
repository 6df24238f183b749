"""Keras callbacks of one member over one segment, called between its epochs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from apps.errors import HeterosisError, UserError, did_you_mean
from apps.messages.specs import OperatorSpec
from apps.plugins.load import is_plugin, load_plugin, told, unknown
from apps.runtime import load_keras

LOWERS_RATE: Final = "reduce_lr_on_plateau"
"""The callback that lowers the learning rate."""

CALLBACKS: Final = {
    "early_stopping": "EarlyStopping",
    LOWERS_RATE: "ReduceLROnPlateau",
}
"""Keras's callbacks that work by epochs and write no files, by name."""

_NEVER_CALLED: Final = (
    *("on_train_batch_begin", "on_train_batch_end", "on_batch_begin", "on_batch_end"),
    *("on_test_begin", "on_test_end", "on_test_batch_begin", "on_test_batch_end"),
)


class Callbacks:
    """The callbacks of one member over one segment."""

    def __init__(
        self,
        specs: Sequence[OperatorSpec],
        model: Any,
        epochs: int,
        folder: Path,
        search_path: str | None = None,
    ) -> None:
        """Make the callbacks.

        Args:
            specs: names in `CALLBACKS` or plug-ins (functions that return a callback), with
                settings.
            model: what is trained.
            epochs: the last epoch of the segment.
            folder: of the task; a plug-in that asks for `folder` gets it.
            search_path: where plug-ins are looked for.

        Raises:
            UserError: a callback is unknown, has wrong settings, or works by single batches.
        """
        keras = load_keras()
        made = [_made(keras, spec, folder, search_path) for spec in specs]
        self._list = keras.callbacks.CallbackList(
            made, add_history=False, add_progbar=False, model=model, epochs=epochs
        )
        self._model = model

    def begin(self) -> None:
        """Call `on_train_begin`."""
        self._model.stop_training = False
        self._tell(self._list.on_train_begin)

    def epoch_begins(self, epoch: int) -> None:
        """Call `on_epoch_begin`; epochs count from 0 over all segments."""
        self._tell(self._list.on_epoch_begin, epoch)

    def epoch_ends(self, epoch: int, metrics: Mapping[str, float]) -> bool:
        """Call `on_epoch_end`; return whether one of them stops the segment here."""
        self._tell(self._list.on_epoch_end, epoch, dict(metrics))
        return bool(self._model.stop_training)

    def end(self) -> None:
        """Call `on_train_end`: a callback may restore the weights of its best epoch."""
        self._tell(self._list.on_train_end)

    def _tell(self, function: Callable[..., Any], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception as error:
            raise HeterosisError(f"training.callbacks: {told(error)}", code="callback") from error


def check_monitors(
    specs: Sequence[OperatorSpec], metrics: Collection[str], one_rate: bool = True
) -> None:
    """Check that the metrics that callbacks monitor exist, and the learning rate that one lowers.

    Args:
        specs: as for `Callbacks`.
        metrics: names of the training metrics; `val_` before one means its value on held-out data.
        one_rate: whether the optimiser has one learning rate, and no schedule of its own.

    Raises:
        UserError: a `monitor` is none of them, or there is no rate that can be lowered.
    """
    if not one_rate and any(spec.name == LOWERS_RATE for spec in specs):
        raise UserError(
            f"training.callbacks {LOWERS_RATE!r} lowers the learning rate, and the optimiser has "
            "several or a schedule of its own: leave one of them out",
            code="callback",
        )
    known = [*metrics, *(f"val_{name}" for name in metrics)]
    for spec in specs:
        monitor = spec.params.get("monitor")
        if spec.name in CALLBACKS and monitor is not None and monitor not in known:
            raise UserError(
                f"training.callbacks {spec.name!r}: there is no metric {monitor!r} to monitor; "
                f"{did_you_mean(str(monitor), known)}there are {', '.join(known)}",
                code="callback",
            )


def _made(keras: Any, spec: OperatorSpec, folder: Path, search_path: str | None) -> Any:
    what = f"training.callbacks {spec.name!r}"
    if is_plugin(spec.name):
        function = load_plugin(spec.name, search_path)
        given = {"folder": str(folder)} if _asks_for_folder(function) else {}
    elif spec.name in CALLBACKS:
        function, given = getattr(keras.callbacks, CALLBACKS[spec.name]), {}
    else:
        raise UserError(unknown("training.callbacks", spec.name, CALLBACKS), code="unknown-name")
    try:
        made = function(**given, **spec.params)
    except (Exception, SystemExit) as error:
        raise UserError(f"{what} with {spec.params}: {told(error)}", code="callback") from error
    if not isinstance(made, keras.callbacks.Callback):
        raise UserError(
            f"{what} must return a keras.callbacks.Callback, got {type(made).__name__}",
            code="callback",
        )
    base = keras.callbacks.Callback
    # A LambdaCallback has its functions as attributes of its own.
    its = {name: getattr(made, name) for name in _NEVER_CALLED}
    if never := [n for n, f in its.items() if getattr(f, "__func__", f) is not getattr(base, n)]:
        raise UserError(
            f"{what} has {never[0]}, which is never called: an epoch is one compiled program, and "
            "so is an evaluation; use on_epoch_end, or a train_step of the model's own",
            code="callback",
        )
    return made


def _asks_for_folder(function: Callable[..., Any]) -> bool:
    return "folder" in inspect.signature(function).parameters
