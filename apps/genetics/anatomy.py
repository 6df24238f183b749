"""An architecture as data: its layers and their arrays, and what is computed in which order.

Beside the symmetries, which say which units lie along the axes of an array, an anatomy says what
an axis does with its units: it *makes* them (the last axis of a dense kernel, a bias, a running
mean) or it *consumes* them (the axis that is summed over). With the order of the operations that
is enough to match the layers of two architectures and to carry weights from one to the other.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import Axis, PermutationSpec

Start = Literal["identity", "zero"]


@dataclass(frozen=True)
class Neutral:
    """The values of an array with which its layer passes its input on unchanged.

    Attributes:
      axis: along which the units lie that the layer makes.
      value: of each unit's entry: for the unit that it continues on an axis that consumes.
      tap: the entry's place on the other axes; the rest is 0. None: every place.
    """

    axis: int
    value: float = 0.0
    tap: tuple[int, ...] | None = None


@dataclass(frozen=True)
class Part:
    """One array of a layer and the roles of its axes; the axes that are not named make units.

    Attributes:
      array: its name in the network.
      consumed: axes along which units are summed over.
      windows: axes of a convolution's window.
      neutral: its values in a layer that passes its input on; None if there are none.
    """

    array: str
    consumed: tuple[int, ...] = ()
    windows: tuple[int, ...] = ()
    neutral: Neutral | None = None


@dataclass(frozen=True)
class Layer:
    """A layer that has arrays.

    Attributes:
      name: unique in the network.
      kind: only layers of one kind are matched.
      parts: name of the array within the layer -> the array.
      makes: whether it makes units; a normalisation does not.
    """

    name: str
    kind: str
    parts: Mapping[str, Part]
    makes: bool = True

    @property
    def passes(self) -> bool:
        """Whether neutral values of all its arrays are known."""
        return all(part.neutral for part in self.parts.values())


@dataclass(frozen=True)
class Step:
    """One operation; tensors are numbers.

    Attributes:
      inputs: the tensors that it reads.
      outputs: the tensors that it gives.
      layer: the layer whose arrays it uses, '' without arrays.
      adds: whether it is the sum of its inputs.
      slope: of the line through 0 nearest to the function, see `fold`.
    """

    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    layer: str = ""
    adds: bool = False
    slope: float = 1.0


@dataclass(frozen=True)
class Anatomy:
    """An architecture: what `morph` needs to know of a network.

    Attributes:
      spec: the units along the axes of all arrays.
      layers: in the order in which they are first used; a layer not named here starts anew.
      steps: in an order in which they can be computed.
      inputs: tensors.
      outputs: tensors.

    Raises:
      GeneticsError: a name that the spec or the layers do not have, or a layer named twice.
    """

    spec: PermutationSpec
    layers: tuple[Layer, ...]
    steps: tuple[Step, ...]
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]

    def __post_init__(self) -> None:
        """Check that the names agree."""
        arrays = [part.array for layer in self.layers for part in layer.parts.values()]
        names = [layer.name for layer in self.layers]
        unknown = {*arrays} - self.spec.axes.keys() | {step.layer for step in self.steps} - {
            *names,
            "",
        }
        if unknown or len({*names}) < len(names) or len({*arrays}) < len(arrays):
            raise GeneticsError(
                f"An anatomy names every layer and array once and as its spec does, received "
                f"layers {names} and unknown names {sorted(unknown)}. Derive all from one network."
            )


def match_layers(before: Anatomy, after: Anatomy) -> dict[str, str]:
    """Match the layers of two architectures, kind by kind.

    Layers that make the outputs are matched with such, from the last one on. Of the others, those
    of one name are matched if one architecture has all the names of the other; else they are
    matched in order, from the inputs on.

    Args:
      before: the parent's architecture.
      after: the child's.

    Returns:
      Child's layer -> parent's layer of the same kind. The child's other layers are new, the
      parent's others are dropped.

    >>> def stack(*names):
    ...     steps = tuple(Step((i,), (i + 1,), name) for i, name in enumerate(names))
    ...     layers = tuple(Layer(name, "Dense", {}) for name in names)
    ...     return Anatomy(PermutationSpec({}), layers, steps, (0,), (len(names),))
    >>> match_layers(stack("a", "b"), stack("a", "b", "c"))
    {'c': 'b', 'a': 'a'}
    """
    matches: dict[str, str] = {}
    last = [_last_layers(anatomy) for anatomy in (before, after)]
    for kind in dict.fromkeys(layer.kind for layer in after.layers):
        rows = [
            [layer.name for layer in anatomy.layers if layer.kind == kind]
            for anatomy in (before, after)
        ]
        ends = [
            [name for name in row if name in names] for row, names in zip(rows, last, strict=True)
        ]
        matches |= dict(zip(reversed(ends[1]), reversed(ends[0]), strict=False))
        old, new = (
            [name for name in row if name not in end] for row, end in zip(rows, ends, strict=True)
        )
        if {*old} <= {*new} or {*new} <= {*old}:
            matches |= {name: name for name in new if name in old}
        else:
            matches |= dict(zip(new, old, strict=False))
    return matches


def passage(anatomy: Anatomy, layer: Layer) -> tuple[str, str | None]:
    """Name the group that a layer reads and the one that it makes.

    Args:
      anatomy: the architecture.
      layer: one of it.

    Returns:
      Two groups: '' stands for what is not one whole group, None for an axis of fixed units.

    >>> from apps.genetics.permutation import Segment
    >>> axes = {"b": ((Segment(2, "a"),), (Segment(3, "b"),))}
    >>> part = Part("b", consumed=(0,), neutral=Neutral(1, 1.0, ()))
    >>> dense = Layer("b", "Dense", {"kernel": part})
    >>> passage(Anatomy(PermutationSpec(axes), (dense,), (), (), ()), dense)
    ('a', 'b')
    """
    for part in layer.parts.values():
        if part.consumed and part.neutral:
            axes = anatomy.spec.axes[part.array]
            made = axes[part.neutral.axis]
            return _only_group(axes[part.consumed[0]]), _only_group(made) if made else None
    return "", None


def _only_group(axis: Axis) -> str:
    whole = len(axis) == 1 and axis[0].outer == axis[0].inner == 1
    return (axis[0].group or "") if whole else ""


def slope_after(anatomy: Anatomy, layer: str) -> float:
    """Multiply the slopes of the steps between a layer and the one that reads it.

    Args:
      anatomy: the architecture.
      layer: one of it.

    Returns:
      1 if there are none.

    >>> steps = (Step((0,), (1,), "a"), Step((1,), (2,), slope=0.5))
    >>> slope_after(Anatomy(PermutationSpec({}), (Layer("a", "", {}),), steps, (0,), (2,)), "a")
    0.5
    """
    slope, reached = 1.0, set[int]()
    for step in anatomy.steps:
        if step.layer == layer:
            reached = {*step.outputs}
        elif not step.layer and reached & {*step.inputs}:
            slope, reached = slope * step.slope, {*step.outputs}
    return slope


def ends_in_sum(anatomy: Anatomy, layer: str) -> bool:
    """Tell whether what a layer makes is added to something: it is the last of a branch.

    Args:
      anatomy: the architecture.
      layer: one that makes units. Layers that make none (normalisations) and steps without
        arrays may lie between it and the sum.

    Returns:
      True if a sum is reached that way.

    >>> steps = (Step((0,), (1,), "a"), Step((0, 1), (2,), adds=True))
    >>> parts = (Layer("a", "Dense", {}),)
    >>> ends_in_sum(Anatomy(PermutationSpec({}), parts, steps, (0,), (2,)), "a")
    True
    """
    makes = {each.name for each in anatomy.layers if each.makes}
    reached: set[int] = set()
    for step in anatomy.steps:
        if step.adds and reached & {*step.inputs}:
            return True
        if step.layer == layer or (step.layer not in makes and reached & {*step.inputs}):
            reached.update(step.outputs)
    return False


def _last_layers(anatomy: Anatomy) -> set[str]:
    """Name the layers that make the outputs: no other that makes units comes after them."""
    makes = {layer.name for layer in anatomy.layers if layer.makes}
    wanted, last = {*anatomy.outputs}, set()
    for step in reversed(anatomy.steps):
        if wanted & {*step.outputs}:
            if step.layer in makes:
                last.add(step.layer)
            else:
                wanted.update(step.inputs)
    return last


def parts_of(layers: Iterable[Layer]) -> dict[str, Part]:
    """Give the parts of layers by the names of their arrays.

    >>> list(parts_of([Layer("a", "Dense", {"bias": Part("a/bias")})]))
    ['a/bias']
    """
    return {part.array: part for layer in layers for part in layer.parts.values()}
