"""What looks odd of a table is told, and what does not is not."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from apps.datasets.load import describe, told
from apps.messages.specs import DataSpec

ROWS = 60
RNG = np.random.default_rng(1)
X = RNG.normal(size=ROWS)
Y = X * 2 + RNG.normal(size=ROWS)
WORDS = np.resize(["a", "b", "c"], ROWS)
KIND = np.resize(["no", "yes", "no", "no"], ROWS)

ODD: dict[str, tuple[pd.DataFrame, str]] = {
    "saved index": (
        pd.DataFrame({"": range(ROWS), "x": X, "y": Y}),
        r"'Unnamed: 0' has no name and counts the rows",
    ),
    "row numbers": (pd.DataFrame({"id": range(7, 7 + ROWS), "y": Y}), "'id' counts the rows"),
    "as floats": (pd.DataFrame({"id": np.arange(ROWS) + 1.0, "y": Y}), "'id' counts the rows"),
    "constant": (pd.DataFrame({"x": X, "c": 3, "w": "w", "y": Y}), "columns 'c', 'w' are the same"),
    "names": (pd.DataFrame({"w": [f"n{n}" for n in range(ROWS)], "y": Y}), "names the rows"),
    "dates": (
        pd.DataFrame({"d": pd.date_range("2024-01-01", periods=ROWS).astype(str), "y": Y}),
        "these are dates",
    ),
    "american": (
        pd.DataFrame({"d": np.resize(["1/31/2024", "2/1/24 10:00"], ROWS), "y": Y}),
        "dates",
    ),
    "comma": (pd.DataFrame({"x": np.resize(["1,5", "2,25", "3"], ROWS), "y": Y}), "with a comma"),
    "groups": (
        pd.DataFrame({"x": np.resize(["1 500", "12 250", "3"], ROWS), "y": Y}),
        'thousands = " "',
    ),
    "minus": (
        pd.DataFrame({"x": np.resize(["\u22121.5", "2.5", "3"], ROWS), "y": Y}),
        "is of numbers with signs",
    ),
    "codes": (
        pd.DataFrame({"x": np.resize(["02139", "10001", "00501"], ROWS), "y": Y}),
        r"'x' has numbers with a 0 before them, such as 02139, .*\n?.*categorical",
    ),
    "question": (
        pd.DataFrame({"x": np.resize(["1", "2", "3", "?", "5.5"], ROWS), "y": Y}),
        r'would be numbers but for \'\?\', and becomes 5 inputs.*missing = \["\?"\]',
    ),
    "the target": (pd.DataFrame({"x": X, "t": Y, "y": Y}), "'t' is the target 'y' in another form"),
    "scaled": (pd.DataFrame({"x": X, "t": 3 - 2 * Y, "y": Y}), "'t' is the target 'y'"),
    "words": (
        pd.DataFrame({"x": X, "t": np.where(KIND == "no", "n", "j"), "y": KIND}),
        "'t' is the target 'y'",
    ),
    "spaces": (
        pd.DataFrame({"w": np.resize(["Bath", "bath ", "Ely"], ROWS), "y": Y}),
        "'Bath' and 'bath ', which are different words",
    ),
    "classes": (
        pd.DataFrame({"x": X, "y": np.resize(["No", "yes", "no "], ROWS)}),
        "the target 'y' has 'No' and 'no ', which are different words",
    ),
    "per cent": (
        pd.DataFrame({"x": np.resize(["1.5%", "2%", "3 %"], ROWS), "y": Y}),
        r"'x' is of numbers with signs, such as '1\.5%'",
    ),
    "money": (
        pd.DataFrame({"x": np.resize(["$1,500.5", "$2", "-3 €"], ROWS), "y": Y}),
        "'x' is of numbers with signs",
    ),
    "placeholder": (
        pd.DataFrame({"x": np.where(np.arange(ROWS) % 7, X, -999), "y": Y}),
        r"'x' has the number -999 in \d+ training rows",
    ),
    "placeholder of the target": (
        pd.DataFrame({"x": X, "y": np.where(np.arange(ROWS) % 7, Y, 9999)}),
        r"'y' has the number 9999 in \d+ training rows",
    ),
    "name": (pd.DataFrame({" x": X, "y": Y}), "the name ' x' begins or ends with a space"),
    "rare": (
        pd.DataFrame({"w": [f"z{n}" if n % 9 == 5 else "abc"[n % 3] for n in range(ROWS)], "y": Y}),
        "values that no training row has",
    ),
}


def remarks(frame: pd.DataFrame, folder: Path) -> tuple[str, ...]:
    frame.to_csv(folder / "t.csv", index=False)
    params = {"path": "t.csv", "target": "y"}
    return told(DataSpec("table", params, validation=10), 3, str(folder)).remarks


@pytest.mark.parametrize("name", list(ODD))
def test_what_looks_odd_is_told(name: str, tmp_path: Path) -> None:
    frame, expected = ODD[name]
    found = remarks(frame, tmp_path)
    assert [each for each in found if re.search(expected, each)], found


def test_what_looks_well_is_not(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"x": X, "w": WORDS, "n": RNG.integers(0, 9, ROWS), "t": X > 0, "zip": WORDS + "01"}
    )
    assert remarks(frame.assign(y=Y), tmp_path) == ()
    assert remarks(frame.assign(y=KIND), tmp_path) == ()


def test_columns_and_their_inputs_are_named(tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": X, "b": X, "c": X, "w": WORDS, "z": X, "id": X, "y": KIND})
    frame.to_csv(tmp_path / "t.csv", index=False)
    params = {"path": "t.csv", "target": "y", "drop": ["id"]}
    lines = describe(DataSpec("table", params, validation=10), str(tmp_path)).splitlines()
    assert "  a ... c: 3 columns of numbers -> inputs 0 to 2" in lines
    assert "  w: 3 values, 'a', 'b', 'c' -> inputs 3 to 5" in lines
    assert "  z: numbers -> input 6" in lines
    assert "  not used: id" in lines
    assert any(line.startswith("  y: 2 classes, with training rows: no (") for line in lines)
