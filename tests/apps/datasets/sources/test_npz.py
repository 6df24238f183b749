"""Arrays of the user's own in an npz file: what is read, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from apps.datasets.load import describe, load_dataset
from tests.support.data_files import X, Y, refused, spec


def parts(**more: Any) -> dict[str, Any]:
    return {"x_train": X, "y_train": Y, "x_test": X[:5], "y_test": Y[:5]} | more


def test_npz_in_parts_is_taken_as_it_is(tmp_path: Path) -> None:
    held = {"x_validation": X[:3], "y_validation": Y[:3]}
    np.savez(tmp_path / "data.npz", **parts(**held, w_train=Y + 1.0))
    given = spec("npz", path="data.npz")
    data = load_dataset(given, 0, str(tmp_path))
    assert (len(data.train), len(data.validation), len(data.test)) == (20, 3, 5)
    order = data.train.x[:, 0].astype(int) // 3
    np.testing.assert_array_equal(data.train.weights, Y[order] + 1)
    assert "20 training, 3 validation and 5 test samples, inputs [3] float32" in describe(
        given, str(tmp_path)
    )


def test_npz_that_is_whole_is_split_by_a_seed(tmp_path: Path) -> None:
    np.savez(tmp_path / "data.npz", x=X, y=Y)

    def tested(experiments: int, **params: Any) -> list[int]:
        data = load_dataset(spec("npz", path="data.npz", **params), experiments, str(tmp_path))
        rows = [part.x[:, 0] for part in (data.train, data.validation, data.test)]
        assert sorted(np.concatenate(rows)) == X[:, 0].tolist()
        return (data.test.x[:, 0] / 3).astype(int).tolist()

    assert len(tested(1)) == 4
    assert len(tested(1, test=0.5)) == 10
    assert len(tested(1, test=7)) == 7
    assert tested(1) != tested(2)
    assert tested(1, seed=9) == tested(2, seed=9)


@pytest.mark.parametrize(
    ("arrays", "params", "expected"),
    [
        ({"x": X}, {}, "there is no array y, it holds x; write it with numpy.savez"),
        ({"x": X, "y": Y[:3]}, {}, r"x and y must be of one length, got x \(20, 3\), y \(3,\)"),
        ({"x": X, "y": Y, "x_test": X}, {}, "holds x and y, to be split, and x_test"),
        ({"x": X, "y": Y}, {"test": 20}, "are 20 for testing: both parts need at least one"),
        (parts(x_val=X), {}, "holds x_val; known names are x, .*w_test$"),
        (parts(), {"test": 0.5}, "has parts of its own"),
        (parts(x_validation=X), {}, "there is no array y_validation"),
        (parts(x_test=X[:5, :2]), {}, r"x_test must be like x_train.*\(3,\).*\(2,\)"),
        ({"x": X, "y": np.array([{}] * 20, object)}, {}, "not a file of numeric arrays"),
    ],
)
def test_npz_that_does_not_fit_is_refused(
    arrays: dict[str, Any], params: dict[str, Any], expected: str, tmp_path: Path
) -> None:
    np.savez(tmp_path / "data.npz", **arrays)
    refused(spec("npz", path="data.npz", **params), tmp_path, expected)


def test_npz_that_is_none_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("x,y\n1,2\n")
    refused(spec("npz"), tmp_path, "data: not a file of numeric arrays that numpy.savez wrote")
