"""Loading TensorFlow: without its messages, its threads and numerics set first."""

from __future__ import annotations

import gc
import logging
import os
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any, Final

from apps.errors import UserError

_BACKEND: Final = "tensorflow"

_NEVER: Final = (
    "KERAS_MAX_EPOCHS",
    "KERAS_MAX_STEPS_PER_EPOCH",
    "KERAS_NNX_ENABLED",
    "TF_USE_LEGACY_KERAS",
    "TF_ENABLE_AUTO_MIXED_PRECISION",
    "TF_AUTO_MIXED_PRECISION_GRAPH_REWRITE_LEVEL",
)
"""Variables that make another training of the same message: they are taken away."""

_TOLD: Final = (
    "TF_ENABLE_ONEDNN_OPTS",
    "TF_XLA_FLAGS",
    "XLA_FLAGS",
    "NVIDIA_TF32_OVERRIDE",
    "TF_ENABLE_CUBLAS_TENSOR_OP_MATH_FP32",
    "TF_ENABLE_CUDNN_TENSOR_OP_MATH_FP32",
    "TF_DETERMINISTIC_OPS",
    "ONEDNN_MAX_CPU_ISA",
    "ONEDNN_DEFAULT_FPMATH_MODE",
)
"""Variables that round otherwise and that a machine may need: they stay, and are told."""

GPU_MEMORY_VARIABLE: Final = "HETEROSIS_GPU_MEMORY_MB"
"""Environment variable that a site sets: most that a task takes of its GPU's memory."""

_loading = threading.Lock()
_settled = False
_computed_before = False
_log = logging.getLogger(__name__)


def prepare() -> None:
    """Set the environment that TensorFlow reads when it is imported; cheap.

    Called before a plug-in is imported, whose module may import Keras. The settings of a home
    directory, `keras.json`, do not count: Keras gets its own defaults whoever imports it.

    Raises:
        UserError: `KERAS_BACKEND` asks for another backend.
    """
    global _computed_before
    _check_backend(os.environ.setdefault("KERAS_BACKEND", _BACKEND), "KERAS_BACKEND")
    for name in _NEVER:
        os.environ.pop(name, None)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Left out, it is on by the processor: convolutions take half the time with it.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # A plug-in may compute while it is imported: after that, threads cannot be set any more.
    _computed_before |= "TF_NUM_INTRAOP_THREADS" not in os.environ and _has_computed()
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    for finder in (_quiet_finder, _plain_finder):
        if finder not in sys.meta_path:
            sys.meta_path.insert(0, finder)


def variables() -> dict[str, str]:
    """Return the environment variables that are set here and change how numbers are rounded."""
    prepare()
    return {name: os.environ[name] for name in _TOLD if name in os.environ}


