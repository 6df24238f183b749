"""Loading TensorFlow on a worker: quietly, with its threads and its numerics fixed first."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Final

_loading = threading.Lock()
_settled = False


def prepare() -> None:
    """Set what TensorFlow reads when it is imported, whoever imports it; cheap.

    Called before a plug-in is imported, whose module may import Keras.
    """
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Left out, it is on by the processor: convolutions take half the time with it.
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    # A plug-in may compute while it is imported: after that, threads cannot be set any more.
    os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")
    if _quiet_finder not in sys.meta_path:
        sys.meta_path.insert(0, _quiet_finder)


def load_keras(threads: int = 1) -> ModuleType:
    """Import TensorFlow and Keras, set them up once a process, and return Keras.

    Args:
        threads: intra-op threads of one task. N independent tasks fill the cores better than one
            task on N threads, and a fixed number keeps sums in a fixed order.
    """
    global _settled
    with _loading:
        prepare()
        import keras
        import tensorflow as tf

        if not _settled:
            tf.get_logger().setLevel("ERROR")
            # RuntimeError: the process has run operations before, and its threads stay.
            with suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(threads)
            for device in tf.config.list_physical_devices("GPU"):
                with suppress(RuntimeError):
                    tf.config.experimental.set_memory_growth(device, True)
                tf.config.experimental.enable_op_determinism()
            _settled = True
    module: ModuleType = keras
    return module


class _QuietFinder(MetaPathFinder):
    """Lets TensorFlow be imported without its remarks, wherever in a plug-in that happens."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname != "tensorflow":
            return None
        spec = PathFinder.find_spec(fullname, path, target)
        if spec is not None and spec.loader is not None:
            spec.loader = _QuietLoader(spec.loader)
        return spec


_quiet_finder: Final = _QuietFinder()


class _QuietLoader(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        with _silent_stderr():
            self._loader.exec_module(module)


@contextmanager
def _silent_stderr() -> Iterator[None]:
    # TensorFlow writes remarks on missing GPUs from C++ before its log level counts.
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
