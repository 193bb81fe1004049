"""Datasets: lazy, again and again, in order, with errors that name the stage.

Their elements are compared with TensorFlow's in compat/test_datasets.py.
"""

import pickle
import threading
import time

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras.data import AUTOTUNE, INFINITE_CARDINALITY, UNKNOWN_CARDINALITY, Dataset, TensorSpec

X = np.arange(20, dtype="float32").reshape(10, 2)
Y = np.arange(10)


def numbers(dataset):
    return [int(element) for element in dataset]


def double(n):
    return n * 2


def is_even(n):
    return n % 2 == 0


# -- laziness ---------------------------------------------------------------------------------------------------------


def test_nothing_runs_before_somebody_iterates_and_no_more_than_is_asked_for():
    made = []
    dataset = Dataset.range(1000).map(lambda n: made.append(int(n)) or n).batch(2)
    assert made == []
    elements = iter(dataset)
    next(elements)
    assert made == [0, 1]
    assert dataset.take(2).cardinality() == 2 and made == [0, 1]


def test_passes_are_independent():
    dataset = Dataset.range(4).map(double)
    first, second = iter(dataset), iter(dataset)
    assert [int(next(first)), int(next(first)), int(next(second)), int(next(first))] == [0, 2, 0, 4]


def test_methods_leave_the_dataset_as_it_is():
    dataset = Dataset.range(5)
    dataset.map(double), dataset.take(2), dataset.shuffle(5)
    assert numbers(dataset) == [0, 1, 2, 3, 4]


def test_an_endless_dataset_is_read_as_far_as_needed():
    dataset = Dataset.range(3).repeat().map(double)
    assert dataset.cardinality() == INFINITE_CARDINALITY and numbers(dataset.take(5)) == [0, 2, 4, 0, 2]
    assert Dataset.range(0).repeat().batch(2).cardinality() == 0 and list(Dataset.range(0).repeat()) == []
    assert list(Dataset.from_generator(lambda: iter(())).repeat()) == []


def test_elements_of_arrays_are_copies_in_batches():
    array = X.copy()
    for batch in Dataset.from_tensor_slices(array).batch(3):
        batch += 1
    for batch in Dataset.from_tensor_slices(array).shuffle(10).batch(3):
        batch += 1
    np.testing.assert_array_equal(array, X)


# -- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("arrays", [True, False])
def test_shuffle(arrays):
    dataset = Dataset.from_tensor_slices(Y) if arrays else Dataset.range(10).map(lambda n: n)
    keras.utils.set_random_seed(1)
    shuffled = dataset.shuffle(10)
    first, second = numbers(shuffled), numbers(shuffled)
    assert sorted(first) == sorted(second) == list(range(10)) and first != second
    keras.utils.set_random_seed(1)
    shuffled = dataset.shuffle(10)
    assert [numbers(shuffled), numbers(shuffled)] == [first, second]
    same = dataset.shuffle(10, seed=5, reshuffle_each_iteration=False)
    assert numbers(same) == numbers(same) == numbers(dataset.shuffle(10, seed=5)) != list(range(10))
    kept = dataset.shuffle(10, reshuffle_each_iteration=False)
    assert numbers(kept) == numbers(kept)
    mapped = dataset.shuffle(10, seed=5).map(lambda n: n).batch(10)  # by elements, in the same order as by rows
    assert next(iter(mapped)).tolist() == next(iter(dataset.shuffle(10, seed=5).batch(10))).tolist()


def test_a_small_buffer_moves_elements_a_little():
    order = numbers(Dataset.range(1000).shuffle(10, seed=0))
    assert sorted(order) == list(range(1000)) != order
    assert max(number - place for place, number in enumerate(order)) <= 10


def test_shuffle_then_repeat_has_every_element_in_each_round():
    order = numbers(Dataset.range(6).shuffle(6, seed=1).repeat(3))
    rounds = [order[:6], order[6:12], order[12:]]
    assert all(sorted(each) == list(range(6)) for each in rounds) and rounds[0] != rounds[1]


