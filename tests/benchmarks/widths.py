"""Merging networks of different widths: how the narrow one is widened before it is aligned.

`python tests/benchmarks/widths.py [SEEDS]` prints CSV. By `zeros` as `apps.genetics.morphism` does,
new units behind zeros; by `copies`, each unit as many times as the wide network has more of them.
Aligned, copies are the optimal transport of OTFusion (Singh and Jaggi 2020, arXiv:1910.05653) for
equal masses: where one width divides the other, its best plan is a matching of copies.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any, Final

import numpy as np
import pandas as pd

from apps.architecture.morphable import anatomy
from apps.datasets.load import load_dataset
from apps.genetics.alignment import align
from apps.genetics.morphism import morph
from apps.genetics.weights import Weights
from apps.messages.specs import DataSpec
from apps.networks.build import assign, named_weights, read
from apps.networks.builders import mlp

PAIRS: Final = (((64,), (128,)), ((32,), (128,)), ((64, 64), (128, 128)))
EPOCHS: Final = 3


def rows(seeds: int) -> Iterator[dict[str, Any]]:
    """Measure held-out losses: of both parents, of their means, and after an epoch more."""
    import keras

    data = load_dataset(DataSpec("fashion_mnist", train_limit=30_000), 0)
    scale = np.float32(data.input_scale)
    (x, y), (held_x, held_y) = ((part.x * scale, part.y) for part in (data.train, data.validation))

    def trained(model: Any, weights: Weights | None, epochs: int, seed: int) -> float:
        keras.utils.set_random_seed(seed)
        model.compile(keras.optimizers.Adam(0.001), "sparse_categorical_crossentropy")
        if weights is not None:
            assign(named_weights(model), weights)
        if epochs:
            model.fit(x, y, batch_size=128, epochs=epochs, verbose=0)
        return float(model.evaluate(held_x, held_y, batch_size=2000, verbose=0))

    for narrow, wide in PAIRS:
        for seed in range(seeds):
            models = []
            for number, widths in enumerate((narrow, wide)):
                keras.utils.set_random_seed(2 * seed + number)
                models.append(mlp(widths))
            small, large = models
            fresh = read(named_weights(large))
            losses = [trained(model, None, EPOCHS, seed) for model in models]
            parents = [read(named_weights(model)) for model in models]
            spec = anatomy(large).spec
            ways = {
                "zeros": morph(
                    np.random.default_rng(0), parents[0], fresh, anatomy(small), anatomy(large)
                ).weights,
                "copies": copied(parents[0], wide[0] // narrow[0]),
            }
            for way, widened in ways.items():
                assert abs(trained(large, widened, 0, seed) - losses[0]) < 1e-3
                moved = align(np.random.default_rng(0), parents[1], widened, spec)
                for name, other in (("plain", widened), ("aligned", moved)):
                    mean = {key: (array + other[key]) / 2 for key, array in parents[1].items()}
                    yield {
                        "widths": f"{list(narrow)} and {list(wide)}",
                        "seed": seed,
                        "widened": way,
                        "merged": name,
                        "narrow": losses[0],
                        "wide": losses[1],
                        "mean": trained(large, mean, 0, seed),
                        "mean_trained_on": trained(large, mean, 1, seed),
                        "wide_trained_on": trained(large, parents[1], 1, seed),
                    }


def copied(network: Weights, times: int) -> dict[str, Any]:
    """Repeat every hidden unit of a dense network, its weights out shared among the copies."""
    made: dict[str, Any] = {}
    kernels = [name for name in network if name.endswith("kernel")]
    for number, name in enumerate(kernels):
        kernel, bias = network[name], network[name.replace("kernel", "bias")]
        if number:
            kernel = np.repeat(kernel, times, 0) / times
        if number < len(kernels) - 1:
            kernel, bias = np.repeat(kernel, times, 1), np.repeat(bias, times)
        made |= {name: kernel.astype(np.float32), name.replace("kernel", "bias"): bias}
    return made


if __name__ == "__main__":
    table = pd.DataFrame(rows(int((sys.argv[1:] or ["3"])[0])))
    print(table.round(4).to_csv(index=False), end="")
