"""Masks through every published layer and through models, beside the installed Keras: what comes out, on which tensors,
and who warns that it destroys one.

Driven by compat/layer_cases/: a layer that is published later is swept without a line here.
"""

import inspect
import warnings

import keras
import numpy as np
import pytest
import torch
from keras import tree

import torchkeras
from compat.harness import arrays_of, random_weights
from compat.layer_cases import first_cases
from compat.test_models import both

CASES = first_cases()
RAGGED = torch.tensor([[True, True, True, False, False], [True, False, False, False, False]])


def mask_for(array):
    """A mask of steps: the first ones count, in each sample another number of them."""
    lengths = 1 + np.arange(len(array)) % array.shape[1]
    return torch.tensor(np.arange(array.shape[1])[None, :] < lengths[:, None])


def masked_call(lib, case, places, explicit):
    """`(layer, outcome)`: outputs, their masks and the warnings of a call whose inputs at some places are masked."""
    lib.utils.clear_session(free_memory=False)
    layer = getattr(lib.layers, case.layer)(**case.constructor_arguments(lib.layers))
    structure = tree.map_structure(torch.tensor, arrays_of(case))
    layer(*tree.map_structure(torch.clone, structure), **case.kwargs)  # Keras's RandomBrightness writes into them
    layer.set_weights(random_weights(layer))
    kwargs, leaves = dict(case.kwargs), tree.flatten(structure)
    for place in places:
        if explicit:
            kwargs["mask"] = mask_for(leaves[place])
        else:
            leaves[place]._keras_mask = mask_for(leaves[place])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            outputs = layer(*tree.pack_sequence_as(structure, leaves), **kwargs)
        except Exception as error:  # noqa: BLE001 - that there is one is the result
            return layer, error
    lost = [str(each.message) for each in caught if f"Layer '{layer.name}'" in str(each.message)]
    flat = tree.flatten(outputs)
    return layer, (flat, [getattr(each, "_keras_mask", None) for each in flat], lost)


def ways(case):
    """`(places that are masked, whether by an argument)`: the first input, all of them, `mask=`."""
    arrays = tree.flatten(arrays_of(case))
    fit = [place for place, array in enumerate(arrays) if array.ndim > 1]
    if not fit:
        return []
    found = [(fit[:1], False)] + ([(fit, False)] if len(fit) > 1 else [])
    takes = "mask" in inspect.signature(getattr(torchkeras.layers, case.layer).call).parameters
    return [*found, (fit[:1], True)] if takes and len(arrays) == 1 else found


def same(theirs, ours):
    if theirs is None or ours is None:
        return theirs is ours
    return theirs.dtype == ours.dtype and theirs.shape == ours.shape and torch.equal(theirs, ours)


# Numbers that Keras computes otherwise for the plainest case itself.
OTHER_NUMBERS = {case.layer for case in CASES if not case.values or not case.repeatable}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.layer)
def test_masks_of_a_layer(case):
    for places, explicit in ways(case):
        (their_layer, theirs), (our_layer, ours) = (
            masked_call(lib, case, places, explicit) for lib in (keras, torchkeras)
        )
        assert our_layer.supports_masking == their_layer.supports_masking
        if isinstance(theirs, Exception):  # a mask of a shape that the layer cannot use
            assert isinstance(ours, Exception), f"masked {places}: Keras raises {theirs!r}"
            continue
        assert not isinstance(ours, Exception), f"masked {places}, explicit={explicit}: {ours!r}"
        for a, b in zip(theirs[0], ours[0], strict=True):
            if a is not None and case.layer not in OTHER_NUMBERS:
                torch.testing.assert_close(b, a, atol=2e-5 * case.loose, rtol=2e-5 * case.loose)
        for index, (a, b) in enumerate(zip(theirs[1], ours[1], strict=True)):
            assert same(a, b), f"masked {places}, explicit={explicit}: mask of output {index}: Keras {a}, ours {b}"
        if case.layer != "MaxNumBoundingBoxes":  # gives back the very images, with whatever they carry
            assert ours[2] == theirs[2]


# -- models -----------------------------------------------------------------------------------------------------------

# `Masking` gives a mask of steps for sequences of features.
ALONE = [case for case in CASES if len(case.args) == 1 and getattr(arrays_of(case)[0], "ndim", 0) == 3]


