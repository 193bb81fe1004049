"""Small programs around layers as people write them, beside the installed Keras: states, masks, steps, sharing, flags,
policies. Each gives arrays and plain facts, which are equal in both libraries.
"""

import itertools
import warnings

import numpy as np
import pytest
import torch
from keras import tree

from compat.harness import random_weights
from compat.test_models import both

PROGRAMS = {}


def program(function):
    PROGRAMS[function.__name__] = function
    return function


def data(*shape, seed=1):
    return torch.tensor(np.random.default_rng(seed).standard_normal(shape), dtype=torch.float32)


def mask(*rows):
    return torch.tensor(rows).bool()


def filled(layer, *inputs):
    """The layer with the same weights in both libraries, built by a call."""
    if inputs:
        layer(*inputs)
    layer.set_weights(random_weights(layer))
    return layer


def trained(k, model, x, y, **options):
    """Losses and weights after some steps."""
    model.compile(k.optimizers.SGD(0.05), "mse")
    history = model.fit(x, y, shuffle=False, verbose=0, **{"batch_size": 3, "epochs": 2, **options}).history
    return [history["loss"], *model.get_weights()]


# -- states of sequences ----------------------------------------------------------------------------------------------


@program
def states_given_to_both_directions(k):
    x, states = data(2, 4, 3), [data(2, 3, seed=seed) for seed in range(4)]
    found = []
    for cell, count in ((k.layers.LSTM, 4), (k.layers.GRU, 2)):
        for mode in ("concat", "sum", None):
            layer = k.layers.Bidirectional(cell(3, return_sequences=True, return_state=True), merge_mode=mode)
            filled(layer, x)
            found += [layer(x, initial_state=states[:count])]
            found += [layer(x, initial_state=states[:count], mask=mask([1, 1, 0, 0], [0, 1, 1, 0]))]
    return found


@program
def a_given_state_wins_over_a_kept_one(k):
    x = data(2, 4, 3)
    layer = filled(k.layers.LSTM(3, stateful=True), x)
    layer.reset_state()
    with torch.no_grad():
        found = [layer(x), layer(x, initial_state=[data(2, 3, seed=2), data(2, 3, seed=3)]), layer(x)]
        layer.reset_states()
        return [*found, layer(x)]


@program
def kept_states_between_predictions(k):
    model = k.Sequential(
        [
            k.Input((4, 3), batch_size=2),
            k.layers.GRU(3, stateful=True, return_sequences=True),
            k.layers.Bidirectional(k.layers.LSTM(2, stateful=True)),
        ]
    )
    filled(model)
    x = data(2, 4, 3).numpy()
    found = [model.predict(x, verbose=0), model.predict(x, verbose=0)]
    for layer in model.layers:
        layer.reset_state()
    return [*found, model.predict(x, verbose=0)]


@program
def an_encoder_hands_its_states_to_a_decoder(k):
    """Trained as one model, then taken apart for inference, as in the recipe for translation."""
    source, target = k.Input((None, 4)), k.Input((None, 5))
    _, h, c = k.layers.LSTM(3, return_state=True)(source)
    decoder, head = k.layers.LSTM(3, return_sequences=True, return_state=True), k.layers.Dense(2)
    whole = filled(k.Model([source, target], head(decoder(target, initial_state=[h, c])[0])))
    losses = trained(k, whole, [data(6, 3, 4).numpy(), data(6, 2, 5).numpy()], np.ones((6, 2, 2)))
    encoder, given = k.Model(source, [h, c]), [k.Input((3,)), k.Input((3,))]
    out, *states = decoder(target, initial_state=given)
    one_step = k.Model([target, *given], [head(out), *states])
    states = encoder.predict(data(2, 3, 4).numpy(), verbose=0)
    return losses, states, one_step.predict([data(2, 1, 5).numpy(), *states], verbose=0)


@program
def masked_sequences_read_backwards(k):
    x, found = data(3, 4, 3), []
    for cell, sequences in itertools.product((k.layers.LSTM, k.layers.GRU, k.layers.SimpleRNN), (True, False)):
        layer = filled(cell(3, go_backwards=True, return_sequences=sequences, return_state=True), x)
        found.append(layer(x, mask=mask([1, 1, 1, 0], [0, 0, 1, 1], [1, 0, 0, 1])))
        found.append(layer(x, mask=torch.zeros(3, 4).bool()))
    return found


