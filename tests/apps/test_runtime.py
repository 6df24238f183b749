from __future__ import annotations

import os
import sys
import threading
from typing import Any

import pytest

from apps import runtime
from apps.runtime import load_keras


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
