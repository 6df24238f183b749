from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from contextlib import suppress
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


PLUGINS = {
    "imports": "import keras\n",
    "computes": "import keras\n\nSTATE = keras.Variable([1.0])\n",
    "imports a part": "from tensorflow.python import keras\n",
}


def fresh_process(*arguments: str, given: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    """A Python process that has inherited none of the settings of this one."""
    ours = ("TF_", "KERAS_")
    return subprocess.run(
        [sys.executable, *arguments],
        input=given,
        env={key: value for key, value in os.environ.items() if not key.startswith(ours)},
        cwd=ROOT,
        capture_output=True,
    )


def plugin(folder: Path, source: str) -> tuple[str, str]:
    """Write a plug-in that says something before and after its imports."""
    says = "import sys\n\nprint({!r}, file=sys.stderr)\n"
    text = f"{says.format('before')}{source}{says.format('after')}\n\ndef build(): ...\n"
    (folder / "early.py").write_text(text)
    return "early:build", str(folder)


@pytest.mark.slow
@pytest.mark.parametrize("source", PLUGINS.values(), ids=PLUGINS.keys())
def test_a_plugin_that_imports_keras_changes_no_setting_and_is_heard_alone(
    tmp_path: Path, source: str
) -> None:
    code = f"""if True:
        import os
        from apps.plugins.load import load_plugin
        from apps.runtime import collecting_later, load_keras
        load_plugin(*{plugin(tmp_path, source)})
        keras = load_keras(1)
        import tensorflow as tf
        tf.constant(1) + 1
        print(keras.backend.backend(), tf.get_logger().level, os.environ["TF_ENABLE_ONEDNN_OPTS"])
        print(tf.config.threading.get_intra_op_parallelism_threads())
        print(os.environ["TF_NUM_INTRAOP_THREADS"])
        print(tf.__loader__ is tf.__spec__.loader, type(tf.__loader__).__name__)
    """
    found = fresh_process("-c", code)
    assert found.stderr == b"before\nafter\n"
    backend, threads, threads_if_unset, loader = found.stdout.decode().splitlines()
    assert backend == "tensorflow 40 1"
    assert (threads, threads_if_unset) == ("0" if "Variable" in source else "1", "1")
    assert loader == "True SourceFileLoader"


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["", "1"])
def test_threads_that_cannot_be_set_any_more_are_told(threads: str) -> None:
    code = f"""if True:
        import os
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
        if {threads!r}:
            os.environ["TF_NUM_INTRAOP_THREADS"] = {threads!r}
        import tensorflow as tf
        tf.constant(1) + 1
        from apps.runtime import collecting_later, load_keras
        load_keras()
    """
    said = fresh_process("-c", code).stderr.decode()
    assert ("before its threads could be set" in said) == (not threads)


CODE = """if True:
    import sys
    sys.path.append({folder!r})
    {first}
    from apps.runtime import collecting_later, load_keras
    keras = load_keras()
    print(keras.config.floatx(), keras.config.epsilon(), keras.config.image_data_format())
    print(keras.layers.Dense(1).compute_dtype, keras.config.max_epochs())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    "first", ["", "import keras", "from apps.plugins.load import load_plugin; load_plugin('own:f')"]
)
def test_settings_of_a_home_directory_never_count(
    tmp_path: Path, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / ".keras"
    home.mkdir()
    settings = '"floatx": "float16", "epsilon": 0.1, "image_data_format": "channels_first"'
    (home / "keras.json").write_text(f'{{{settings}, "backend": "jax"}}')
    (tmp_path / "own.py").write_text("import keras\ndef f(): ...")
    monkeypatch.setenv("HOME", str(tmp_path))
    if "keras" in first and "own" not in first:  # before us nobody keeps Keras from another backend
        (home / "keras.json").write_text(f"{{{settings}}}")
    found = fresh_process("-c", CODE.format(folder=str(tmp_path), first=first))
    assert found.stdout.decode() == "float32 1e-07 channels_last\nfloat32 None\n", found.stderr


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


@pytest.fixture(scope="module")
def eager(tmp_path_factory: pytest.TempPathFactory) -> TrainResult:
    """A member trained step by step, in a process without plug-ins that import Keras."""
    root = tmp_path_factory.mktemp("run")
    given = to_json(training(network=net("eager"), training=ADAM))
    found = fresh_process("-m", "tests.support.elsewhere", str(root), given=given)
    return from_json(TrainResult, found.stdout.split(b"\n", 1)[1])


@pytest.mark.slow
@pytest.mark.parametrize("source", [PLUGINS["imports"], PLUGINS["computes"]])
def test_a_plugin_that_imports_keras_changes_no_number(
    tmp_path: Path, eager: TrainResult, source: str
) -> None:
    given = to_json(training(network=net("eager"), training=ADAM))
    early = plugin(tmp_path, source)
    found = fresh_process("-m", "tests.support.elsewhere", str(tmp_path), *early, given=given)
    result = from_json(TrainResult, found.stdout.split(b"\n", 1)[1])
    assert result.final == eager.final
    assert result.checkpoint.sha256 == eager.checkpoint.sha256
