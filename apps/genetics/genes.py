"""A search space as a tuple of genes, and the check that a genome is a point of it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Literal, get_args

from apps.genetics import domains
from apps.genetics.domains import Choice, Domain, Float, Integer, Value
from apps.genetics.errors import GeneticsError

Genome = dict[str, Value | list[Value]]
Genotype = Mapping[str, Value | list[Value]]
"""A genome that is only read."""
Target = Literal["network", "optimizer", "training"]


@dataclass(frozen=True)
class Gene:
    """One parameter that is searched.

    Attributes:
      name: of the parameter.
      domain: its values.
      per: an earlier integer gene d; the value is then a list of d values ("width per layer"), and
        the gene is active only if d is.
      when: earlier gene -> values; the gene is active only if each of those genes is active and
        has one of its values.
      target: whose parameter it is: the network builder's, the optimizer's or the training's.
      structural: whether it changes the shapes of arrays; by default see `is_structural`.
    """

    name: str
    domain: Domain
    per: str | None = None
    when: Mapping[str, tuple[Value, ...]] = field(default_factory=dict, hash=False)
    target: Target = "network"
    structural: bool | None = None

    @property
    def is_structural(self) -> bool:
        """Whether it changes shapes: unless said, if it is the network's and not a float."""
        if self.structural is not None:
            return self.structural
        return self.target == "network" and not isinstance(self.domain, Float)


@dataclass(frozen=True)
class Space:
    """Genes, each after those that it refers to.

    Raises:
      GeneticsError: a name occurs twice, a domain is empty or contradicts itself, or `per` or
        `when` refer to a gene that is not earlier or that cannot serve.
    """

    genes: tuple[Gene, ...]

    def __post_init__(self) -> None:
        """Check every gene by itself and against the earlier ones."""
        earlier: dict[str, Gene] = {}
        for gene in self.genes:
            for rule, received, step in _faults(gene, earlier):
                raise GeneticsError(f"Gene {gene.name!r}: {rule}, received {received}. {step}")
            earlier[gene.name] = gene


def check(space: Space, genome: Genotype) -> None:
    """Check that a genome is a point of the space.

    Args:
      space: the genes.
      genome: to check; types count (True is no integer, 1 is no float, no NumPy scalar is either).

    Raises:
      GeneticsError: a gene is missing, unknown or inactive, or its value is of another type, out
        of range, off the grid, or a list of another length.

    >>> check(Space((Gene("units", Integer(16, 64, step=16)),)), {"units": 24})
    Traceback (most recent call last):
    ...
    apps.genetics.errors.GeneticsError: Gene 'units' must be an integer from 16 to 64 in steps \
of 16, received 24. Use e.g. 16.
    """
    known = {gene.name for gene in space.genes}
    for name in genome:
        if name not in known:
            raise GeneticsError(
                f"Gene {name!r} is not in the space, received {genome[name]!r}. Remove it; the "
                f"genes are {[gene.name for gene in space.genes]}."
            )
    for gene in space.genes:
        if not is_active(gene, genome):
            if gene.name in genome:
                raise GeneticsError(
                    f"Gene {gene.name!r} is active only if {_condition(gene)}, received "
                    f"{genome[gene.name]!r}. Remove it."
                )
            continue
        if gene.name not in genome:
            raise GeneticsError(
                f"Gene {gene.name!r} is active and must have a value, received none. Add "
                f"{_allowed(gene, genome)}."
            )
        value = genome[gene.name]
        if gene.per is not None and (
            type(value) is not list or len(value) != length_of(gene, genome)
        ):
            raise GeneticsError(
                f"Gene {gene.name!r} must be {_allowed(gene, genome)}, received {value!r}. Give "
                f"as many values as {gene.per!r} says."
            )
        values = [value] if gene.per is None else values_of(genome, gene)
        for number, each in enumerate(values):
            if not domains.contains(gene.domain, each):
                place = "" if gene.per is None else f"[{number}]"
                raise GeneticsError(
                    f"Gene {gene.name!r}{place} must be {domains.described(gene.domain)}, received "
                    f"{each!r}. Use e.g. {domains.example(gene.domain)!r}."
                )


def completed(space: Space, given: Mapping[str, Value]) -> Genome:
    """Complete the values of some genes to a genome; the others get their least value.

    Args:
      space: the genes.
      given: values; for a gene that is a list, the value of all its elements. Genes that these
          depend on get a value with which they are active.

    >>> from apps.genetics.domains import Integer
    >>> space = Space((Gene("layers", Integer(2, 3)), Gene("units", Integer(4, 8), per="layers")))
    >>> completed(space, {"units": 8})
    {'layers': 2, 'units': [8, 8]}
    """
    wanted = dict(given)
    for gene in reversed(space.genes):
        if gene.name in wanted:
            for name, values in gene.when.items():
                wanted.setdefault(name, values[0])
            if gene.per is not None:
                counting = next(each for each in space.genes if each.name == gene.per)
                wanted.setdefault(gene.per, domains.example(counting.domain))
    genome: Genome = {}
    for gene in space.genes:
        if is_active(gene, genome):
            value = wanted.get(gene.name, domains.example(gene.domain))
            put_values(genome, gene, [value] * length_of(gene, genome))
    return genome