@program
def masks_of_other_kinds(k):
    layer, x = filled(k.layers.GRU(2), data(2, 4, 3)), data(2, 4, 3)
    steps = [[1, 1, 0, 0], [1, 0, 0, 0]]
    return [layer(x, mask=each) for each in (np.array(steps, bool), torch.tensor(steps), torch.ones(2, 4, 1).bool())]


@program
def a_cell_whose_output_is_no_state(k):
    class Pair(k.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.state_size, self.output_size = [3, 3], 6

        def call(self, inputs, states):
            first, second = states
            return k.ops.concatenate([first + inputs, second], -1), [first + inputs, second * 0.5 + inputs]

    x = data(2, 4, 3)
    return k.layers.RNN(Pair(), return_sequences=True, return_state=True)(x), k.layers.RNN(Pair())(x)


@program
def frames_through_convolutional_recurrence(k):
    x, found = data(2, 3, 6, 6, 2), []
    layer = k.layers.ConvLSTM2D(3, 3, padding="same", strides=2, return_state=True, return_sequences=True)
    filled(layer, x)
    states = [data(2, 3, 3, 3, seed=seed) for seed in (2, 3)]
    found += [layer(x), layer(x, initial_state=states), layer(x, mask=mask([1, 1, 0], [1, 0, 0]))]
    kept = filled(k.layers.ConvLSTM2D(2, 3, stateful=True, data_format="channels_first"), data(2, 3, 2, 6, 6))
    kept.reset_state()
    with torch.no_grad():
        return [*found, kept(data(2, 3, 2, 6, 6)), kept(data(2, 3, 2, 6, 6))]


# -- steps one by one -------------------------------------------------------------------------------------------------


@program
def documents_of_sentences_of_words(k):
    words = k.Input((3, 4), dtype="int32")
    vectors = k.layers.TimeDistributed(k.layers.Embedding(9, 4))(words)
    sentences = k.layers.TimeDistributed(k.layers.Bidirectional(k.layers.GRU(3)))(vectors)
    model = filled(k.Model(words, k.layers.LSTM(2)(sentences)))
    return model(torch.tensor(np.random.default_rng(1).integers(0, 9, (2, 3, 4))))


@program
def a_model_with_masks_at_each_step(k):
    inside = k.Input((4, 3))
    inner = k.Model(inside, k.layers.Dense(2)(k.layers.LSTM(3)(k.layers.Masking()(inside))))
    frames = k.Input((5, 4, 3))
    model = filled(k.Model(frames, k.layers.TimeDistributed(inner)(frames)))
    x = data(2, 5, 4, 3)
    x[:, :, 2:] = 0
    return model(x), trained(k, model, x.numpy(), np.ones((2, 5, 2)))


@program
def images_at_each_step(k):
    steps = k.layers.TimeDistributed
    model = k.Sequential(
        [
            k.Input((None, 6, 6, 2)),
            steps(k.layers.Conv2D(3, 3, strides=2, padding="same")),
            steps(k.layers.BatchNormalization(momentum=0.5)),
            steps(k.Sequential([k.layers.MaxPooling2D(2), k.layers.Flatten()])),
            k.layers.LSTM(3),
        ]
    )
    filled(model)
    x = data(3, 2, 6, 6, 2)
    return model(x), model(x, training=True), model.get_weights(), [list(layer.output.shape) for layer in model.layers]


@program
def masks_on_the_way_through_steps(k):
    inputs = k.Input((4, 3))
    x = k.layers.Bidirectional(k.layers.LSTM(3, return_sequences=True))(k.layers.Masking(-1.0)(inputs))
    model = filled(k.Model(inputs, k.layers.TimeDistributed(k.layers.Dense(1))(x)))
    x = data(6, 4, 3).numpy()
    x[:, 3:] = x[0, 1:] = -1
    return trained(k, model, x, np.ones((6, 4, 1)))


# -- masks and embeddings ---------------------------------------------------------------------------------------------


@program
def a_mask_through_a_chain_of_layers(k):
    layers = k.layers
    between = [layers.Dropout(0.3), layers.Dense(3), layers.Activation("tanh"), layers.LayerNormalization()]
    model = k.Sequential(
        [
            k.Input((5,), dtype="int32"),
            layers.Embedding(7, 4, mask_zero=True),
            *between,
            layers.Bidirectional(layers.LSTM(2, return_sequences=True)),
            layers.GRU(2),
        ]
    )
    return filled(model)(torch.tensor([[1, 2, 3, 0, 0], [1, 0, 0, 0, 0], [0, 0, 0, 0, 0]]))


@program
def merged_branches_with_masks(k):
    found = []
    for name in ("Add", "Multiply", "Maximum", "Minimum", "Average", "Subtract"):
        inputs = [k.Input((3,), dtype="int32") for _ in range(2)]
        table = k.layers.Embedding(5, 2, mask_zero=True)
        merged = getattr(k.layers, name)()([table(each) for each in inputs])
        model = filled(k.Model(inputs, k.layers.GRU(2, return_sequences=True)(merged)))
        found.append(model([torch.tensor([[1, 0, 0]]), torch.tensor([[2, 3, 0]])]))
    return found


@program
def one_table_for_two_inputs(k):
    table, reader = k.layers.Embedding(5, 3, mask_zero=True), k.layers.LSTM(2)
    inputs = [k.Input((size,), dtype="int32") for size in (3, 4)]
    model = filled(k.Model(inputs, k.layers.concatenate([reader(table(each)) for each in inputs])))
    return trained(k, model, [np.array([[1, 2, 0]]), np.array([[1, 2, 3, 0]])], np.ones((1, 4)))


@program
def losses_of_masked_steps(k):
    words = k.Input((4,), dtype="int32")
    x = k.layers.LSTM(3, return_sequences=True)(k.layers.Embedding(6, 3, mask_zero=True)(words))
    model = filled(k.Model(words, k.layers.Dense(6, activation="softmax")(x)))
    model.compile(k.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    x = np.array([[1, 2, 0, 0], [3, 4, 5, 0]])
    return model.evaluate(x, x, verbose=0), model.fit(x, x, verbose=0, epochs=2).history["loss"]


@program
def a_transformer_block_that_takes_masks(k):
    class Block(k.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.attention = k.layers.MultiHeadAttention(2, 4)
            self.forward_part = k.Sequential([k.layers.Dense(6, activation="relu"), k.layers.Dense(4)])
            self.norms = [k.layers.LayerNormalization(), k.layers.LayerNormalization()]
            self.supports_masking = True

        def call(self, inputs, mask=None, training=None):
            pairs = None if mask is None else k.ops.cast(mask[:, None, :], "int32")
            x = self.norms[0](inputs + self.attention(inputs, inputs, attention_mask=pairs, training=training))
            return self.norms[1](x + self.forward_part(x))

    words = k.Input((5,), dtype="int32")
    x = Block()(k.layers.Embedding(7, 4, mask_zero=True)(words))
    model = filled(k.Model(words, k.layers.GlobalAveragePooling1D()(x)))
    ids = torch.tensor([[1, 2, 3, 0, 0], [4, 5, 0, 0, 0]])
    return model(ids), trained(k, model, ids.numpy(), np.ones((2, 4)))


@program
def gradients_through_masked_steps(k):
    found = []
    for cell in (k.layers.LSTM, k.layers.GRU, k.layers.SimpleRNN):
        x = data(2, 5, 3).requires_grad_()
        layer = filled(cell(2, return_sequences=True), x)
        out = layer(x, mask=mask([1, 0, 1, 0, 0], [0, 1, 0, 1, 1]))
        (out * data(2, 5, 2, seed=2)).sum().backward()
        found += [x.grad, *[getattr(weight, "value", weight).grad for weight in layer.trainable_weights]]
    return found


@program
def padding_on_both_sides(k):
    model = k.Sequential(
        [
            k.Input((None, 3)),
            k.layers.Masking(),
            k.layers.Bidirectional(k.layers.GRU(2, return_sequences=True)),
            k.layers.LSTM(2),
        ]
    )
    x = data(2, 3, 3)
    wide = torch.cat([torch.zeros(2, 2, 3), x, torch.zeros(2, 1, 3)], 1)
    return filled(model)(x), model(wide), model.predict(wide.numpy(), verbose=0)


@program
def masks_given_to_models(k):
    steps, x = mask([1, 1, 0, 0], [1, 0, 0, 0]), data(2, 4, 3)
    inputs = k.Input((4, 3))
    functional = filled(k.Model(inputs, k.layers.LSTM(2)(inputs)))
    sequential = filled(k.Sequential([k.Input((4, 3)), k.layers.Dense(3), k.layers.GRU(2)]))
    return functional(x, mask=steps), sequential(x, mask=steps)


@program
def masks_in_models_of_ones_own(k):
    class Reader(k.Model):
        def __init__(self, explicit):
            super().__init__()
            self.table, self.reader = k.layers.Embedding(5, 3, mask_zero=True), k.layers.LSTM(2)
            self.explicit = explicit

        def call(self, inputs, training=None):
            vectors = self.table(inputs)
            if self.explicit:
                return self.reader(vectors, mask=self.table.compute_mask(inputs))
            return self.reader(vectors)

    ids = torch.tensor([[1, 2, 0], [3, 0, 0]])
    models = [filled(Reader(explicit), ids) for explicit in (False, True)]
    return [model(ids) for model in models], [trained(k, model, ids.numpy(), np.ones((2, 2))) for model in models]


# -- normalization and flags ------------------------------------------------------------------------------------------


@program
def frozen_normalization(k):
    def model():
        return filled(k.Sequential([k.Input((4, 3)), k.layers.BatchNormalization(), k.layers.Dense(2)]))

    x, y, found = data(6, 4, 3).numpy(), np.ones((6, 4, 2)), []
    frozen, whole, again = model(), model(), model()
    frozen.layers[0].trainable = False
    found += [frozen(data(6, 4, 3), training=True), trained(k, frozen, x, y)]
    whole.trainable = False
    outer = k.Sequential([k.Input((4, 3)), whole, k.layers.Dense(1)])
    found += [trained(k, filled(outer), x, np.ones((6, 4, 1)))]
    again.trainable = False
    again.layers[0].trainable = True
    return [*found, trained(k, again, x, y), [w.path for w in again.trainable_weights]]


@program
def normalization_shared_by_two_inputs(k):
    norm = k.layers.BatchNormalization(momentum=0.5)
    inputs = [k.Input((3,)), k.Input((3,))]
    model = filled(k.Model(inputs, [norm(each) for each in inputs]))
    return model([data(4, 3), data(4, 3, seed=2)], training=True), model.get_weights()


@program
def flags_of_nested_layers(k):
    inner = k.Sequential([k.Input((3,)), k.layers.Dense(3), k.layers.BatchNormalization()])
    model, found = k.Sequential([k.Input((3,)), inner, k.layers.Dense(1)]), []

    def note():
        found.append([[w.path for w in model.trainable_weights], inner.trainable, inner.layers[0].trainable])

    inner.trainable = False
    note()
    inner.layers[0].trainable = True
    note()
    inner.trainable = True
    note()
    model.trainable = False
    note()
    model.layers[-1].trainable = True
    note()
    both_ways = k.layers.Bidirectional(k.layers.LSTM(2))
    both_ways.build((None, 4, 5))
    both_ways.trainable = False
    both_ways.forward_layer.trainable = True
    return found, [w.path for w in both_ways.trainable_weights], both_ways.trainable


# -- sharing and policies ---------------------------------------------------------------------------------------------


@program
def one_trunk_under_two_models(k):
    inputs, trunk = k.Input((4,)), k.layers.Dense(3, activation="relu")
    x = trunk(inputs)
    models = [filled(k.Model(inputs, k.layers.Dense(units)(x))) for units in (2, 1)]
    for model in models:
        model.compile(k.optimizers.SGD(0.1, momentum=0.9), "mse")
    for _ in range(2):
        for model, units in zip(models, (2, 1), strict=True):
            model.train_on_batch(data(4, 4).numpy(), np.ones((4, units)))
    return [model.get_weights() for model in models]


@program
def twins_and_loops(k):
    dense, inputs = k.layers.Dense(3), [k.Input((4,)), k.Input((4,))]
    twins = filled(k.Model(inputs, k.layers.Dot(1, normalize=True)([dense(each) for each in inputs])))
    found = trained(k, twins, [data(4, 4).numpy(), data(4, 4, seed=2).numpy()], np.ones((4, 1)))
    loop, x = k.layers.Dense(4, name="again"), inputs[0]
    for _ in range(3):
        x = loop(x)
    model = filled(k.Model(inputs[0], x))
    return found, model(data(2, 4)), [layer.name for layer in model.layers], len(model.weights)


@program
def layers_in_lists_and_dicts(k):
    class Tower(k.layers.Layer):
        def __init__(self, **options):
            super().__init__(**options)
            self.steps = [k.layers.Dense(2) for _ in range(3)]
            self.heads = {"a": k.layers.Dense(2), "b": k.layers.Dense(1)}

        def call(self, inputs, scale=1.0, shift=None):
            for step in self.steps:
                inputs = step(inputs)
            outputs = {name: head(inputs) * scale for name, head in self.heads.items()}
            return outputs if shift is None else {name: out + shift for name, out in outputs.items()}

    inputs, shift = k.Input((2,)), k.Input((1,))
    model = filled(k.Model([inputs, shift], Tower()(inputs, scale=2.0, shift=shift)))
    outputs = model([data(3, 2), data(3, 1, seed=2)])
    return [outputs["a"], outputs["b"]], [w.path for w in model.weights]


@program
def constants_in_graphs(k):
    inputs = k.Input((4, 3))
    out = k.layers.GRU(2)(inputs, initial_state=k.ops.ones((2, 2)))
    return filled(k.Model(inputs, k.layers.Add()([out, k.ops.ones((1, 2))])))(data(2, 4, 3))


@program
def policies_of_single_layers(k):
    inputs = k.Input((4,))
    half = k.layers.Dense(3, dtype="mixed_bfloat16")(inputs)
    outputs = k.layers.Dense(2, dtype="float32")(half)
    model = filled(k.Model(inputs, outputs))
    return [half.dtype, outputs.dtype, [(layer.compute_dtype, layer.variable_dtype) for layer in model.layers]]


# -- windows ----------------------------------------------------------------------------------------------------------


@program
def pooling_windows(k):
    found = []
    for size, window, stride, padding in itertools.product((5, 6, 7), (2, 3, 4), (1, 2, 3), ("same", "valid")):
        options = {"strides": stride, "padding": padding}
        x = data(1, size, size + 1, 2)
        found.append(k.layers.MaxPooling2D(window, **options)(x))
        shape = k.layers.AveragePooling2D(window, **options).compute_output_shape((None, size, None, 2))
        found.append(list(shape))
        if padding == "valid" or size % stride == 0 and (window - stride) % 2 == 0:  # else Keras counts padding
            found.append(k.layers.AveragePooling2D(window, **options)(x[:, :, :size]))
    return found


@program
def enlarged_images(k):
    found = []
    for size, how in itertools.product((2, (1, 3), (3, 2)), ("nearest", "bilinear")):
        found.append(k.layers.UpSampling2D(size, interpolation=how)(data(2, 3, 4, 2)))
        found.append(k.layers.UpSampling2D(size, data_format="channels_first", interpolation=how)(data(2, 2, 3, 4)))
    return found


def plain(value):
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value.detach().numpy() if isinstance(value, torch.Tensor) else "None" if value is None else value


@pytest.mark.parametrize("name", PROGRAMS)
def test_program(name):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs, ours = (tree.flatten([plain(found)]) for found in both(PROGRAMS[name]))
    assert len(theirs) == len(ours)
    for place, (a, b) in enumerate(zip(theirs, ours, strict=True)):
        if isinstance(a, (np.ndarray, float)):
            assert np.shape(a) == np.shape(b)
            np.testing.assert_allclose(b, a, 2e-4, 2e-5, err_msg=f"result {place}")
        else:
            assert b == a, f"result {place}"
