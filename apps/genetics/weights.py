"""A network's weights as plain data: named arrays, in the network's order.

Only floating arrays are genes. Any other array (a counter, a seed's state) is carried over from
the first parent, untouched, by every operator.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from apps.genetics.errors import GeneticsError

Array = NDArray[Any]
Weights = Mapping[str, Array]


def is_floating(array: Array) -> bool:
    """Tell whether an array holds genes: floating-point numbers, bfloat16 included.

    Args:
      array: any array.

    Returns:
      True for every floating dtype; the extension types (bfloat16, float8) are known by name,
      since NumPy does not count them as floating.

    >>> is_floating(np.zeros(2, np.float16)), is_floating(np.zeros(2, np.int64))
    (True, False)
    """
    floating = np.issubdtype(array.dtype, np.floating)
    return bool(floating) or array.dtype.name.startswith(("float", "bfloat"))


def check_alike(networks: Sequence[Weights]) -> None:
    """Check that networks are of one architecture: the same names, each of one shape.

    Args:
      networks: at least one network; the first one is the model for the others.

    Raises:
      GeneticsError: no network, or a name or a shape that differs; names the array.

    >>> check_alike([{"bias": np.zeros(2)}, {"bias": np.ones(2)}])
    >>> check_alike([{"bias": np.zeros(2)}, {"bias": np.zeros(3)}])
    Traceback (most recent call last):
    ...
    apps.genetics.errors.GeneticsError: Networks must share one architecture: array 'bias' has \
shape (2,) in network 0 and (3,) in network 1. Combine only members of one architecture.
    """
    if not networks:
        raise GeneticsError("At least one network is needed, received none. Pass its weights.")
    rule, advice = "Networks must share one architecture", "Combine only members of one"
    first = networks[0]
    for number, other in enumerate(networks[1:], start=1):
        for name in [*first, *(name for name in other if name not in first)]:
            if name not in first or name not in other:
                lacking = number if name in first else 0
                raise GeneticsError(
                    f"{rule}: array {name!r} is missing in network {lacking}, which has "
                    f"{sorted(networks[lacking])}. {advice} architecture."
                )
            if first[name].shape != other[name].shape:
                raise GeneticsError(
                    f"{rule}: array {name!r} has shape {first[name].shape} in network 0 and "
                    f"{other[name].shape} in network {number}. {advice} architecture."
                )


def map_floating(function: Callable[[str, Array], Array], weights: Weights) -> dict[str, Array]:
    """Apply a function to every floating array and cast its result back to the array's dtype.

    Args:
      function: takes a name and an array [...], returns an array [...] of any floating dtype.
      weights: the network.

    Returns:
      A new network of the same names, shapes and dtypes; other arrays are copied unchanged.

    >>> map_floating(lambda name, array: array / 2, {"bias": np.ones(2, np.float32)})
    {'bias': array([0.5, 0.5], dtype=float32)}
    """
    return {
        name: np.asarray(function(name, array)).astype(array.dtype)
        if is_floating(array)
        else array.copy()
        for name, array in weights.items()
    }


def copy(weights: Weights) -> dict[str, Array]:
    """Copy a network, so that the copy can be changed without touching the original.

    >>> original = {"bias": np.zeros(2)}
    >>> copy(original)["bias"] is original["bias"]
    False
    """
    return {name: array.copy() for name, array in weights.items()}


def cast_like(weights: Weights, model: Weights) -> dict[str, Array]:
    """Cast every array to the dtype that it has in a model network, in the model's order.

    Args:
      weights: a network, e.g. an average held in float64.
      model: a network of the same architecture with the dtypes wanted.

    Returns:
      A new network with the values of `weights`.

    Raises:
      GeneticsError: the two differ in a name or a shape.

    >>> cast_like({"bias": np.ones(1)}, {"bias": np.zeros(1, np.float32)})
    {'bias': array([1.], dtype=float32)}
    """
    check_alike([model, weights])
    return {name: np.asarray(weights[name]).astype(array.dtype) for name, array in model.items()}


def flatten(weights: Weights) -> NDArray[np.float64]:
    """Lay all floating arrays end to end.

    Args:
      weights: the network.

    Returns:
      A float64 vector [number of genes].

    >>> flatten({"kernel": np.ones((1, 2)), "step": np.array(7), "bias": np.zeros(1)})
    array([1., 1., 0.])
    """
    parts = [array.astype(np.float64).ravel() for array in weights.values() if is_floating(array)]
    return np.concatenate(parts) if parts else np.zeros(0)


def is_finite(weights: Weights) -> bool:
    """Tell whether every gene of a network is a finite number.

    >>> is_finite({"bias": np.zeros(2)}), is_finite({"bias": np.array([0.0, np.nan])})
    (True, False)
    """
    return all(bool(np.isfinite(array).all()) for array in weights.values() if is_floating(array))


def layers(weights: Weights) -> dict[str, tuple[str, ...]]:
    """Group the arrays of a network by layer: the part of a name before its last slash.

    Args:
      weights: the network.

    Returns:
      Layer name -> names of its arrays, both in the network's order; a name without a slash
      is a layer of its own.

    >>> layers({"a/kernel": np.zeros((1, 1)), "a/bias": np.zeros(1), "scale": np.zeros(1)})
    {'a': ('a/kernel', 'a/bias'), 'scale': ('scale',)}
    """
    grouped: dict[str, tuple[str, ...]] = {}
    for name in weights:
        layer = name.rpartition("/")[0] or name
        grouped[layer] = (*grouped.get(layer, ()), name)
    return grouped
