"""A project whose files have the names of our packages, and another project's on the path."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]

NEAR: Final = "the project's own"
FAR: Final = "another project's"

_SAYS: Final = """
def says(who):
    import utils  # late, on whatever worker
    from pathlib import Path
    Path(__file__).with_name(f"seen-{who}.txt").write_text(utils.WHOSE)
"""

FILES: Final = {
    "utils.py": f'WHOSE = "{NEAR}"\n',
    "analysis.py": f"""
from functools import cache
from apps import halves
{_SAYS}

def mutate(rng, weights, keep=frozenset()):
    says("mutation")
    return {{name: value if name in keep else halves(2 * value) for name, value in weights.items()}}


def accuracy(y, output):
    import keras

    return keras.metrics.sparse_categorical_accuracy(y, output)
""",
    "apps.py": f"""
{_SAYS}

def halves(x):
    return x / 2


def network(width=4):
    import keras

    says("network")
    layers = [keras.layers.Dense(width, "relu"), keras.layers.Dense(2, "softmax")]
    return keras.Sequential([keras.Input((2,)), *layers])
""",
    "workflow/data.py": """
from pathlib import Path
import numpy as np


def load(samples=60):
    import analysis
    import utils

    Path(utils.__file__).with_name("seen-data.txt").write_text(utils.WHOSE)
    assert analysis.halves(4) == 2
    x = np.random.default_rng(1).normal(size=(samples, 2)).astype("float32")
    return (x, (x[:, 0] > 0).astype(int)), (x[:10], (x[:10, 0] > 0).astype(int))
""",
    "experiment.toml": """
name = "names"
population = 2
data = { name = "workflow.data:load", validation = 20 }
network = { builder = "apps:network" }
training = { epochs = 2, metrics = ["analysis:accuracy"] }

[[arms]]
name = "control"

[[arms]]
name = "mutated"
halts = [1]
parents = 1
mutation = "analysis:mutate"
""",
}


def project(folder: Path) -> Path:
    """Write both projects below a folder; return the one whose experiment is run."""
    own, other = folder / "own", folder / "other"
    for name, text in FILES.items():
        path = own / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    other.mkdir()
    (other / "utils.py").write_text(f'WHOSE = "{FAR}"\n')
    return own


def environment(own: Path) -> dict[str, str]:
    """Return what a user's shell has: the current folder and both projects before all else.

    An empty entry is the current folder: `PYTHONPATH=$PYTHONPATH:more` of nothing begins with one.
    """
    places = ["", str(own.with_name("other")), str(own), str(ROOT)]
    return os.environ | {"PYTHONPATH": os.pathsep.join(places)}