@pytest.mark.parametrize("case", ALONE, ids=lambda case: case.layer)
def test_masks_of_models_are_those_of_their_last_layers(case):
    (array,) = arrays_of(case)
    if not np.issubdtype(array.dtype, np.floating):
        array = array.astype("float32")
    array[~mask_for(array).numpy()] = 0.0

    def build(k):
        def layer():
            return getattr(k.layers, case.layer)(**case.constructor_arguments(k.layers))

        x = k.Input(array.shape[1:], batch_size=len(array))
        masked = k.layers.Masking()(x)
        inner = k.Input(array.shape[1:], batch_size=len(array))
        inside = [k.Sequential([layer()]), k.Model(inner, layer()(inner))]
        return k.Model(x, [model(masked) for model in inside]), k.Sequential(
            [k.layers.Masking(), k.Sequential([layer()])]
        )

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        masks = [
            [getattr(out, "_keras_mask", None) for model in models for out in tree.flatten(model(torch.tensor(array)))]
            for models in both(build)
        ]
    for theirs, ours in zip(*masks, strict=True):
        assert same(theirs, ours), f"Keras {theirs}, ours {ours}"


SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__] = function
    return function


def masked(*shape, mask=RAGGED):
    x = torch.tensor(np.random.default_rng(1).standard_normal(shape), dtype=torch.float32)
    x._keras_mask = mask
    return x


def mask_of(out):
    return getattr(out, "_keras_mask", None)


def filled(layer):
    """The layer with the same weights in both libraries."""
    layer.set_weights(random_weights(layer))
    return layer


@scenario
def a_mask_given_to_a_model_is_that_of_its_input(k):
    x = k.Input((5, 3))
    model = k.Model(x, k.layers.GlobalAveragePooling1D()(k.layers.Dropout(0.5)(x)))
    data = torch.tensor(masked(2, 5, 3).numpy())
    return model(data), model(data, mask=RAGGED)


@scenario
def masks_given_to_a_model_of_two_inputs(k):
    a, b = k.Input((5, 3)), k.Input((5, 3))
    merged = k.layers.Concatenate()([a, b])
    model = k.Model([a, b], [k.layers.GlobalAveragePooling1D()(merged), merged])
    one, two = (torch.tensor(masked(2, 5, 3).numpy()) for _ in range(2))
    pooled, whole = model([one, two], mask=[RAGGED, None])
    return pooled, mask_of(whole), model([one, two], mask=[RAGGED, ~RAGGED])[0]


@scenario
def a_mask_given_to_a_sequential(k):
    model = k.Sequential([k.layers.Activation("relu"), k.layers.GlobalAveragePooling1D()])
    return model(torch.tensor(masked(2, 5, 3).numpy()), mask=RAGGED)


@scenario
def an_embedding_masks_through_a_model_in_a_model(k):
    inside = k.Sequential([k.layers.Embedding(5, 4, mask_zero=True), k.layers.Dropout(0.5)])
    x = k.Input((5,), dtype="int32")
    model = k.Model(x, k.layers.LSTM(3)(inside(x)))
    filled(model)
    tokens = torch.tensor([[1, 2, 0, 0, 0], [3, 3, 3, 3, 0]], dtype=torch.int32)
    return model(tokens), mask_of(inside(tokens))


@scenario
def a_layer_of_a_user_takes_a_mask(k):
    class Sum(k.layers.Layer):
        def call(self, x, mask=None):
            return x.sum(1) if mask is None else (x * mask.unsqueeze(-1)).sum(1)

    layer = Sum()
    x = masked(2, 5, 3)
    return layer(x), layer(x, mask=~RAGGED), layer(x, mask=None), mask_of(layer(x))


@scenario
def a_layer_of_a_user_makes_a_mask(k):
    class Every(k.layers.Layer):
        def call(self, x):
            return x[:, ::2] * 1.0

        def compute_mask(self, inputs, mask=None):
            return None if mask is None else mask[:, ::2]

    layer, plain = Every(), torch.ones(2, 5, 3)
    inputs = k.Input((5, 3))
    model = k.Model(inputs, layer(k.layers.Masking()(inputs)))
    return layer.supports_masking, mask_of(layer(masked(2, 5, 3))), mask_of(layer(plain)), mask_of(model(plain))


