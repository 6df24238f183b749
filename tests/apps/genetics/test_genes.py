"""What is a genome of a space, and what a space may be made of: the rest is refused by name."""

from __future__ import annotations

import numpy as np
import pytest

from apps.genetics.domains import Choice, Float, Integer
from apps.genetics.errors import GeneticsError
from apps.genetics.genes import Gene, Space, check
from tests.support.spaces import GENOME, SPACE

EARLIER = (
    Gene("n", Integer(1, 3)),
    Gene("zero", Integer(0, 3)),
    Gene("rate", Float(0, 1)),
    Gene("kind", Choice(("a", "b"))),
    Gene("list", Integer(1, 3), per="n"),
)


@pytest.mark.parametrize(
    ("name", "change", "match"),
    [
        ("layers", {"layers": True}, "an integer from 1 to 3, received True"),
        ("layers", {"layers": 2.0}, "an integer from 1 to 3, received 2.0"),
        ("layers", {"layers": np.int64(2)}, "an integer from 1 to 3, received"),
        ("layers", {"layers": 4}, "from 1 to 3, received 4"),
        ("layers", {"layers": [2]}, r"from 1 to 3, received \[2\]"),
        ("units", {"units": [64]}, r"list of length 2 \('layers' is 2\)"),
        ("units", {"units": (64, 32)}, "list of length 2"),
        ("units", {"units": 64}, "list of length 2"),
        ("units'[1]", {"units": [64, 40]}, "in steps of 16, received 40"),
        ("pooling", {"pooling": "min"}, r"one of \['none', 'max', 'mean'\], received 'min'"),
        ("pool", {"pool": 3.0}, r"one of \[2, 3, 5\], received 3.0"),
        ("pool", {"pooling": "none"}, "active only if 'pooling' is one of .*received 3. Remove"),
        ("dropout", {"dropout": 0}, "a float from 0.0 to 0.5, received 0. Use e.g. 0.0"),
        ("dropout", {"dropout": 0.6}, "a float from 0.0 to 0.5, received 0.6"),
        ("dropout", {"dropout": float("nan")}, "received nan"),
        ("dropout", {"dropout": np.float64(0.1)}, "received np.float64"),
        ("dropout", {"dropout": "0.1"}, "received '0.1'"),
        ("width", {"width": 3}, "not in the space, received 3. Remove it; the genes are"),
    ],
)
def test_wrong_genomes_are_refused_naming_the_gene(name, change, match):
    with pytest.raises(GeneticsError, match=match) as refused:
        check(SPACE, GENOME | change)
    assert str(refused.value).startswith(f"Gene '{name}")


@pytest.mark.parametrize("name", GENOME)
def test_missing_genes_are_named(name):
    genome = {other: value for other, value in GENOME.items() if other != name}
    with pytest.raises(GeneticsError, match=r"must have a value, received none\. Add ") as refused:
        check(SPACE, genome)
    assert str(refused.value).startswith(f"Gene '{name}'")


def test_inactive_lists_are_refused():
    space = Space(
        (
            Gene("on", Choice((0, 1))),
            Gene("n", Integer(1, 2), when={"on": (1,)}),
            Gene("list", Integer(0, 9), per="n"),
        )
    )
    check(space, {"on": 0})
    with pytest.raises(GeneticsError, match="Gene 'list' is active only if 'n' is, received"):
        check(space, {"on": 0, "list": [1]})


@pytest.mark.parametrize(
    ("settings", "match"),
    [
        ({"name": "n"}, "a name occurs once in a space, received it twice"),
        (
            {"per": "later"},
            r"per = 'later' must name an earlier .*received the earlier genes \['n'",
        ),
        ({"per": "g"}, "per = 'g' must name an earlier"),
        ({"per": "zero"}, r"low >= 1 that is no list, received Integer\(low=0"),
        ({"per": "rate"}, "must name an earlier integer gene"),
        ({"per": "kind"}, "must name an earlier integer gene"),
        ({"per": "list"}, "no list, received .*, a list per 'n'"),
        ({"when": {"later": (1,)}}, "not 'later', received the earlier genes"),
        ({"when": {"rate": (0.5,)}}, "not 'rate', received Float"),
        ({"when": {"list": (1,)}}, "not 'list', received .*, a list per 'n'"),
        ({"when": {"kind": ()}}, r"when 'kind' must have a tuple of values, received \(\)"),
        ({"when": {"kind": "a"}}, "when 'kind' must have a tuple of values, received 'a'"),
        ({"when": {"kind": ("c",)}}, r"when 'kind' must be one of \['a', 'b'\], received 'c'"),
        ({"when": {"n": (True,)}}, "when 'n' must be an integer from 1 to 3, received True"),
        ({"target": "data"}, r"target must be one of .*received 'data'"),
        ({"target": "optimizer", "structural": True}, "changes no shapes"),
    ],
)
def test_wrong_references_are_refused_naming_the_gene(settings, match):
    gene = Gene(**{"name": "g", "domain": Integer(1, 2)} | settings)
    later = Gene("later", Integer(1, 2))
    with pytest.raises(GeneticsError, match=match) as refused:
        Space((*EARLIER, gene, later))
    assert str(refused.value).startswith(f"Gene {gene.name!r}: ")


def test_spaces_are_values():
    assert hash(SPACE) == hash(Space(SPACE.genes))
    assert Space(SPACE.genes) == SPACE
