"""Atoms: what operations tie together permutes together, and no more than is allowed."""

import numpy as np
import pytest

from apps.genetics.atoms import Atoms
from apps.genetics.errors import GeneticsError
from apps.genetics.permutation import Segment


def segments(atoms: Atoms, *names: str):
    return dict(atoms.spec(names).axes)


def test_units_of_one_layer_are_a_group():
    atoms = Atoms()
    units = atoms.fresh(3, "h")
    atoms.site("h/kernel", [atoms.fixed(2), units])
    atoms.site("h/bias", [units])
    atoms.site("h/gates", [np.tile(units, 4), atoms.fixed(1)])
    atoms.site("h/depthwise", [np.repeat(units, 2)])
    assert segments(atoms, "h/bias", "h/kernel", "h/gates", "h/depthwise") == {
        "h/bias": ((Segment(3, "h"),),),
        "h/kernel": ((), (Segment(3, "h"),)),
        "h/gates": ((Segment(3, "h", outer=4),), ()),
        "h/depthwise": ((Segment(3, "h", inner=2),),),
    }


def test_tied_layers_are_one_group_named_by_the_first():
    atoms = Atoms()
    a, b, c = (atoms.fresh(3, name) for name in "abc")
    for name, axis in zip("abc", (a, b, c), strict=True):
        atoms.site(name, [axis])
    atoms.tie(c, b)
    atoms.tie(b, a)
    assert dict(atoms.spec("abc").groups) == {"a": 3}


def test_concatenation_tied_to_one_layer_splits_that_layer():
    atoms = Atoms()
    a, b, whole = atoms.fresh(2, "a"), atoms.fresh(3, "b"), atoms.fresh(5, "whole")
    for name, axis in (("a", a), ("b", b), ("whole", whole)):
        atoms.site(name, [axis])
    atoms.tie(whole, np.concatenate([a, b]))
    assert segments(atoms, "a", "b", "whole")["whole"] == ((Segment(2, "a"), Segment(3, "b")),)


def test_flattened_concatenation_repeats_its_parts():
    atoms = Atoms()
    a, b = atoms.fresh(2, "a"), atoms.fresh(3, "b")
    flat = np.tile(np.concatenate([a, atoms.fixed(1), b]), 2)
    atoms.site("read", [flat])
    part = (Segment(2, "a"), Segment(1), Segment(3, "b"))
    assert segments(atoms, "read") == {"read": (part * 2,)}


def test_fixed_units_and_all_tied_to_them_stay():
    atoms = Atoms()
    a, b = atoms.fresh(3, "a"), atoms.fresh(3, "b")
    atoms.site("a", [a])
    atoms.site("b", [b])
    atoms.tie(a, b)
    atoms.fix(b)
    assert segments(atoms, "a", "b") == {"a": ((),), "b": ((),)}


def test_coloured_units_are_exchanged_within_their_colour_only():
    atoms = Atoms()
    units = atoms.fresh(6, "h")
    atoms.site("h", [units])
    atoms.colour(units, np.repeat([0, 1], 3))
    assert segments(atoms, "h") == {"h": ((Segment(3, "h"), Segment(3, "h:2")),)}


def test_colours_follow_the_order_of_the_places():
    # Unit 0 lies in blocks 0, 1 and unit 1 in blocks 1, 0: they are not alike.
    atoms = Atoms()
    units = atoms.fresh(2, "h")
    atoms.site("h", [units])
    atoms.colour(np.concatenate([units, units]), np.array([0, 1, 1, 0]))
    assert segments(atoms, "h") == {"h": ((),)}


def test_single_unit_has_no_freedom():
    atoms = Atoms()
    atoms.site("h", [atoms.fresh(1, "h")])
    assert segments(atoms, "h") == {"h": ((),)}


def test_array_without_axes_and_network_without_arrays():
    atoms = Atoms()
    atoms.site("scale", [])
    assert segments(atoms, "scale") == {"scale": ()}
    assert dict(atoms.spec([]).axes) == {}


def test_order_that_segments_cannot_express_is_fixed():
    atoms = Atoms()
    units, others = atoms.fresh(3, "h"), atoms.fresh(2, "other")
    atoms.site("h", [units])
    atoms.site("reversed", [units[::-1]])
    atoms.site("other", [others])
    found = segments(atoms, "h", "reversed", "other")
    assert found == {"h": ((),), "reversed": ((),), "other": ((Segment(2, "other"),),)}


def test_layer_used_twice_ties_what_it_reads():
    atoms = Atoms()
    a, b = atoms.fresh(3, "a"), atoms.fresh(3, "b")
    for name, axis in (("a", a), ("b", b), ("shared", a), ("shared", b)):
        atoms.site(name, [axis])
    assert dict(atoms.spec(["a", "b", "shared"]).groups) == {"a": 3}


def test_misuse_is_refused():
    atoms = Atoms()
    with pytest.raises(GeneticsError, match="one length, received 2 and 3"):
        atoms.tie(atoms.fixed(2), atoms.fixed(3))
    atoms.site("a", [atoms.fixed(2)])
    with pytest.raises(GeneticsError, match=r"'a' was described with axes of lengths \[2\]"):
        atoms.site("a", [atoms.fixed(3)])
    with pytest.raises(GeneticsError, match=r"missing \['b'\]"):
        atoms.spec(["a", "b"])
