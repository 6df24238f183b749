"""The assignment problem of weight matching: scores of units against units, group by group."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from apps.genetics.permutation import (
    Permutation,
    Permutations,
    PermutationSpec,
    Segment,
    axis_indices,
)
from apps.genetics.weights import Array, Weights, is_floating

Scores = NDArray[np.float64]

MAX_SWEEPS = 100
"""Bound on the sweeps of one descent; the objective rises with each, so few are ever needed."""


@dataclass(frozen=True)
class Term:
    """One place where a group acts: a segment of an axis of an array.

    Attributes:
      name: the array.
      axis: the axis.
      start: index at which the segment starts.
      segment: the segment.
      joined: the groups that act on the array's other axes.
    """

    name: str
    axis: int
    start: int
    segment: Segment
    joined: frozenset[str]


Terms = Mapping[str, tuple[Term, ...]]


def group_terms(weights: Weights, spec: PermutationSpec) -> Terms:
    """List the places where each group acts on weights; running statistics are left out.

    Args:
      weights: the network, for the dtypes of its arrays.
      spec: its symmetries.

    Returns:
      Group -> terms, every group of the spec, in the spec's order.

    >>> units = (Segment(2, "h"),)
    >>> spec = PermutationSpec({"kernel": ((), units), "bias": (units,)})
    >>> terms = group_terms({"kernel": np.zeros((3, 2)), "bias": np.zeros(2)}, spec)
    >>> [(term.name, term.axis) for term in terms["h"]]
    [('kernel', 1), ('bias', 0)]
    """
    terms: dict[str, tuple[Term, ...]] = dict.fromkeys(spec.groups, ())
    for name, axes in spec.axes.items():
        if name in spec.statistics or not is_floating(weights[name]):
            continue
        acting = [{segment.group for segment in axis if segment.group} for axis in axes]
        for number, axis in enumerate(axes):
            joined = frozenset[str]().union(*acting[:number], *acting[number + 1 :])
            start = 0
            for segment in axis:
                if segment.group:
                    term = Term(name, number, start, segment, joined)
                    terms[segment.group] = (*terms[segment.group], term)
                start += segment.length
    return terms


def is_coupled(terms: Terms) -> bool:
    """Tell whether some array joins two groups, or two axes of one, so that matching is a search.

    >>> is_coupled({"h": (Term("kernel", 0, 0, Segment(2, "h"), frozenset()),)})
    False
    """
    return any(term.joined for each in terms.values() for term in each)


def unit_rows(array: Array, term: Term) -> Array:
    """Cut one row per unit out of an array.

    Args:
      array: the array of the term; its other axes may have been gathered.
      term: where the units are.

    Returns:
      [size, weights of a unit].

    >>> term = Term("kernel", 1, 0, Segment(2, "h", outer=2), frozenset())
    >>> unit_rows(np.array([[1, 2, 3, 4]]), term)
    array([[1, 3],
           [2, 4]])
    """
    segment = term.segment
    run = np.moveaxis(array, term.axis, 0)[term.start : term.start + segment.length]
    blocks = run.reshape(segment.outer, segment.size, -1)
    return blocks.transpose(1, 0, 2).reshape(segment.size, -1)


def assign(scores: Scores) -> Permutation:
    """Pair rows with columns for the largest sum of scores.

    Args:
      scores: [size, size], finite.

    Returns:
      The column of each row: a permutation [size].

    >>> assign(np.array([[1.0, 2.0], [0.0, 5.0]]))
    array([0, 1])
    """
    found: Permutation = linear_sum_assignment(scores, maximize=True)[1].astype(np.intp)
    return found


@dataclass(frozen=True)
class MatchingProblem:
    """Two networks to match.

    Attributes:
      reference: the arrays on which some group acts, in float64.
      other: the same arrays of the network to permute.
      spec: the symmetries.
      terms: where each group acts on them.
      static: group -> scores [size, size] of the weights that lead to no other group.
    """

    reference: Mapping[str, Array]
    other: Mapping[str, Array]
    spec: PermutationSpec
    terms: Terms
    static: Mapping[str, Scores]

    @classmethod
    def of(cls, reference: Weights, other: Weights, spec: PermutationSpec) -> "MatchingProblem":
        """Set the problem up for two finite networks that fit the spec."""
        terms = group_terms(reference, spec)
        names = {term.name: None for each in terms.values() for term in each}
        a, b = ({n: net[n].astype(np.float64) for n in names} for net in (reference, other))
        problem = cls(a, b, spec, terms, {})
        # Weights that lead to no other group score the same whatever the others are: once.
        static = {
            group: problem._sum(group, {}, (term for term in each if not term.joined))
            for group, each in terms.items()
        }
        return cls(a, b, spec, terms, static)

    @property
    def bound(self) -> float:
        """The objective's upper bound, reached by a permuted copy (Cauchy-Schwarz)."""
        return sum(
            float(np.linalg.norm(array) * np.linalg.norm(self.other[name]))
            for name, array in self.reference.items()
        )

    @property
    def tolerance(self) -> float:
        """What rounding may make of no change."""
        return 1e-12 * self.bound

    def objective(self, permutations: Permutations, names: Iterable[str] | None = None) -> float:
        """Inner product of the reference and the permuted other, over some or all arrays."""
        return sum(
            float(np.vdot(self.reference[name], self._part(self.other, name, permutations)))
            for name in (self.reference if names is None else names)
        )

    def greedy(self, order: Sequence[int] | None = None) -> dict[str, Permutation]:
        """Match group after group on what is known so far: most informed first, or in an order."""
        groups, known = list(self.terms), dict[str, Permutation]()
        while len(known) < len(groups):
            if order is None:
                pending = (group for group in groups if group not in known)
                group = max(pending, key=lambda each: self._information(each, known))
            else:
                group = groups[order[len(known)]]
            # Where all weights lead to groups not yet matched, what is invariant to them must do.
            if self._information(group, known):
                scores = self._scores(group, known)
            else:
                scores = self._sum(group, known, self.terms[group], optimistic=True)
            known[group] = assign(scores)
        return {group: known[group] for group in groups}

    def descend(self, rng: np.random.Generator, start: Permutations) -> dict[str, Permutation]:
        """Improve group by group, in drawn orders, until no assignment changes."""
        current, groups = dict(start), list(self.terms)
        stale = set(groups)
        for _ in range(MAX_SWEEPS):
            for group in (groups[k] for k in rng.permutation(len(groups))):
                if group in stale:
                    stale.discard(group)
                    if self._improve(group, current):
                        stale |= self._neighbours(group)
            if not stale:
                break
        return current

    def _improve(self, group: str, current: dict[str, Permutation]) -> bool:
        scores = self._scores(group, current)
        found = assign(scores)
        if group in self._neighbours(group):
            # The scores are only the linear part of a quadratic objective: measure it.
            names = {term.name: None for term in self.terms[group]}
            new = self.objective({**current, group: found}, names)
            gain = new - self.objective(current, names)
        else:
            rows = np.arange(found.size)
            gain = float((scores[rows, found] - scores[rows, current[group]]).sum())
        if gain > self.tolerance:
            current[group] = found
            return True
        return False

    def _scores(self, group: str, known: Permutations) -> Scores:
        joining = (term for term in self.terms[group] if term.joined)
        scores: Scores = self.static[group] + self._sum(group, known, joining)
        return scores

    def _sum(
        self, group: str, known: Permutations, terms: Iterable[Term], optimistic: bool = False
    ) -> Scores:
        size = self.spec.groups[group]
        total = np.zeros((size, size))
        unmoved = {name: np.arange(order.size) for name, order in known.items()}
        for term in terms:
            a = unit_rows(
                self._part(self.reference, term.name, unmoved, term.axis, optimistic), term
            )
            b = unit_rows(self._part(self.other, term.name, known, term.axis, optimistic), term)
            total += a @ b.T
        return total

    def _part(
        self,
        network: Mapping[str, Array],
        name: str,
        known: Permutations,
        kept: int | None = None,
        optimistic: bool = False,
    ) -> Array:
        """Gather an array along all axes but one; indices of unknown groups are left out.

        If optimistic, axes with unknown groups are sorted instead: no permutation of them can
        give a larger inner product, and that of a permuted copy gives as much.
        """
        array, unknown = network[name], []
        for number, axis in enumerate(self.spec.axes[name]):
            groups = {segment.group for segment in axis if segment.group}
            if number == kept or not groups:
                continue
            if optimistic and not groups <= known.keys():
                unknown.append(number)
            else:
                array = np.take(array, axis_indices(axis, known), axis=number)
        if unknown:
            last = range(-len(unknown), 0)
            moved = np.moveaxis(array, unknown, last)
            values = np.sort(moved.reshape(*moved.shape[: -len(unknown)], -1), axis=-1)
            array = np.moveaxis(values.reshape(moved.shape), last, unknown)
        return array

    def _neighbours(self, group: str) -> frozenset[str]:
        return frozenset[str]().union(*(term.joined for term in self.terms[group]))

    def _information(self, group: str, known: Permutations) -> int:
        """Number of known weights per unit."""
        total = 0
        for term in self.terms[group]:
            weights = term.segment.outer * term.segment.inner
            for number, axis in enumerate(self.spec.axes[term.name]):
                if number != term.axis:
                    length = self.reference[term.name].shape[number]
                    weights *= axis_indices(axis, known).size if axis else length
            total += weights
        return total
