"""A data function in a file of the user's, and the files that it reads."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest

from apps.datasets.load import load_dataset, prepare
from apps.errors import UserError
from apps.messages.specs import DataSpec
from apps.plugins.sources import files_named, plugin_digest

pytestmark = pytest.mark.usefixtures("nothing_kept")


def test_plugin_is_found_beside_the_experiment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    source = tmp_path / "data_beside_the_experiment.py"
    source.write_text(
        "import numpy as np\n"
        "def load(n):\n"
        "    x = np.zeros((n, 3)); y = np.arange(n)\n"
        "    return (x, y), (x, y)\n"
    )
    name = "data_beside_the_experiment:load"
    spec = DataSpec(name, params={"n": 5}, validation=1)
    assert len(load_dataset(spec, 0, str(tmp_path)).train.y) == 4
    known = replace(spec, digest=plugin_digest(name, str(tmp_path)))
    prepare(known, str(tmp_path))
    source.write_text(source.read_text() + "# changed\n")
    with pytest.raises(UserError, match="has changed since this run began"):
        prepare(known, str(tmp_path))


def test_a_file_of_a_plugin_that_is_gone_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "data_of_a_file.py").write_text("def load(path, kind):\n    return path\n")
    (tmp_path / "d.npz").write_bytes(b"1")
    name, params = "data_of_a_file:load", {"path": "d.npz", "kind": "plain"}
    digest = plugin_digest(name, str(tmp_path), files_named(name, params, str(tmp_path)))
    (tmp_path / "d.npz").unlink()
    with pytest.raises(UserError) as caught:
        prepare(DataSpec(name, params=params, validation=1, digest=digest), str(tmp_path))
    assert f"data_of_a_file.py; there is no d.npz in {tmp_path}" in str(caught.value)
    assert "plain" not in str(caught.value)
    assert caught.value.code == "data-changed"
