"""Loading TensorFlow on a worker: quietly, with its threads and its numerics fixed first."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from types import ModuleType

_loading = threading.Lock()


def load_keras(threads: int = 1) -> ModuleType:
    """Import TensorFlow and Keras, once a process, and return Keras.

    Args:
        threads: intra-op threads of one task. N independent tasks fill the cores better than one
            task on N threads, and a fixed number keeps sums in a fixed order.
    """
    with _loading:
        if "keras" not in sys.modules or "tensorflow" not in sys.modules:
            os.environ.setdefault("KERAS_BACKEND", "tensorflow")
            os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
            # oneDNN sums in an order that depends on the machine's load.
            os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "0")
            with _silent_stderr():
                import tensorflow as tf
            tf.get_logger().setLevel("ERROR")
            # RuntimeError: the process has run operations before, and its threads stay.
            with suppress(RuntimeError):
                tf.config.threading.set_intra_op_parallelism_threads(threads)
            for device in tf.config.list_physical_devices("GPU"):
                with suppress(RuntimeError):
                    tf.config.experimental.set_memory_growth(device, True)
    module: ModuleType = sys.modules["keras"]
    return module


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
