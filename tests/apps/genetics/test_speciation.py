"""Species: a partition, deterministic, with ids that last over halts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.genetics.errors import GeneticsError
from apps.genetics.speciation import (
    SPECIATIONS,
    Earlier,
    by_clustering,
    by_count,
    by_threshold,
    dynamic,
    none,
)

CALLS = {
    "threshold": lambda d, e=None: SPECIATIONS["threshold"](d, e, threshold=0.5),
    "count": lambda d, e=None: SPECIATIONS["count"](d, e, count=3),
    "clustering": lambda d, e=None: SPECIATIONS["clustering"](d, e, count=3),
    "clustering at": lambda d, e=None: SPECIATIONS["clustering"](d, e, threshold=0.5),
    "dynamic": lambda d, e=None: SPECIATIONS["dynamic"](d, e, count=3, smallest=1),
    "none": lambda d, e=None: SPECIATIONS["none"](d, e),
}


def line(*places: float) -> np.ndarray:
    """Distances of members that lie on a line."""
    return np.abs(np.subtract.outer(places, places))


def to(members, representatives) -> np.ndarray:
    return np.abs(np.subtract.outer(members, representatives))


def isolate(distances: np.ndarray, *members: int) -> np.ndarray:
    changed = distances.astype(float)
    for member in members:
        changed[member], changed[:, member], changed[member, member] = np.inf, np.inf, 0
    return changed


PLACES = st.lists(st.floats(0, 10), max_size=12)


def test_every_registered_rule_is_called():
    assert {name.split()[0] for name in CALLS} == set(SPECIATIONS)


@pytest.mark.parametrize("name", CALLS)
@given(places=PLACES, before=st.lists(st.floats(0, 10), max_size=4), failed=st.integers(0, 20))
def test_species_partition_the_population(name, places, before, failed):
    distances = line(*places).reshape(len(places), len(places))
    cross = to(places, before).reshape(len(places), len(before))
    if failed < len(places):
        distances, cross[failed] = isolate(distances, failed), np.inf
    earlier = Earlier(tuple(range(2, 2 + len(before))), cross, next_id=9)
    species = CALLS[name](distances, earlier)
    assert len(species.ids) == len(places)
    assert all(type(each) is int for each in species.ids)
    assert set(species.representatives) == set(species.ids)
    members = [member for each in species.representatives for member in species.members(each)]
    assert sorted(members) == list(range(len(places)))
    for each, representative in species.representatives.items():
        assert species.ids[representative] == each
        assert each in earlier.ids or 9 <= each < species.next_id
    assert species == CALLS[name](distances, earlier)


@pytest.mark.parametrize("name", CALLS)
def test_equal_members_are_one_species(name):
    assert CALLS[name](np.zeros((5, 5))).ids == (0,) * 5


@pytest.mark.parametrize("name", CALLS)
def test_single_member_and_nobody(name):
    assert CALLS[name](np.zeros((1, 1))).ids == (0,)
    assert CALLS[name](np.zeros((0, 0))).ids == ()


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"none"}))
def test_clear_groups_are_found(name):
    species = CALLS[name](line(0, 5, 0.1, 9, 5.2, 0.2))
    assert species.ids == (0, 1, 0, 2, 1, 0)
    assert dict(species.representatives) == {0: 2, 1: 1, 2: 3}
    assert species.next_id == 3


@pytest.mark.parametrize("name", sorted(set(CALLS) - {"none"}))
def test_failed_members_are_alone_and_do_not_use_up_the_count(name):
    species = CALLS[name](isolate(line(0, 5, 0.1, 9, 5.2, 0.2, 1), 6))
    assert species.ids[:6] == (0, 1, 0, 2, 1, 0) or name.startswith("clustering")
    assert len(set(species.ids)) == 4
    assert species.members(species.ids[6]) == (6,)
    failed = CALLS[name](isolate(line(0, 1, 2), 0, 1, 2))
    assert failed.ids == (0, 1, 2)


@pytest.mark.parametrize("name", CALLS)
def test_ids_last_although_members_change_places(name):
    first = CALLS[name](line(0, 5, 9))
    representatives = [{0: 0, 1: 5, 2: 9}[each] for each in first.representatives]
    places = [9.1, 0.2, 5.1, 5.3, 8.9]
    if name == "none":
        representatives = [5]
    earlier = Earlier(tuple(first.representatives), to(places, representatives), first.next_id)
    expected = (0,) * 5 if name == "none" else (2, 0, 1, 1, 2)
    assert CALLS[name](line(*places), earlier).ids == expected


@pytest.mark.parametrize("name", ["threshold", "clustering at"])
def test_ids_of_extinct_species_are_not_used_again(name):
    places = [0.1, 20.0]
    earlier = Earlier((0, 4), to(places, [0, 5]), next_id=5)
    species = CALLS[name](line(*places), earlier)
    assert species.ids == (0, 5)
    assert species.next_id == 6


def test_threshold_is_within_and_the_nearest_representative_takes_a_member():
    assert by_threshold(line(0, 1), threshold=1.0).ids == (0, 0)
    assert by_threshold(line(0, 1), threshold=0.99).ids == (0, 1)
    earlier = Earlier((0, 1), to([0.6], [0, 1]), next_id=2)
    assert by_threshold(line(0.6), earlier, threshold=5.0).ids == (1,)


def test_infinite_threshold_does_not_join_failed_members():
    assert by_threshold(isolate(line(0, 1, 2), 1), threshold=np.inf).ids == (0, 1, 0)


def test_zero_threshold_joins_equal_members_only():
    assert by_threshold(line(0, 0, 1), threshold=0).ids == (0, 0, 1)


@given(st.lists(st.integers(0, 50), min_size=1, max_size=10, unique=True), st.data())
def test_count_is_reached_on_distinct_members(places, data):
    count = data.draw(st.integers(1, len(places)))
    species = by_count(line(*map(float, places)), count=count)
    found = len(species.representatives)
    assert abs(found - count) <= max(1, count // 2)
    again = by_threshold(line(*map(float, places)), threshold=species.threshold)
    assert again == species


@pytest.mark.parametrize("count", [1, 2, 3])
def test_count_is_met_where_a_threshold_can(count):
    species = by_count(line(0, 1, 3, 7), count=count)
    assert len(species.representatives) == count


@pytest.mark.parametrize("name", ["count", "clustering"])
def test_more_species_wanted_than_members(name):
    assert SPECIATIONS[name](line(0, 1), count=7).ids == (0, 1)


def test_clustering_at_a_threshold_inherits_within_it_only():
    places = [0.0, 8.0]
    earlier = Earlier((0, 1), to(places, [0.1, 5]), next_id=2)
    assert by_clustering(line(*places), earlier, threshold=1).ids == (0, 2)
    assert by_clustering(line(*places), earlier, count=2).ids == (0, 1)


def test_clusters_share_out_the_earlier_ids_one_each():
    places = [0.0, 0.2, 3.0]
    earlier = Earlier((7,), to(places, [0.1]), next_id=8)
    assert by_clustering(line(*places), earlier, count=2).ids == (7, 7, 8)


@pytest.mark.parametrize("method", ["average", "complete", "single", "weighted"])
def test_components_infinitely_far_apart_stay_apart(method):
    distances = np.block(
        [[line(0, 1), np.full((2, 2), np.inf)], [np.full((2, 2), np.inf), line(0, 1)]]
    )
    assert by_clustering(distances, threshold=1000.0, method=method).ids == (0, 0, 1, 1)


def test_one_species_keeps_its_id():
    assert none(line(0, 1), Earlier((4,), np.zeros((2, 1)), 6)).ids == (4, 4)
    assert none(line(0, 1)).representatives == {0: 0}


def test_representative_is_the_medoid():
    assert by_threshold(line(0, 0.4, 0.5), threshold=1).representatives == {0: 1}


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "distances",
    [
        np.zeros((2, 3)),
        np.zeros(3),
        np.array([[0, 1], [2, 0]]),
        np.array([[1.0]]),
        np.array([[0, -1], [-1, 0]]),
        np.array([[0, np.nan], [np.nan, 0]]),
    ],
)
def test_what_is_no_distance_matrix_is_refused(name, distances):
    with pytest.raises(GeneticsError, match="Distances must be"):
        CALLS[name](distances)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize(
    "earlier",
    [
        Earlier((0,), np.zeros((3, 1)), 1),
        Earlier((0, 1), np.zeros((2, 1)), 2),
        Earlier((3,), np.zeros((2, 1)), 3),
        Earlier((1, 1), np.zeros((2, 2)), 3),
    ],
)
def test_earlier_species_that_do_not_fit_are_refused(name, earlier):
    with pytest.raises(GeneticsError, match="Earlier species must have"):
        CALLS[name](line(0, 1), earlier)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: by_threshold(line(0), threshold=-1), "threshold must be >= 0"),
        (lambda: by_threshold(line(0), threshold=np.nan), "threshold must be >= 0"),
        (lambda: by_clustering(line(0), threshold=-1), "threshold must be >= 0"),
        (lambda: by_count(line(0), count=0), "count = 0"),
        (lambda: by_clustering(line(0), count=0), "count = 0"),
        (lambda: by_clustering(line(0)), "either count or threshold"),
        (lambda: by_clustering(line(0), count=1, threshold=1), "either count or threshold"),
        (lambda: by_clustering(line(0), count=1, method="ward"), "method must be one of"),
    ],
)
def test_settings_are_checked(call, message):
    with pytest.raises(GeneticsError, match=message):
        call()


# -------------------------------------------------------------------------- room to breed


@given(places=st.lists(st.floats(0, 10), min_size=2, max_size=20), smallest=st.integers(1, 4))
def test_no_species_is_too_small_to_breed_unless_the_population_is(places, smallest):
    found = dynamic(line(*places), count=4, smallest=smallest)
    sizes = [len(found.members(each)) for each in found.representatives]
    assert min(sizes) >= min(smallest, len(places))
    assert found.ids == dynamic(line(*places), count=4, smallest=smallest).ids


@pytest.mark.parametrize(("members", "count"), [(4, 1), (12, 2), (24, 4), (60, 10)])
def test_the_number_of_species_follows_from_the_population(members, count):
    places = [10.0 * (member % count) + 0.01 * member for member in range(members)]
    found = dynamic(line(*places))
    assert len(found.representatives) == count
    assert all(len(found.members(each)) == members // count for each in found.representatives)


def test_loners_join_the_nearest_and_do_not_use_up_the_target():
    # By their number alone three outliers would be three of four species.
    places = [0, 0.1, 0.2, 1, 1.1, 1.2, 5, 9, 20]
    assert by_count(line(*places), count=4).ids == (0, 0, 0, 0, 0, 0, 1, 2, 3)
    assert dynamic(line(*places), count=4).ids == (0, 0, 0, 1, 1, 1, 1, 2, 2)


def test_ids_last_and_are_used_one_after_the_other():
    places = [0.0, 0.1, 5.0, 5.1, 9.0, 9.1]
    earlier = Earlier((3,), to(places, [5.0]), next_id=7)
    found = dynamic(line(*places), earlier, count=3)
    assert found.ids == (7, 7, 3, 3, 8, 8)
    assert found.next_id == 9


@pytest.mark.parametrize("settings", [{"count": 0}, {"members": 0}, {"smallest": 0}])
def test_numbers_of_species_and_members_are_at_least_one(settings):
    with pytest.raises(GeneticsError, match="At least 1"):
        dynamic(line(0, 1), **settings)