@contextmanager
def collecting_later() -> Iterator[None]:
    """Pause the garbage collector while much is made that stays: modules, figures."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def load_keras(threads: int = 1) -> ModuleType:
    """Import TensorFlow and Keras, set them up once a process, and return Keras.

    Args:
        threads: intra-op threads of one task. N independent tasks fill the cores better than one
            task on N threads, and a fixed number keeps sums in a fixed order.

    Raises:
        UserError: Keras has another backend than TensorFlow.
    """
    global _settled
    with _loading:
        prepare()
        with collecting_later():
            import keras
            import tensorflow as tf

        if not _settled:
            _check_backend(keras.backend.backend(), "the backend of Keras")
            if not _plain_finder.found:  # somebody had imported Keras before
                _make_plain(keras.config)
            tf.get_logger().setLevel("ERROR")
            # RuntimeError: the process has run operations before, and its threads stay.
            with suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(threads)
            if _computed_before:
                _log.warning(
                    "TensorFlow has computed in this process before its threads could be set: sums "
                    "are shared out among all cores, and numbers may differ in their last digits "
                    "from those of other machines; set TF_NUM_INTRAOP_THREADS=1 before that, or "
                    "run in a process that has not computed yet"
                )
            for device in tf.config.list_physical_devices("GPU"):
                with suppress(RuntimeError):
                    _share(device)
                tf.config.experimental.enable_op_determinism()
            _settled = True
    module: ModuleType = keras
    return module


@contextmanager
def same_policy(plugin: str) -> Iterator[None]:
    """Let no module that is imported meanwhile set Keras's policy: networks would not have it.

    Keras keeps the policy by thread, and a module is imported once a process.

    Args:
        plugin: `"module:function"`, what is imported.

    Raises:
        UserError: a module has set it; it is put back.
    """
    before = _policy()
    yield
    if before != (now := _policy()):
        sys.modules["keras"].config.set_dtype_policy(before)
        raise UserError(
            f"{plugin.partition(':')[0]} sets the dtype policy {now!r} while it is imported, which "
            "would not reach the networks: set it in the network's builder",
            code="network-builder",
        )


def _policy() -> str:
    """Return the name of this thread's policy; Keras's own while Keras is not imported."""
    keras = sys.modules.get("keras")
    if keras is None or not hasattr(keras, "config"):  # on its way in another thread, perhaps
        return "float32"
    return str(keras.config.dtype_policy().name)


def _has_computed() -> bool:
    loaded = sys.modules.get("tensorflow.python.eager.context")
    context = getattr(loaded, "_context", None)
    return bool(getattr(context, "_initialized", False))


def _share(gpu: Any) -> None:
    """Take of a GPU what is needed, and no more than the site allows a task."""
    import tensorflow as tf

    limit = os.environ.get(GPU_MEMORY_VARIABLE)
    if limit is None:
        tf.config.experimental.set_memory_growth(gpu, True)
    else:
        most = tf.config.LogicalDeviceConfiguration(memory_limit=int(limit))
        tf.config.set_logical_device_configuration(gpu, [most])


def _check_backend(backend: str, what: str) -> None:
    if backend != _BACKEND:
        raise UserError(
            f"{what} is {backend!r}, and heterosis trains with Keras on {_BACKEND}: "
            f"`unset KERAS_BACKEND`, or set it to {_BACKEND}",
            code="environment",
        )


def _make_plain(config: Any) -> None:
    """Give Keras the defaults that a `keras.json` may have changed."""
    config.set_floatx("float32")
    config.set_epsilon(1e-7)
    config.set_image_data_format("channels_last")


_Execute = Callable[[ModuleType], None]


class _Finder(MetaPathFinder):
    """Lets one module be executed in a way of our own, wherever in a plug-in it is imported."""

    def __init__(self, name: str, executed: Callable[[_Execute, ModuleType], None]) -> None:
        self._name = name
        self._executed = executed
        self.found = False

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != self._name:
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            execute = spec.loader.exec_module

            def ours(module: ModuleType) -> None:
                self.found = True
                self._executed(execute, module)

            vars(spec.loader)["exec_module"] = ours  # a loader is made for each module
        return spec


def _quietly(execute: _Execute, module: ModuleType) -> None:
    # Two lines on missing GPUs come from C++ at every import, before any log level counts; each
    # worker would repeat them, in the middle of the driver's display. Importing TensorFlow ahead
    # of every plug-in would be simpler, and load it into drivers whose plug-ins only make data.
    with _silent_stderr():
        execute(module)


def _plainly(execute: _Execute, module: ModuleType) -> None:
    execute(module)
    _make_plain(module)


_quiet_finder: Final = _Finder("tensorflow", _quietly)
_plain_finder: Final = _Finder("keras.src.backend.config", _plainly)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    """Keep what is written to file descriptor 2, and tell it only with an error.

    C++ writes there, so replacing `sys.stderr` would not do.
    """
    if sys.stderr is not None:
        sys.stderr.flush()
    with tempfile.TemporaryFile() as kept:
        saved = os.dup(2)
        os.dup2(kept.fileno(), 2)
        try:
            yield
        except BaseException:
            os.lseek(kept.fileno(), 0, os.SEEK_SET)
            os.write(saved, kept.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