def test_all_orders_are_equally_likely():
    counts = {}
    for seed in range(600):
        order = tuple(numbers(Dataset.range(3).shuffle(3, seed=seed)))
        counts[order] = counts.get(order, 0) + 1
    assert len(counts) == 6 and min(counts.values()) > 60


# -- threads ----------------------------------------------------------------------------------------------------------


def test_map_in_threads_keeps_the_order_and_works_beside():
    seen = set()

    def slow(n):
        seen.add(threading.current_thread())
        time.sleep(0.01 * (int(n) % 3))
        return n

    assert numbers(Dataset.range(12).map(slow, num_parallel_calls=4)) == list(range(12))
    assert threading.main_thread() not in seen and len(seen) > 1


@pytest.mark.parametrize("stage", ["prefetch", "map"])
def test_threads_end_with_the_iterator(stage):
    before = set(threading.enumerate())
    dataset = Dataset.range(10**9)
    dataset = dataset.prefetch(3) if stage == "prefetch" else dataset.map(double, num_parallel_calls=AUTOTUNE)
    elements = iter(dataset)
    next(elements)
    new = set(threading.enumerate()) - before
    assert new
    elements.close()
    for thread in new:
        thread.join(5)
        assert not thread.is_alive()


def test_prefetch_reads_no_further_than_it_was_told():
    made = []
    elements = iter(Dataset.range(100).map(lambda n: made.append(int(n)) or n).prefetch(3))
    next(elements)
    time.sleep(0.1)
    assert 1 <= len(made) <= 5


# -- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("change", [lambda d: d, lambda d: d.prefetch(2)])
@pytest.mark.parametrize("threads", [None, 2])
def test_an_error_names_its_stage(change, threads):
    def fails(n):
        if n == 3:
            raise ZeroDivisionError("on purpose")
        return n

    dataset = change(Dataset.range(6).batch(1).unbatch().map(fails, num_parallel_calls=threads))
    with pytest.raises(ZeroDivisionError, match="on purpose") as caught:
        list(dataset.batch(2))
    note = caught.value.__notes__[0]
    assert "map(fails)" in note and "range → batch → unbatch → map" in note and "int64" in note


def test_elements_that_do_not_fit():
    with pytest.raises(ValueError, match=r"different shapes.*padded_batch"):
        list(Dataset.range(1, 4).map(lambda n: torch.zeros(int(n))).batch(3))
    with pytest.raises(ValueError, match="different lengths"):
        Dataset.from_tensor_slices((X, Y[:3]))
    with pytest.raises(ValueError, match="larger than padded_shapes"):
        list(Dataset.range(1, 4).map(lambda n: torch.zeros(int(n))).padded_batch(3, padded_shapes=(2,)))
    with pytest.raises(ValueError, match="first axis"):
        Dataset.from_tensor_slices(3.0)


