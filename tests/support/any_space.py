"""Any search space: strategies of hypothesis, and what is in a space."""

from itertools import product

from hypothesis import strategies as st

from apps.genetics.domains import Choice, Float, Integer
from apps.genetics.genes import Gene, Space

BOTH = ("network", "optimizer")


@st.composite
def integers(draw, most=1000):
    log = draw(st.booleans())
    low, step = draw(st.integers(1 if log else -9, 9)), draw(st.integers(1, 5))
    return Integer(low, low + step * draw(st.integers(0, most)), log, step)


@st.composite
def floats(draw):
    log = draw(st.booleans())
    numbers = st.floats(1e-9 if log else -1e9, 1e9)
    low, high = sorted((draw(numbers), draw(numbers)))
    return Float(low, high, log)


CHOICES = st.builds(
    Choice,
    st.lists(
        st.one_of(st.booleans(), st.integers(-3, 3), st.sampled_from([0.5, "a", "b"])),
        min_size=1,
        max_size=5,
        unique=True,
    ).map(tuple),
    st.booleans(),
)
COUNTS = st.builds(lambda low, more: Integer(low, low + more), st.integers(1, 2), st.integers(0, 2))


@st.composite
def spaces(draw, with_floats=True, most=1000, max_genes=5):
    """Spaces whose genes refer to each other in every way that is allowed."""
    domains = [CHOICES, COUNTS, integers(most)] + ([floats()] if with_floats else [])
    genes: list[Gene] = []
    for number in range(draw(st.integers(0, max_genes))):
        domain = draw(st.one_of(domains))
        scalars = [gene for gene in genes if gene.per is None]
        counts = [
            g.name
            for g in scalars
            if isinstance(g.domain, Integer) and g.domain.low >= 1 and g.domain.high < 6
        ]
        gates = {g.name: g.domain for g in scalars if not isinstance(g.domain, Float)}
        per = draw(st.sampled_from(counts)) if counts and draw(st.booleans()) else None
        when = {}
        if gates and draw(st.booleans()):
            for name in draw(st.lists(st.sampled_from(list(gates)), max_size=2, unique=True)):
                values = st.sampled_from(points(gates[name])[:20])
                when[name] = tuple(draw(st.lists(values, min_size=1, max_size=2, unique=True)))
        target = draw(st.sampled_from(BOTH))
        genes.append(Gene(f"g{number}", domain, per, when, target))
    return Space(tuple(genes))


def points(domain) -> list:
    if isinstance(domain, Choice):
        return list(domain.values)
    return list(range(domain.low, domain.high + 1, domain.step))


def everything(space: Space) -> list[dict]:
    """All genomes of a space without floats, unless they are too many: none then."""
    found: list[dict] = [{}]
    for gene in space.genes:
        grown = []
        for genome in found:
            active = (gene.per is None or gene.per in genome) and all(
                genome.get(name) in values and name in genome for name, values in gene.when.items()
            )
            if not active:
                grown.append(genome)
                continue
            values = points(gene.domain)
            if gene.per is not None:
                values = [list(each) for each in product(values, repeat=genome[gene.per])]
            grown += [{**genome, gene.name: value} for value in values]
        found = grown
        if len(found) > 3000:
            return []
    return found


def plain(value) -> bool:
    if type(value) is list:
        return all(plain(each) and type(each) is not list for each in value)
    return type(value) in (bool, int, float, str)
