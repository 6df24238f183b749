"""Building networks reproducibly, and canonical names of their arrays."""

from __future__ import annotations

import inspect
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from apps.datasets.arrays import Array
from apps.errors import HeterosisError, UserError
from apps.lookup import check_settings, lookup
from apps.messages.specs import NetworkSpec, Params, TrainingSpec
from apps.networks.builders import BUILDERS
from apps.networks.keras_compile import compile_network
from apps.networks.optimizers import variables as optimizer_variables
from apps.plugins.load import is_plugin, told
from apps.plugins.sources import check_loaded
from apps.runtime import load_keras
from apps.seeds import GLOBAL_GENERATORS

if TYPE_CHECKING:
    import keras


_UNNAMED: Final = re.compile(r"^variable(_\d+)?$")  # what Keras calls such a variable

_STORABLE: Final = frozenset(
    ["bool", "float16", "float32", "float64"]
    + [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
)


def build(
    spec: NetworkSpec,
    training: TrainingSpec,
    seed: int,
    facts: Params,
    search_path: str | None = None,
    threads: int = 1,
) -> keras.Model:
    """Build and compile a network whose initial weights depend on `seed` alone.

    Args:
        spec: builder and arguments.
        training: optimiser; loss and metrics for a model that is not compiled.
        seed: of the initial weights, below 2**31.
        facts: `input_shape` and `classes` of the data, passed to a builder that has arguments of
            these names which the experiment does not set.
        search_path: where plug-ins are looked for.
        threads: intra-op threads.

    Raises:
        UserError: the builder is missing, has changed since the run began, raises, or does not
            return a built model.
    """
    keras = load_keras(threads)
    if is_plugin(spec.builder):
        what = f"network.builder {spec.builder!r}"
        check_loaded(what, [spec.builder], spec.digest, search_path)
    check_loaded("training", training.plugins, training.digest, search_path)
    builder = lookup(BUILDERS, spec.builder, "network.builder", search_path)
    check_settings(f"network.builder {spec.builder!r}", builder, spec.params, given=())
    wanted = inspect.signature(builder).parameters
    arguments = {key: value for key, value in facts.items() if key in wanted} | spec.params
    with GLOBAL_GENERATORS:  # Keras draws initial weights from them
        kept = random.getstate()
        try:
            # The project's own builders draw from Keras's generators alone.
            build_it = _build_twice if is_plugin(spec.builder) else _build_once
            model = build_it(keras, spec.builder, builder, arguments, seed)
        finally:
            random.setstate(kept)
    compile_network(model, training, search_path)
    return model


def named_weights(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the arrays of a network by canonical name, in the model's order.

    Keras numbers the automatic names of layers over the life of a process (`dense_7`); here they
    are numbered within the model, so that a name means the same on every worker.
    """
    names = _canonical_names(model)
    return _named([(weight, _path_within(model, weight)) for weight in model.weights], names)


def named_random_states(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the states of the random layers (dropout and the like) by canonical name."""
    states = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    return {f"{index:03d}": variable for index, variable in enumerate(states)}


def named_optimizer_states(model: keras.Model) -> dict[str, keras.Variable]:
    """Return the optimiser's variables, numbered in its own order."""
    states = optimizer_variables(model.optimizer)
    return {f"{index:03d}": variable for index, variable in enumerate(states)}


def read(variables: Mapping[str, keras.Variable]) -> dict[str, Array]:
    """Return the values of variables as arrays of their own."""
    return {name: np.asarray(variable.numpy()) for name, variable in variables.items()}


def assign(variables: Mapping[str, keras.Variable], values: Mapping[str, Array]) -> None:
    """Set variables to values.

    Raises:
        HeterosisError: names or shapes differ: the values are another network's.
    """
    if variables.keys() != values.keys():
        odd = sorted(variables.keys() ^ values.keys())
        raise HeterosisError(
            f"stored state and network differ in {odd[:5]}: another architecture",
            code="run-damaged",
        )
    for name, variable in variables.items():
        if tuple(variable.shape) != np.shape(values[name]):
            raise HeterosisError(
                f"stored {name!r} has shape {np.shape(values[name])}, the network {variable.shape}",
                code="run-damaged",
            )
        variable.assign(values[name])


class _OwnRandom:
    """Python's module `random` as Keras sees it, with a generator of its own for one thread."""

    def __init__(self, seed: int) -> None:
        self._thread = threading.get_ident()
        self._own = random.Random(seed)

    def __getattr__(self, name: str) -> Any:
        own = threading.get_ident() == self._thread
        return getattr(self._own if own else random, name)


@contextmanager
def _own_seeds(seed: int) -> Iterator[None]:
    # Keras draws the seeds of its initialisers from Python's process-wide generator, which other
    # threads use too.
    from keras.src.random import seed_generator

    kept = seed_generator.python_random
    seed_generator.python_random = _OwnRandom(seed)
    try:
        yield
    finally:
        seed_generator.python_random = kept


def _build_once(
    keras: Any, name: str, builder: Callable[..., Any], arguments: Params, seed: int
) -> keras.Model:
    keras.utils.set_random_seed(seed)
    # A policy that one builder sets would hold for whatever this thread builds next.
    keras.config.set_dtype_policy(keras.config.floatx())
    try:
        with _own_seeds(seed):
            model = builder(**arguments)
    except (Exception, SystemExit) as error:
        raise UserError(
            f"network.builder {name!r} raised {told(error)}", code="network-builder"
        ) from error
    finally:
        keras.config.set_dtype_policy(keras.config.floatx())
    if not isinstance(model, keras.Model):
        raise UserError(
            f"network.builder {name!r} must return a keras.Model, it returned {type(model)}",
            code="network-builder",
        )
    if not model.built:
        raise UserError(
            f"network.builder {name!r} returned a model without weights: give it an Input layer, "
            "or call it before returning it, as in model(numpy.zeros((1, *input_shape)))",
            code="network-builder",
        )
    if odd := sorted({weight.dtype for weight in model.weights} - _STORABLE):
        raise UserError(
            f"network.builder {name!r} made weights of dtype {odd[0]}, which checkpoints do not "
            "hold: use float32 (the policy mixed_bfloat16 computes in bfloat16 and keeps them so)",
            code="network-builder",
        )
    return model


def _build_twice(
    keras: Any, name: str, builder: Callable[..., Any], arguments: Params, seed: int
) -> keras.Model:
    # A builder may draw from numpy's or Python's generators, which other threads use too, so a
    # network counts as built when two in a row agree.
    model = _build_once(keras, name, builder, arguments, seed)
    for _ in range(5):
        again = _build_once(keras, name, builder, arguments, seed)
        if any(one is other for one in model.weights for other in again.weights):
            raise UserError(
                f"network.builder {name!r} returned weights that it had returned before: make the "
                "model and its layers anew within the function",
                code="network-seed",
            )
        if _same(model, again):
            return again
        model = again
    raise UserError(
        f"network.builder {name!r} gives other initial weights each time for one seed: let it draw "
        "from Keras's, numpy's or Python's global generators, or take its numbers from arguments",
        code="network-seed",
    )


def _same(one: keras.Model, other: keras.Model) -> bool:
    left, right = ([weight.numpy() for weight in model.weights] for model in (one, other))
    if len(left) != len(right):
        return False
    pairs = zip(left, right, strict=True)
    return all(np.array_equal(a, b, equal_nan=True) for a, b in pairs)


def _canonical_names(model: keras.Model) -> dict[str, str]:
    layers = model._flatten_layers()
    counts: dict[str, int] = {}
    names: dict[str, str] = {}
    for layer in layers:
        found = re.fullmatch(
            rf"((?:forward_|backward_)?{_snake_case(type(layer).__name__)})(_\d+)?", layer.name
        )
        if layer.name in names or not found:
            continue
        automatic = found[1]
        number = counts.get(automatic, 0)
        counts[automatic] = number + 1
        names[layer.name] = f"{automatic}_{number}" if number else automatic
    return names


def _path_within(model: keras.Model, weight: keras.Variable) -> str:
    """Return a weight's path without the model's own name, which leads some paths only.

    A layer of that name leads others: what follows it is a part of it and no layer of the model.
    """
    first, _, rest = str(weight.path).partition("/")
    if first != model.name or not rest:
        return str(weight.path)
    layers = {layer.name for layer in model.layers}
    inner = rest.partition("/")[0]
    return str(weight.path) if first in layers and inner not in layers else rest


def _named(
    items: list[tuple[keras.Variable, str]], names: Mapping[str, str]
) -> dict[str, keras.Variable]:
    named: dict[str, keras.Variable] = {}
    for variable, path in items:
        *scopes, own = path.split("/")
        # A variable without a name is numbered over the life of the process too.
        parts = (*(names.get(part, part) for part in scopes), _UNNAMED.sub("variable", own))
        name = base = "/".join(part for part in parts if part)
        copies = 1
        while name in named:
            copies += 1
            name = f"{base}:{copies}"
        named[name] = variable
    return named


def _snake_case(name: str) -> str:
    from keras.src.utils.naming import to_snake_case

    return str(to_snake_case(name))
