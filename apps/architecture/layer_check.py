"""Try what a user says of a layer: permute its units, leave some unread, and compare."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any, Final

import numpy as np

from apps.architecture.own_layers import array_name
from apps.architecture.trying import OF_LAYERS, OPEN
from apps.architecture.unit_trace import Layout, Trace, layouts_in, mapped
from apps.errors import Code, UserError, first_line
from apps.genetics.anatomy import Part
from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import permute, random_permutations, spread
from apps.genetics.weights import Array, is_floating

_BATCH: Final = 3


class LayerCheck:
    """A layer with random arrays and inputs, and the units that a rule finds in them."""

    def __init__(
        self,
        rule: Callable[..., Any],
        layer: Any,
        arguments: list[Any],
        keywords: dict[str, Any],
        moves: Callable[[Layout], bool],
    ) -> None:
        """Apply the layer, and the rule to as many units.

        Args:
            rule: what is tried.
            layer: built.
            arguments: the layer's, with layouts in the place of tensors.
            keywords: likewise.
            moves: whether units of a layout may be permuted.

        Raises:
            UserError: the layer fails, or its arrays or outputs are not as the rule says.
        """
        self._layer = layer
        self._rng = np.random.default_rng(0)
        self._variables = {array_name(layer, variable): variable for variable in layer.weights}
        self._arguments = [arguments, keywords]
        trace = Trace({id(variable): name for name, variable in self._variables.items()})
        layouts: dict[str, Layout] = {}

        def fresh(given: Layout) -> Layout:
            moving = [axis is not None and moves((axis,)) for axis in given]
            if given and not any(moving):
                moving[-1] = given[-1] is not None
            layouts[f"input {len(layouts)}"] = layout = tuple(
                None
                if axis is None
                else trace.atoms.fresh(axis.size, f"input {len(layouts)}")
                if move
                else trace.atoms.fixed(axis.size)
                for axis, move in zip(given, moving, strict=True)
            )
            return layout

        try:
            given, named = mapped([arguments, keywords], fresh)
            made = layouts_in(rule(trace, layer, *given, **named))
            if missing := [name for name in self._variables if not trace.atoms.knows(name)]:
                raise self._wrong(f"nothing is said of its array {missing[0]!r}")
            self._values = self._drawn(layouts)
            outputs = self._outputs(self._values)
            for number, layout in enumerate(made):
                layouts[f"output {number}"] = layout
            self._values |= {f"output {number}": array for number, array in enumerate(outputs)}
            for name, layout in layouts.items():
                axes = [trace.atoms.fixed(OPEN) if axis is None else axis for axis in layout]
                trace.atoms.site(name, [trace.atoms.fixed(_BATCH), *axes])
            self._spec = trace.atoms.spec(self._values)
            permute(self._values, self._spec, random_permutations(self._rng, self._spec))
        except (GeneticsError, LookupError, ValueError, AttributeError, TypeError) as error:
            raise self._wrong(
                f"its arrays or outputs are not as is said: {first_line(error)}"
            ) from error

    def check_symmetry(self) -> None:
        """Compare what the layer computes before and after its units are permuted.

        Raises:
            UserError: that differs.
        """
        groups = self._spec.groups
        turned = {group: np.roll(np.arange(size), 1) for group, size in groups.items()}
        for permutations in (turned, random_permutations(self._rng, self._spec)):
            moved = permute(self._values, self._spec, permutations)
            expected = [moved[name] for name in moved if name.startswith("output ")]
            if not self._same(expected, self._outputs(moved)):
                raise self._wrong(
                    "when its units are permuted as is said, together with those of its input, its "
                    "outputs are not its old ones in another order"
                )

    def check_growth(self, parts: Mapping[str, Part]) -> None:
        """Try whether a unit that is read with weights of 0 changes nothing but itself.

        Args:
            parts: of the layer, by the names of its arrays within it.

        Raises:
            UserError: it does, so a new unit would change what the network computes.
        """
        for group in self._spec.groups:
            read, own = self._first_unit(group, parts)
            if not read:
                continue
            silent = {
                name: np.where(read[name], 0, array) if name in read else array
                for name, array in self._values.items()
            }
            other = self._random(silent)
            # What is read of the unit stays 0, also where it is an entry of the unit's own.
            changed = {
                name: np.where(own[name] & ~read.get(name, np.False_), other[name], array)
                if name in own and name in other
                else array
                for name, array in silent.items()
            }
            before, after = self._outputs(silent), self._outputs(changed)
            for number, array in enumerate(before):
                after[number] = np.where(own.get(f"output {number}", False), array, after[number])
            if not self._same(before, after):
                raise self._wrong(
                    "a unit whose weights to those that read it are 0, as a new unit's are, "
                    "changes what others compute",
                    "growth",
                )

    def _first_unit(
        self, group: str, parts: Mapping[str, Part]
    ) -> tuple[dict[str, Array], dict[str, Array]]:
        """Mark the entries with which a group's first unit is read, and those of its own."""
        values = {name: np.zeros(size) for name, size in self._spec.groups.items()}
        values[group] = np.arange(self._spec.groups[group]) == 0
        read: dict[str, Array] = {}
        own: dict[str, Array] = {}
        for name, axes in self._spec.axes.items():
            for number, axis in enumerate(axes):
                if any(segment.group == group for segment in axis):
                    shape = [1] * len(axes)
                    shape[number] = -1
                    marks = spread(axis, values, 0).reshape(shape) > 0
                    consumed = name in parts and number in parts[name].consumed
                    into = read if consumed else own
                    into[name] = into.get(name, np.False_) | marks
        return read, own

    def _random(self, like: Mapping[str, Array]) -> dict[str, Array]:
        """Draw other values for arrays and inputs; those that are not floating are left out."""
        drawn: dict[str, Array] = {}
        for name, array in like.items():
            if name.startswith("output ") or not is_floating(array):
                continue
            if name in self._variables and self._variables[name].trainable:
                # Not so large that activations saturate: a wrong order would not be seen.
                made = self._rng.normal(size=array.shape) / np.sqrt(max(1, prod(array.shape[:-1])))
            else:
                # Positive: a variance, an index, or what has a root or a logarithm taken of it.
                made = self._rng.uniform(0.5, 1.9, array.shape)
            drawn[name] = made.astype(array.dtype)
        return drawn

    def _drawn(self, layouts: Mapping[str, Layout]) -> dict[str, Array]:
        arrays = {name: np.asarray(variable) for name, variable in self._variables.items()}
        inputs = {
            name: np.zeros([_BATCH, *(OPEN if axis is None else axis.size for axis in layout)])
            for name, layout in layouts.items()
        }
        values = {**arrays, **{name: array.astype(np.float32) for name, array in inputs.items()}}
        return values | self._random(values)

    def _outputs(self, values: Mapping[str, Array]) -> list[Array]:
        import keras

        numbers = iter(range(len(values)))
        arguments, keywords = mapped(self._arguments, lambda _: values[f"input {next(numbers)}"])
        state = [(variable, values[name]) for name, variable in self._variables.items()]
        with keras.StatelessScope(state_mapping=state):
            made = self._layer(*arguments, **keywords)
        return [np.asarray(each, np.float32) for each in keras.tree.flatten(made)]

    def _same(self, expected: list[Array], found: list[Array]) -> bool:
        half = "16" in str(self._layer.compute_dtype)
        slack = OF_LAYERS.half if half else OF_LAYERS.single
        return all(
            np.allclose(one, other, rtol=0, atol=slack * np.nanmax(abs(one), initial=0.0))
            for one, other in zip(expected, found, strict=True)
        )

    def _wrong(self, what: str, code: Code = "alignment") -> UserError:
        return UserError(
            f"layer {self._layer.name!r} ({type(self._layer).__name__}): {what}; tried with random "
            "numbers. Change what heterosis.register_layer is told of it",
            code=code,
        )