BAD = {
    "batch": (lambda d: d.batch(0), ValueError, "`batch_size`.*at least 1"),
    "take": (lambda d: d.take(-2), ValueError, "`count`"),
    "buffer": (lambda d: d.shuffle(0), ValueError, "`buffer_size`"),
    "shard": (lambda d: d.shard(2, 2), ValueError, "`index` must be below"),
    "float": (lambda d: d.batch(2.0), ValueError, "`batch_size`"),
    "zip": (lambda d: Dataset.zip(d), TypeError, "several datasets"),
    "zip of a list": (lambda d: Dataset.zip(d, [1]), TypeError, r"zip\(\) takes datasets"),
    "concatenate": (lambda d: d.concatenate([1]), TypeError, r"concatenate\(\) takes datasets"),
    "generator": (lambda d: Dataset.from_generator(iter([1])), TypeError, "must be a function"),
    "flat map": (lambda d: list(d.flat_map(lambda n: n)), TypeError, "must return a dataset"),
    "cache": (lambda d: d.cache("file"), ValueError, "in memory"),
    "single": (lambda d: d.get_single_element(), ValueError, "more than one"),
    "no element": (lambda d: d.take(0).get_single_element(), ValueError, "has no"),
    "description": (lambda d: d.take(0).map(double).element_spec, ValueError, "no element"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_arguments(case):
    call, kind, message = BAD[case]
    with pytest.raises(kind, match=message):
        call(Dataset.range(5))


# -- use --------------------------------------------------------------------------------------------------------------


def test_pickles():
    dataset = Dataset.from_tensor_slices((X, Y)).shuffle(4, seed=1).batch(3).prefetch(1)
    again = pickle.loads(pickle.dumps(dataset))
    for one, other in zip(dataset, again, strict=True):
        assert torch.equal(one[0], other[0]) and torch.equal(one[1], other[1])
    again = pickle.loads(pickle.dumps(Dataset.range(5).map(double).filter(is_even)))
    assert numbers(again) == [0, 2, 4, 6, 8]


def test_cache_runs_its_source_once():
    made = []
    dataset = Dataset.range(4).map(lambda n: made.append(int(n)) or n).cache()
    assert numbers(dataset.take(2)) == [0, 1]  # broken off: nothing is kept
    assert numbers(dataset) == numbers(dataset) == [0, 1, 2, 3] and made == [0, 1, 0, 1, 2, 3]


def test_reduce_and_the_rest():
    dataset = Dataset.range(5)
    assert int(dataset.reduce(0, lambda state, n: state + n)) == 10
    assert int(Dataset.from_tensors(7).get_single_element()) == 7
    assert dataset.with_options(None) is dataset and bool(Dataset.range(0))
    assert repr(dataset.map(double).batch(2)) == "<Dataset range → map → batch>"
    assert dataset.filter(is_even).cardinality() == UNKNOWN_CARDINALITY
    assert dataset.batch(2).element_spec == TensorSpec((None,), "int64")
    assert TensorSpec((1,), "int64") != TensorSpec((1,), "int32") and len({TensorSpec((1,)), TensorSpec((1,))}) == 1


def test_padded_words():
    words = Dataset.from_generator(lambda: iter([["a"], ["bb", "c"]]), output_types="string").padded_batch(2)
    assert next(iter(words)).tolist() == [["a", ""], ["bb", "c"]]


def test_models_take_datasets_of_batches():
    network = keras.Sequential([keras.layers.Dense(1)])
    network.compile("sgd", "mse")
    dataset = Dataset.from_tensor_slices((X, Y)).batch(4)
    history = network.fit(dataset.shuffle(3).repeat(), steps_per_epoch=3, epochs=2, validation_data=dataset, verbose=0)
    assert history.params["steps"] == 3 and len(history.history["val_loss"]) == 2
    assert network.predict(dataset.map(lambda x, y: x), verbose=0).shape == (10, 1)
    kept = network.fit(X, Y, batch_size=4, shuffle=False, verbose=0).params
    assert network.fit(dataset, verbose=0).params == kept


def test_a_list_of_tensors_that_a_function_made_is_a_tuple():
    element = next(iter(Dataset.range(3, 5).map(lambda n: [n, n + 1])))
    assert type(element) is tuple and [each.tolist() for each in element] == [3, 4] and element[0].dtype == torch.int64
    assert next(iter(Dataset.range(1).map(lambda n: [1, 2]))).tolist() == [1, 2]


def test_empty_datasets_are_described():
    empty = Dataset.from_tensor_slices((np.zeros((0, 2), "float32"), np.zeros(0, "int32")))
    assert empty.batch(4).element_spec == (TensorSpec((None, 2), "float32"), TensorSpec((None,), "int32"))
    assert Dataset.range(0).element_spec == TensorSpec((), "int64") and list(Dataset.range(0).batch(2)) == []
