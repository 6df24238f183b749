from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from apps import runtime
from apps.errors import UserError
from apps.messages.fingerprints import from_json, to_json
from apps.messages.results import TrainResult
from apps.runtime import collecting_later, load_keras
from tests.support.small import ADAM, net, training

ROOT = Path(__file__).parents[2]


def test_keras_is_loaded_once_for_all_threads() -> None:
    found: list[Any] = []
    threads = [threading.Thread(target=lambda: found.append(load_keras())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [module.__name__ for module in found] == ["keras"] * 4
    assert all(module is sys.modules["keras"] for module in found)
    assert found[0].backend.backend() == "tensorflow"


@pytest.mark.parametrize("enabled", [True, False])
def test_garbage_is_collected_as_before_once_all_is_made(enabled: bool) -> None:
    usual = gc.isenabled()
    (gc.enable if enabled else gc.disable)()
    try:
        with suppress(ArithmeticError), collecting_later(), collecting_later():
            assert not gc.isenabled()
            raise ArithmeticError
        assert gc.isenabled() is enabled
    finally:
        (gc.enable if usual else gc.disable)()


@pytest.mark.parametrize(("limit", "expected"), [(None, "grows"), ("4000", [4000])])
def test_a_task_takes_of_a_gpu_what_the_site_allows(
    limit: str | None, expected: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tensorflow as tf

    taken: list[Any] = []
    monkeypatch.delenv(runtime.GPU_MEMORY_VARIABLE, raising=False)
    if limit is not None:
        monkeypatch.setenv(runtime.GPU_MEMORY_VARIABLE, limit)
    monkeypatch.setattr(
        tf.config.experimental, "set_memory_growth", lambda gpu, on: taken.append("grows")
    )
    monkeypatch.setattr(
        tf.config,
        "set_logical_device_configuration",
        lambda gpu, parts: taken.append([part.memory_limit for part in parts]),
    )
    runtime._share("GPU:0")
    assert taken == [expected]


def test_what_a_library_says_while_loading_is_heard_only_when_it_fails(
    capfd: pytest.CaptureFixture[str],
) -> None:
    def load(remark: bytes, error: ImportError | None = None) -> None:
        with runtime._silent_stderr():
            os.write(2, remark)
            if error:
                raise error

    load(b"a remark")
    os.write(2, b"heard ")
    with pytest.raises(ImportError, match="missing"):
        load(b"the reason", ImportError("missing"))
    assert capfd.readouterr().err == "heard the reason"


EARLY = {
    "imports": "import keras\n",
    "computes": "import keras\n\nSTATE = keras.Variable([1.0])\n",
    "imports a part": "from tensorflow.python import keras\n",
}
"""What plug-ins do while they are imported."""

PLAIN = ["float32 1e-07 channels_last", "float32 None"]
"""Keras's own settings."""

TELL = """
print(keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format())
print(keras.layers.Dense(1).compute_dtype, keras.config.max_epochs(), flush=True)
"""

WORKER = f"""
import os
import sys
from apps.messages.fingerprints import from_json, to_json
from apps.messages.tasks import TrainTask, Workplace
from apps.plugins.load import load_plugin
from apps.runtime import load_keras
from apps.tasks.train import train_member
root, *plugin = sys.argv[1:]
if plugin:
    load_plugin(*plugin)
keras = load_keras(1)
import tensorflow as tf
tf.constant(1) + 1
{TELL}
print(keras.backend.backend(), tf.get_logger().level, os.environ["TF_ENABLE_ONEDNN_OPTS"])
print(tf.config.threading.get_intra_op_parallelism_threads())
print(os.environ["TF_NUM_INTRAOP_THREADS"])
print(tf.__loader__ is tf.__spec__.loader, type(tf.__loader__).__name__, flush=True)
task = from_json(TrainTask, sys.stdin.buffer.read())
sys.stdout.buffer.write(to_json(train_member(task, Workplace(root))))
"""


def fresh_process(
    home: Path, code: str, *arguments: str, given: bytes = b""
) -> subprocess.CompletedProcess[bytes]:
    """A Python process that has inherited none of the settings of this one.

    Args:
        home: its home directory, which has settings of Keras.
        code: what it runs.
        arguments: its own.
        given: what it reads.
    """
    ours = ("TF_", "KERAS_")
    env = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        input=given,
        env=env | {"HOME": str(home)},
        cwd=ROOT,
        capture_output=True,
    )
    assert done.returncode == 0, done.stderr
    return done


def at_home(folder: Path, **more: str) -> Path:
    """Return a home directory with settings of Keras that would change the numbers."""
    settings = {"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"}
    (folder / ".keras").mkdir()
    (folder / ".keras" / "keras.json").write_text(json.dumps(settings | more))
    return folder


@dataclass(frozen=True)
class Worked:
    """What a fresh process says of its settings and is heard to say, and the member it trained."""

    keras: list[str]
    others: list[str]
    heard: bytes
    member: TrainResult


def worked(folder: Path, *plugin: str) -> Worked:
    """Let a process load a plug-in, if there is one, and train a member step by step."""
    given = to_json(training(network=net("eager"), training=ADAM))
    home = at_home(folder, backend="jax")
    found = fresh_process(home, WORKER, str(folder), *plugin, given=given)
    *said, result = found.stdout.split(b"\n", 6)
    lines = [line.decode() for line in said]
    return Worked(lines[:2], lines[2:], found.stderr, from_json(TrainResult, result))


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Worked:
    """A process without plug-ins."""
    return worked(tmp_path_factory.mktemp("run"))


@pytest.mark.slow
def test_settings_of_a_home_directory_never_count(alone: Worked) -> None:
    assert alone.keras == PLAIN
    assert alone.heard == b""


@pytest.mark.slow
@pytest.mark.parametrize("source", EARLY.values(), ids=EARLY.keys())
def test_a_plugin_that_imports_keras_changes_no_setting_and_no_number_and_is_heard_alone(
    tmp_path: Path, alone: Worked, source: str
) -> None:
    says = "import sys\n\nprint({!r}, file=sys.stderr)\n"
    text = f"{says.format('before')}{source}{says.format('after')}\n\ndef build(): ...\n"
    (tmp_path / "early.py").write_text(text)
    found = worked(tmp_path, "early:build", str(tmp_path))
    assert found.heard == b"before\nafter\n"
    assert found.keras == PLAIN
    backend, threads, threads_if_unset, loader = found.others
    assert backend == "tensorflow 40 1"
    assert (threads, threads_if_unset) == ("0" if "Variable" in source else "1", "1")
    assert loader == "True SourceFileLoader"
    assert found.member.final == alone.member.final
    assert found.member.checkpoint.sha256 == alone.member.checkpoint.sha256


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["", "1"])
def test_after_an_import_of_keras_its_settings_are_undone_and_late_threads_told(
    tmp_path: Path, threads: str
) -> None:
    code = f"""
import os
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
if {threads!r}:
    os.environ["TF_NUM_INTRAOP_THREADS"] = {threads!r}
if not {threads!r}:
    import keras
import tensorflow as tf
tf.constant(1) + 1
from apps.runtime import load_keras
keras = load_keras()
{TELL}
"""
    # Before us nobody keeps Keras from another backend.
    found = fresh_process(at_home(tmp_path), code)
    assert found.stdout.decode().splitlines() == PLAIN
    said = found.stderr.decode()
    assert ("before its threads could be set" in said) == (not threads)


def test_another_backend_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    with pytest.raises(UserError, match=r"KERAS_BACKEND is 'jax'.*unset KERAS_BACKEND") as caught:
        runtime.prepare()
    assert caught.value.code == "environment"


def test_variables_that_train_otherwise_are_taken_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KERAS_MAX_EPOCHS", "1")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "0")
    assert runtime.variables()["NVIDIA_TF32_OVERRIDE"] == "0"
    assert "KERAS_MAX_EPOCHS" not in os.environ