def is_active(gene: Gene, genome: Genotype) -> bool:
    """Whether a gene is active, given the values of the genes before it."""
    return (gene.per is None or gene.per in genome) and all(
        name in genome and genome[name] in values for name, values in gene.when.items()
    )


def length_of(gene: Gene, genome: Genotype) -> int:
    """Give the number of values: 1 for a gene that is no list."""
    length = 1 if gene.per is None else genome[gene.per]
    assert isinstance(length, int)
    return length


def values_of(genome: Genotype, gene: Gene) -> list[Value]:
    """Give the values of a gene as a list, empty if it is inactive."""
    if gene.name not in genome:
        return []
    value = genome[gene.name]
    return value if isinstance(value, list) else [value]


def put_values(genome: Genome, gene: Gene, values: list[Value]) -> None:
    """Set the values of a gene: a list if it has one a layer."""
    genome[gene.name] = values[0] if gene.per is None else values


def copied(value: Value | list[Value]) -> Value | list[Value]:
    """Return a copy of a value, which may be a list."""
    return list(value) if isinstance(value, list) else value


# ------------------------------------------------------------------------------------- domains


def _allowed(gene: Gene, genome: Genotype) -> str:
    if gene.per is None:
        return domains.described(gene.domain)
    length = length_of(gene, genome)
    each = domains.described(gene.domain)
    return f"a list of length {length} ({gene.per!r} is {length}), each {each}"


def _condition(gene: Gene) -> str:
    conditions = [] if gene.per is None else [f"{gene.per!r} is"]
    conditions += [f"{name!r} is one of {list(values)}" for name, values in gene.when.items()]
    return " and ".join(conditions)


# ---------------------------------------------------------------------------------------- rules


def _faults(gene: Gene, earlier: Mapping[str, Gene]) -> Iterator[tuple[str, object, str]]:
    """Yield what is wrong with a gene: rule, received, next step."""
    if gene.name in earlier:
        yield "a name occurs once in a space", "it twice", "Rename one of the two."
    if gene.target not in get_args(Target):
        yield f"target must be one of {get_args(Target)}", repr(gene.target), "Use one of them."
    if gene.target != "network" and gene.structural:
        yield (
            f"a gene of the {gene.target} changes no shapes",
            "structural = True",
            "Leave structural out, or use target = 'network'.",
        )
    if isinstance(gene.domain, Choice):
        yield from domains.choice_faults(gene.domain)
    else:
        yield from domains.number_faults(gene.domain)
    if gene.per is not None:
        yield from _per_faults(gene.per, earlier)
    for name, values in gene.when.items():
        yield from _when_faults(name, values, earlier)


def _per_faults(per: str, earlier: Mapping[str, Gene]) -> Iterator[tuple[str, object, str]]:
    other = earlier.get(per)
    rule = f"per = {per!r} must name an earlier integer gene with low >= 1 that is no list"
    if other is None:
        yield rule, f"the earlier genes {list(earlier)}", "Put that gene before, or correct it."
    elif not isinstance(other.domain, Integer) or other.domain.low < 1 or other.per is not None:
        listed = "" if other.per is None else f", a list per {other.per!r}"
        yield rule, f"{other.domain}{listed}", "Use the gene that counts, e.g. 'layers'."


def _when_faults(
    name: str, values: object, earlier: Mapping[str, Gene]
) -> Iterator[tuple[str, object, str]]:
    other = earlier.get(name)
    rule = f"when must name earlier choices or integers that are no lists, not {name!r}"
    if other is None:
        yield rule, f"the earlier genes {list(earlier)}", "Put that gene before, or correct it."
    elif isinstance(other.domain, Float) or other.per is not None:
        listed = "" if other.per is None else f", a list per {other.per!r}"
        yield rule, f"{other.domain}{listed}", "Add a choice that switches this gene."
    elif not isinstance(values, tuple) or not values:
        yield f"when {name!r} must have a tuple of values", repr(values), "Write e.g. ('max',)."
    else:
        for value in values:
            if not domains.contains(other.domain, value):
                yield (
                    f"when {name!r} must be {domains.described(other.domain)}",
                    repr(value),
                    f"Use e.g. {domains.example(other.domain)!r}.",
                )


# ------------------------------------------------------------------------------------- counting


def references(gene: Gene) -> list[str]:
    """Return the names of the genes that a gene refers to."""
    return [*([] if gene.per is None else [gene.per]), *gene.when]
