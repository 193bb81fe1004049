"""Rules of cells of recurrent layers.

May import numpy and torch; no library but the one that a rule is given.
"""

import numpy as np
import torch

from compat.custom_layers.rules.rule import X, facts, refused, rule, scale_of


def steps(k):
    return np.random.default_rng(2).standard_normal((2, 3, 4)).astype("float32")


@refused
def a_cell_needs_call_and_state_size(k):
    return k.layers.RNN(k.layers.Dense(3))


@refused
def a_cell_needs_call(k):
    class Nothing:
        state_size = 3

    return k.layers.RNN(Nothing())


@rule
def states_of_a_stack(k):
    stack = k.layers.RNN(
        [k.layers.LSTMCell(2), k.layers.GRUCell(3), k.layers.SimpleRNNCell(4)], return_state=True, name="rnn"
    )
    outputs = stack(steps(k))
    shapes = k.tree.map_structure(lambda t: tuple(t.shape), list(outputs)) if hasattr(k, "tree") else None
    return shapes, stack.state_size, [w.path for w in stack.weights]


@rule
def a_cell_with_one_state_that_is_no_list(k):
    class Keeps(k.layers.Layer):
        state_size = 4

        def call(self, inputs, states):
            state = states[0] if isinstance(states, (list, tuple)) else states
            return inputs + state, inputs + state

    out, state = k.layers.RNN(Keeps(), return_state=True)(steps(k))
    return np.allclose(out, steps(k).sum(1), atol=1e-5), tuple(state.shape)


@rule
def an_initial_state_of_ones_own(k):
    class Keeps(k.layers.Layer):
        state_size = 4

        def call(self, inputs, states):
            return states[0], [states[0] + 0 * inputs]

        def get_initial_state(self, batch_size=None):
            return k.ops.ones((batch_size, 4)) * 7

    layer = k.layers.RNN(Keeps())
    return float(layer(steps(k))[0, 0]), float(layer(steps(k), initial_state=[np.zeros((2, 4))])[0, 0])


@rule
def output_size_apart_from_the_state(k):
    class Wide(k.layers.Layer):
        state_size, output_size = [1, 2], 9

        def call(self, inputs, states):
            wide = k.ops.concatenate([inputs, inputs, inputs[:, :1]], axis=-1)
            return wide, [states[0] + 1, states[1] + 1]

    layer = k.layers.RNN(Wide(), return_sequences=True, return_state=True)
    symbolic = [tuple(out.shape) for out in layer(k.Input((3, 4)))]
    return symbolic, [tuple(out.shape) for out in layer(steps(k))]


@rule
def training_reaches_a_cell(k):
    class Report(k.layers.Layer):
        state_size = 1

        def call(self, inputs, states, training=False):
            return inputs[:, :1] * 0 + float(bool(training)), states

    layer = k.layers.RNN(k.layers.StackedRNNCells([Report(), Report()]))
    return float(layer(steps(k), training=True)[0, 0]), float(layer(steps(k))[0, 0])


@rule
def a_stateful_custom_cell(k):
    class Sums(k.layers.Layer):
        state_size = 4

        def call(self, inputs, states):
            return states[0] + inputs, [states[0] + inputs]

    layer = k.layers.RNN(Sums(), stateful=True)
    first = layer(steps(k))
    second = layer(steps(k))
    layer.reset_state()
    third = layer(steps(k))
    return np.allclose(2 * first, second, atol=1e-5), np.allclose(first, third), tuple(layer.states[0].shape)


@rule
def masks_hold_the_states_of_a_cell(k):
    class Sums(k.layers.Layer):
        state_size = 4

        def call(self, inputs, states):
            return states[0] + inputs, [states[0] + inputs]

    mask = torch.tensor([[True, False, True], [False, False, True]])
    out = k.layers.RNN(Sums(), return_sequences=True)(steps(k), mask=mask)
    expected = (steps(k) * mask.numpy()[:, :, None]).cumsum(1)
    return np.allclose(out, expected, atol=1e-5)


@rule
def nested_states(k):
    """A cell whose states are a list within a list, stacked with one that has a single state."""

    class Nested(k.layers.Layer):
        state_size = [4, [2, 3]]
        output_size = 4

        def call(self, inputs, states):
            a, (b, c) = states
            return inputs + a, [a + 1, [b + 2, c + 3]]

        def get_initial_state(self, batch_size=None):
            return [k.ops.zeros((batch_size, 4)), [k.ops.zeros((batch_size, 2)), k.ops.ones((batch_size, 3))]]

    layer = k.layers.RNN(Nested(), return_state=True)
    out, a, (b, c) = layer(steps(k))
    return tuple(out.shape), float(a[0, 0]), float(b[0, 0]), float(c[0, 0]), tuple(c.shape)


@rule
def a_custom_layer_in_time_distributed(k):
    Scale = scale_of(k)

    class Report(Scale):
        def call(self, inputs, training=False):
            return super().call(inputs) + (100.0 if training else 0.0)

        def compute_output_shape(self, input_shape):
            return input_shape

    layer = k.layers.TimeDistributed(Report(3.0, name="scale"), name="td")
    x = k.Input((3, 4))
    model = k.Model(x, layer(x))
    found = [float(model(steps(k), training=training)[0, 0, 0]) for training in (False, True)]
    return [round(value, 4) for value in found], tuple(model.output_shape), facts(model.weights)


@rule
def custom_cells_in_both_directions(k):
    class Sums(k.layers.Layer):
        def __init__(self, start=0.0, **kwargs):
            super().__init__(**kwargs)
            self.state_size, self.start = 4, start

        def call(self, inputs, states):
            return states[0] + inputs, [states[0] + inputs]

        def get_config(self):
            return {**super().get_config(), "start": self.start}

    with k.saving.custom_object_scope({"Sums": Sums}):
        layer = k.layers.Bidirectional(k.layers.RNN(Sums(), return_sequences=True), merge_mode="concat")
    out = np.asarray(layer(steps(k)))
    symbolic = tuple(layer(k.Input((3, 4))).shape)
    forward, backward = steps(k).cumsum(1), steps(k)[:, ::-1].cumsum(1)[:, ::-1]
    return np.allclose(out, np.concatenate([forward, backward], -1), atol=1e-5), symbolic


@rule
def a_custom_layer_in_every_kind_of_model(k):
    Scale = scale_of(k)

    class Net(k.Model):
        def __init__(self):
            super().__init__(name="net")
            self.parts = [Scale(1.0, name="a"), Scale(2.0, name="b")]

        def call(self, inputs):
            for part in self.parts:
                inputs = part(inputs)
            return inputs

    net = Net()
    net(X)
    x = k.Input((4,))
    nested = k.Model(x, k.Sequential([k.Input((4,)), Scale(3.0, name="c")], name="inner")(Net()(x)))
    return facts(net.weights), facts(nested.weights), [float(v) for v in nested(X)[1]]