@scenario
def a_layer_of_a_user_says_that_it_supports_masking(k):
    class Scale(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.supports_masking = True

        def call(self, x):
            return x * 2.0

    class Inner(Scale):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.part = k.layers.LSTM(2, return_sequences=True)

        def call(self, x):
            return self.part(x)

    return mask_of(Scale()(masked(2, 5, 3))), mask_of(Inner()(masked(2, 5, 3))), mask_of(Scale()(torch.ones(2, 5, 3)))


@scenario
def a_mask_that_a_layer_inside_made_stays(k):
    class Around(k.layers.Layer):
        def __init__(self):
            super().__init__()
            self.supports_masking = True
            self.part = k.layers.Masking()

        def call(self, x):
            return self.part(x)

    x = masked(2, 5, 3)
    x[1] = 0.0
    return mask_of(Around()(x))


@scenario
def compute_mask_of_two_inputs(k):
    class First(k.layers.Layer):
        def call(self, inputs):
            return inputs[0] + inputs[1]

        def compute_mask(self, inputs, mask=None):
            return None if mask is None else mask[0]

    a, b = masked(2, 5, 3), torch.ones(2, 5, 3)
    return mask_of(First()([a, b])), mask_of(First()([b, a]))


@scenario
def two_tensor_arguments_with_masks_of_their_own(k):
    class Pair(k.layers.Layer):
        def call(self, query, value, query_mask=None, value_mask=None):
            found = [mask for mask in (query_mask, value_mask) if mask is not None]
            return query.sum() * 0 + len(found), *found

    a, b = masked(2, 5, 3), masked(2, 5, 3, mask=~RAGGED)
    return Pair()(a, b), Pair()(a, torch.ones(2, 5, 3)), Pair()(a, value=b), Pair()(a, b, value_mask=RAGGED)


@scenario
def time_distributed_gives_each_step_its_mask(k):
    words = torch.tensor([[[1, 2, 0], [0, 0, 0]], [[3, 0, 0], [1, 1, 1]]], dtype=torch.int32)
    x = k.Input((2, 3), dtype="int32")
    model = k.Model(x, k.layers.TimeDistributed(k.layers.LSTM(2))(k.layers.Embedding(5, 4, mask_zero=True)(x)))
    filled(model)
    return model(words)


@scenario
def bidirectional_masks(k):
    found = []
    for options in ({}, {"return_sequences": True}):
        layer = k.layers.Bidirectional(k.layers.GRU(2, **options))
        layer(torch.ones(2, 5, 3))
        out = filled(layer)(masked(2, 5, 3))
        found += [out, mask_of(out), layer.supports_masking]
    return found


@scenario
def lambda_layers(k):
    x = masked(2, 5, 3)
    given = k.layers.Lambda(lambda x: x * 2, mask=RAGGED)
    made = k.layers.Lambda(lambda x: x * 2, mask=lambda inputs, mask: ~mask)
    return mask_of(k.layers.Lambda(lambda x: x * 2)(x)), mask_of(given(x)), mask_of(made(x)), mask_of(given(x.clone()))


@scenario
def concatenated_masks(k):
    a, b = masked(2, 5, 3), torch.ones(2, 5, 3)
    join = k.layers.Concatenate
    return [mask_of(join(axis=axis)(pair)) for axis in (1, -1) for pair in ([a, a], [a, b], [b, a], [b, b])]


@scenario
def masks_reach_losses_through_models(k):
    inside = k.Sequential([k.layers.Dense(2), k.layers.LayerNormalization()])
    x = k.Input((5, 3))
    model = k.Model(x, inside(k.layers.Masking()(x)))
    filled(model)
    model.compile("sgd", "mse")
    data = masked(2, 5, 3).numpy() * RAGGED.unsqueeze(-1).numpy()
    return model.evaluate(data, np.ones((2, 5, 2), "float32"), verbose=0), mask_of(model(torch.tensor(data)))


def masks_of_its_own(k):
    """Classes with a `compute_mask` of their own, whose `call` gives tensors that carry another mask."""
    ops = k.ops

    class OwnMasking(k.layers.Masking):
        def compute_mask(self, inputs, mask=None):
            return ops.any(inputs > 1.0, axis=-1)

    class OwnEmbedding(k.layers.Embedding):
        def compute_mask(self, inputs, mask=None):
            return ops.not_equal(inputs, 1)

    class Within(k.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.inside = k.layers.Masking()

        def call(self, inputs):
            return self.inside(inputs)

        def compute_mask(self, inputs, mask=None):
            return ops.any(inputs > 1.0, axis=-1)

    class Same(k.layers.Layer):
        def call(self, inputs):
            return inputs

        def compute_mask(self, inputs, mask=None):
            return None if mask is None else ops.logical_not(mask)

    class Halved(k.layers.Layer):
        def call(self, inputs):
            return inputs[:, ::2]

        def compute_mask(self, inputs, mask=None):
            return None if mask is None else mask[:, ::2]

    return OwnMasking, OwnEmbedding, Within, Same, Halved


@scenario
def own_masks_in_graphs(k):
    masking, embedding, within, same, halved = masks_of_its_own(k)
    numbers = k.Input((5, 3))
    words = k.Input((5,), dtype="int32")
    x = masked(2, 5, 3) * 2
    ids = torch.tensor([[1, 2, 0, 0, 3], [3, 1, 1, 0, 0]])
    chains = [
        (numbers, x, [masking()]),
        (numbers, x, [within()]),
        (numbers, x, [k.layers.Masking(), within()]),
        (numbers, x, [k.layers.Masking(), same(), k.layers.Dense(2)]),
        (numbers, x, [k.layers.Masking(), halved()]),
        (words, ids, [embedding(5, 3)]),
    ]
    found = []
    for inputs, data, layers in chains:
        out = inputs
        for layer in layers:
            out = layer(out)
        model = k.Model(inputs, k.layers.GRU(2, return_sequences=True)(out))
        found.append(filled(model)(data))
    sequential = k.Sequential([k.Input((5, 3)), k.layers.Masking(), same(), k.layers.GRU(2)])
    return [*found, filled(sequential)(x)]


def test_an_input_keeps_its_mask_though_a_layer_gives_it_on_with_another():
    same = masks_of_its_own(torchkeras)[3]
    x = masked(2, 5, 3)
    out = same()(x)
    assert torch.equal(out, x) and torch.equal(mask_of(x), RAGGED) and torch.equal(mask_of(out), ~RAGGED)


@pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)
@pytest.mark.parametrize("place", [0, 2])
def test_outside_of_graphs_own_masks_do_not_count(place):
    """Beside the mask that `call` has put on its output."""
    masks = []
    for k in (keras, torchkeras):
        layer = masks_of_its_own(k)[place]()
        masks.append(mask_of(layer(masked(2, 5, 3) * 2)))
    assert torch.equal(*masks)


@pytest.mark.parametrize("name", SCENARIOS)
def test_scenario(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = both(SCENARIOS[name])
    theirs, ours = (
        [leaf.detach() if isinstance(leaf, torch.Tensor) else leaf for leaf in tree.flatten([found])]
        for found in (theirs, ours)
    )
    assert len(theirs) == len(ours)
    for a, b in zip(theirs, ours, strict=True):
        if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
            torch.testing.assert_close(b, a, atol=1e-5, rtol=1e-5)
        else:
            assert b is a if a is None or b is None else b == pytest.approx(a, rel=1e-5)


MERGING = ("Add", "Subtract", "Multiply", "Average", "Maximum", "Minimum", "Concatenate")


@pytest.mark.parametrize("name", ["Masking", "Embedding", *MERGING])
@pytest.mark.parametrize("form", [np.asarray, torch.as_tensor])
def test_masks_asked_of_a_layer_are_tensors(name, form):
    """`layer.compute_mask(arrays)`, as guides call it to show a mask."""
    features = np.float32([[[1, 2], [0, 0], [3, 0]], [[0, 0], [0, 0], [1, 1]]])

    def masks(k):
        if name == "Masking":
            return [k.layers.Masking().compute_mask(form(features))]
        if name == "Embedding":
            return [k.layers.Embedding(4, 2, mask_zero=True).compute_mask(form(features[:, :, 0].astype("int32")))]
        layer, inputs, mask = getattr(k.layers, name)(), [form(features)] * 2, form(features[:, :, 0] > 0)
        return [
            layer.compute_mask(inputs, [mask, form(features[:, :, 1] > 0)]),
            layer.compute_mask(inputs, [mask, None]),
        ]

    for theirs, ours in zip(masks(keras), masks(torchkeras), strict=True):
        assert same(theirs, ours)


@pytest.mark.parametrize("name", [*MERGING, "Dot"])
def test_merging_nothing_is_refused_in_words(name):
    layer = getattr(torchkeras.layers, name)(**({"axes": 1} if name == "Dot" else {}))
    with pytest.raises(ValueError, match=r"called on a list of .* inputs; .* got 0 of them"):
        layer([])
