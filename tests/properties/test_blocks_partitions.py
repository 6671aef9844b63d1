"""Random partitions of any map: blocks touch, do not overlap, and have the size asked for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pluseval.data.geography import load_geography
from pluseval.errors import DesignError
from pluseval.numerics.blocks import random_partitions, random_sets


def grid(rows, columns):
    where = [(i, j) for i in range(rows) for j in range(columns)]
    return [tuple(k for k, (a, b) in enumerate(where) if abs(a - i) + abs(b - j) == 1) for i, j in where]


def connected(block, neighbours):
    inside, seen, todo = set(block.tolist()), set(), [int(block[0])]
    while todo:
        place = todo.pop()
        if place not in seen:
            seen.add(place)
            todo += [j for j in neighbours[place] if j in inside]
    return seen == inside


@settings(max_examples=40, deadline=None)
@given(
    rows=st.integers(2, 7),
    columns=st.integers(2, 7),
    parts=st.integers(2, 6),
    seed=st.integers(0, 2**32 - 1),
)
def test_blocks_touch_do_not_overlap_and_have_the_size(rows, columns, parts, seed):
    neighbours = grid(rows, columns)
    size = np.random.default_rng(seed).uniform(1, 2, rows * columns)
    target = size.sum() / parts
    try:
        drawn = random_partitions(neighbours, size, target=target, partitions=5, seed=seed)
    except DesignError:
        return  # no block of that size exists on this map
    for partition in drawn.blocks:
        together = np.concatenate(partition)
        assert np.unique(together).size == together.size
        for block in partition:
            assert connected(block, neighbours)
            assert 0.8 * target - 1e-9 <= size[block].sum() <= 1.2 * target + 1e-9


def same(a, b):
    return all(
        len(p) == len(q) and all(np.array_equal(x, y) for x, y in zip(p, q, strict=True))
        for p, q in zip(a, b, strict=False)
    )


def test_the_seed_decides_and_more_partitions_leave_the_first_as_they_were():
    neighbours, size = grid(8, 8), np.ones(64)
    few = random_partitions(neighbours, size, target=6, partitions=5, seed=3)
    many = random_partitions(neighbours, size, target=6, partitions=9, seed=3)
    other = random_partitions(neighbours, size, target=6, partitions=5, seed=4)
    assert same(few.blocks, many.blocks) and len(many) == 9
    assert not same(few.blocks, other.blocks)


def test_islands_and_places_larger_than_a_block_are_in_none():
    neighbours = [*grid(4, 4), ()]
    size = np.ones(17)
    size[5] = 50.0
    drawn = random_partitions(neighbours, size, target=4, partitions=20, seed=1)
    inside = drawn.membership().sum(axis=0)
    assert inside[16] == 0 and inside[5] == 0
    assert (np.delete(inside, [5, 16]) > 0).all()


def test_random_sets_have_the_size_and_come_from_anywhere():
    size = np.random.default_rng(2).uniform(1, 2, 50)
    size[7] = 90.0
    drawn = random_sets(size, target=12, sets=30, seed=4)
    (groups,) = drawn.blocks
    sums = np.array([size[g].sum() for g in groups])
    assert len(groups) == 30 and ((sums >= 9.6) & (sums <= 14.4)).all()
    assert drawn.membership().sum(axis=0)[7] == 0
    assert same([groups], random_sets(size, target=12, sets=30, seed=4).blocks)
    with pytest.raises(DesignError, match="no set of places"):
        random_sets(size[:2], target=80, sets=3, seed=1)


def test_the_callers_data_are_unchanged():
    neighbours, size = grid(5, 5), np.arange(1.0, 26.0)
    kept = [tuple(n) for n in neighbours], size.copy()
    random_partitions(neighbours, size, target=40, partitions=3, seed=1)
    assert kept[0] == neighbours and (kept[1] == size).all()


@pytest.mark.parametrize(
    ("neighbours", "size", "options", "message"),
    [
        ([(1,), ()], [1.0, 1.0], {"target": 1}, "not neighbours both ways"),
        ([(0,)], [1.0], {"target": 1}, "not neighbours both ways"),
        ([(1,), (0,)], [1.0], {"target": 1}, "have neighbours"),
        ([(1,), (0,)], [1.0, 0.0], {"target": 1}, "positive"),
        ([(1,), (0,)], [1.0, 1.0], {"target": 50}, "no block of touching places"),
        ([(1,), (0,)], [1.0, 1.0], {"target": 1, "tolerance": 1.5}, "between 0 and 1"),
    ],
)
def test_bad_maps_are_refused(neighbours, size, options, message):
    with pytest.raises(DesignError, match=message):
        random_partitions(neighbours, np.array(size), partitions=2, seed=1, **options)


def test_the_map_of_the_netherlands_is_symmetric_and_has_two_places_without_neighbour():
    geography = load_geography()
    whole = dict(zip(geography.municipalities, geography.neighbours, strict=True))
    names = geography.municipalities
    assert all(names.index(a) in whole[names[j]] for a in names for j in whole[a])
    assert {name for name, others in whole.items() if not others} == {"AMELAND", "TEXEL"}
