"""Derive a permutation spec from how a network's operations tie the units of its arrays.

The units along an axis are numbered *atoms*; 0 stands for an index that must stay in place. An
operation that keeps units apart passes their atoms on; one that joins two streams (a residual
sum) ties their atoms; one that mixes units makes fresh atoms. What remains at the end is cut into
groups: atoms that occur alike in all arrays may be permuted among each other.
"""

from collections.abc import Collection, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import Axis, PermutationSpec, Segment

AtomAxis = NDArray[np.intp]
"""The atom of each index of an axis [length]."""


class Atoms:
    """Collects atoms, ties and arrays, and cuts them into groups.

    >>> atoms = Atoms()
    >>> stem, block = atoms.fresh(3, "stem"), atoms.fresh(3, "block")
    >>> atoms.site("stem/kernel", [atoms.fixed(5), stem])
    >>> atoms.site("block/kernel", [stem, block])
    >>> atoms.tie(stem, block)
    >>> dict(atoms.spec(["stem/kernel", "block/kernel"]).groups)
    {'stem': 3}
    """

    def __init__(self) -> None:
        self._parent = [0]
        self._makers = [""]
        self._maker = [0]
        self._sites: dict[str, list[AtomAxis]] = {}
        self._colours: list[tuple[AtomAxis, AtomAxis]] = []
        self._latest: dict[str, AtomAxis] = {}

    def fixed(self, size: int) -> AtomAxis:
        """Give an axis whose indices stay in place.

        Args:
          size: its length.

        Returns:
          Zeros [size].
        """
        return np.zeros(size, np.intp)

    def fresh(self, size: int, name: str) -> AtomAxis:
        """Give an axis of new units.

        Args:
          size: how many.
          name: of their group; numbered if the units end in several groups.

        Returns:
          New atoms [size].
        """
        start = len(self._parent)
        self._parent += range(start, start + size)
        self._maker += [len(self._makers)] * size
        self._makers.append(name)
        return np.arange(start, start + size)

    def tie(self, a: AtomAxis, b: AtomAxis) -> None:
        """Make two axes permute together, index by index.

        Args:
          a: atoms [length].
          b: atoms [length].

        Raises:
          GeneticsError: the lengths differ.
        """
        if a.shape != b.shape:
            raise GeneticsError(
                f"Axes that are tied must have one length, received {a.size} and {b.size}. "
                "Broadcast the shorter one first."
            )
        for one, other in zip(a.tolist(), b.tolist(), strict=True):
            low, high = sorted((self._root(one), self._root(other)))
            # Towards the smaller number: 0, which is fixed, always wins.
            self._parent[high] = low

    def fix(self, axis: AtomAxis) -> None:
        """Keep the units of an axis in place.

        Args:
          axis: atoms [length].
        """
        self.tie(axis, self.fixed(axis.size))

    def colour(self, axis: AtomAxis, labels: AtomAxis) -> None:
        """Let units be exchanged only among those of one label (the blocks of a group norm).

        Args:
          axis: atoms [length].
          labels: any numbers [length].
        """
        self._colours.append((axis, labels))

    def site(self, name: str, axes: Sequence[AtomAxis]) -> None:
        """Say which units lie along the axes of an array.

        Args:
          name: the array; if it was named before (a layer used twice), the axes are tied.
          axes: atoms [length] of each axis.

        Raises:
          GeneticsError: the array was named before with another number or length of axes.
        """
        before = self._sites.setdefault(name, list(axes))
        if [axis.size for axis in before] != [axis.size for axis in axes]:
            raise GeneticsError(
                f"Array {name!r} was described with axes of lengths {[a.size for a in before]}, "
                f"received {[a.size for a in axes]}. Describe an array by its own shape."
            )
        for one, other in zip(before, axes, strict=True):
            self.tie(one, other)

    def knows(self, name: str) -> bool:
        """Tell whether an array has been described.

        Args:
          name: the array.

        Returns:
          True after `site`.
        """
        return name in self._sites

    def roots(self, axis: AtomAxis) -> AtomAxis:
        """Give the atoms that represent those of an axis: equal where they are tied.

        Args:
          axis: atoms [length].

        Returns:
          Atoms [length]; 0 where fixed.
        """
        return np.array([self._root(atom) for atom in axis.tolist()], np.intp)

    def run(self, group: str, axis: AtomAxis) -> int | None:
        """Find the units of a group on an axis, each once, in order and side by side.

        Args:
          group: a group of the latest `spec`.
          axis: atoms [length].

        Returns:
          The index of the first unit; None if they do not lie so.
        """
        units, here = self._latest[group], self.roots(axis)
        found = np.flatnonzero(np.isin(here, units))
        if found.size != units.size or not np.array_equal(here[found], units):
            return None
        start = int(found[0])
        return start if found[-1] - start == units.size - 1 else None

    def spec(self, names: Iterable[str], statistics: Collection[str] = ()) -> PermutationSpec:
        """Cut the atoms into groups and describe the arrays by them.

        Units whose order differs between two arrays, which segments cannot express, are fixed.

        Args:
          names: the arrays to describe, in order; all must have been named in `site`.
          statistics: see `PermutationSpec`.

        Returns:
          The spec; groups of a single unit, which have no freedom, are left out.

        Raises:
          GeneticsError: an array was never described.
        """
        wanted = list(names)
        missing = [name for name in wanted if name not in self._sites]
        if missing:
            raise GeneticsError(f"Every array must be described by site(), missing {missing}.")
        while True:
            sites = {name: [self.roots(axis) for axis in self._sites[name]] for name in wanted}
            groups = self._groups(sites)
            place = {atom: group for group, atoms in groups.items() for atom in atoms.tolist()}
            odd: set[str] = set()
            axes = {
                name: tuple(_segments(axis, groups, place, odd) for axis in each)
                for name, each in sites.items()
            }
            if not odd:
                self._latest = groups
                return PermutationSpec(axes, frozenset(statistics))
            for group in odd:
                self.fix(groups[group])

    def _root(self, atom: int) -> int:
        while self._parent[atom] != atom:
            self._parent[atom] = self._parent[self._parent[atom]]
            atom = self._parent[atom]
        return atom

    def _groups(self, sites: dict[str, list[AtomAxis]]) -> dict[str, AtomAxis]:
        """Group -> atoms, in the order in which they first occur."""
        seen: dict[int, list[tuple[object, ...]]] = {}
        for name, axes in sites.items():
            for number, axis in enumerate(axes):
                for atom, count in zip(*np.unique(axis, return_counts=True), strict=True):
                    seen.setdefault(int(atom), []).append((name, number, int(count)))
        for number, (axis, labels) in enumerate(self._colours):
            roots = self.roots(axis)
            for atom in set(roots.tolist()) & seen.keys():
                seen[atom].append((number, *labels[roots == atom].tolist()))
        alike: dict[tuple[object, ...], list[int]] = {}
        order = dict.fromkeys(
            atom for axes in sites.values() for axis in axes for atom in axis.tolist() if atom
        )
        for atom in order:
            alike.setdefault((self._maker[atom], *seen[atom]), []).append(atom)
        groups: dict[str, AtomAxis] = {}
        for atoms in alike.values():
            if len(atoms) > 1:
                name = _free_name(self._makers[self._maker[atoms[0]]], groups)
                groups[name] = np.array(atoms, np.intp)
        return groups


def _free_name(name: str, taken: Collection[str]) -> str:
    number, free = 1, name
    while free in taken:
        number += 1
        free = f"{name}:{number}"
    return free


def _segments(
    axis: AtomAxis, groups: dict[str, AtomAxis], place: dict[int, str], odd: set[str]
) -> Axis:
    """Describe an axis by segments; groups that it does not hold whole and in order are `odd`."""
    segments: list[Segment] = []
    labels = [place.get(atom) for atom in axis.tolist()]
    start = 0
    while start < axis.size:
        group = labels[start]
        if group is None:
            length = next(
                (k for k, each in enumerate(labels[start:]) if each is not None), axis.size - start
            )
            segments.append(Segment(length))
            start += length
            continue
        rest, units = axis[start:], groups[group]
        inner = int(np.argmin(rest == rest[0])) or rest.size
        block = np.repeat(units, inner)
        outer = 0
        while np.array_equal(rest[outer * block.size : (outer + 1) * block.size], block):
            outer += 1
        if not outer:
            odd.add(group)
            return ()
        segments.append(Segment(units.size, group, outer, inner))
        start += outer * block.size
    return tuple(segments) if any(segment.group for segment in segments) else ()
