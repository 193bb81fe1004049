"""Cells, recurrent layers and wrappers of users."""

from compat.custom_layers.program import program


@program((5, 3))
def minimal_rnn(k, x):
    """MinimalRNN: one gate; a cell that is a layer, with a config."""

    class MinimalRNNCell(k.layers.Layer):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units = units
            self.state_size = units

        def build(self, input_shape):
            self.kernel = self.add_weight(shape=(input_shape[-1], self.units), initializer="uniform", name="kernel")
            self.recurrent_kernel = self.add_weight(
                shape=(2 * self.units, self.units), initializer="orthogonal", name="recurrent_kernel"
            )
            self.bias = self.add_weight(shape=(self.units,), initializer="ones", name="bias")

        def call(self, inputs, states):
            before = states[0]
            z = k.ops.tanh(k.ops.matmul(inputs, self.kernel))
            gate = k.ops.sigmoid(
                k.ops.matmul(k.ops.concatenate([before, z], axis=-1), self.recurrent_kernel) + self.bias
            )
            output = gate * before + (1 - gate) * z
            return output, [output]

        def get_config(self):
            return {**super().get_config(), "units": self.units}

    y = k.layers.RNN(MinimalRNNCell(4), return_sequences=True)(x)
    return k.layers.RNN([MinimalRNNCell(3), MinimalRNNCell(2)], go_backwards=True)(y)


@program((5, 3), configs=False)
def cell_without_a_layer(k, x):
    """A cell that is a plain object: no weights, two states."""

    class Leaky:
        compute_dtype = "float32"  # Keras asks for it

        def __init__(self, size, leak=0.5):
            self.state_size, self.output_size, self.leak = [size, 1], size, leak

        def call(self, inputs, states):
            level, count = states
            level = level * self.leak + inputs
            return level / (1.0 + count), [level, count + 1.0]

        __call__ = call

        def get_initial_state(self, batch_size=None):
            return [k.ops.zeros((batch_size, 3)), k.ops.ones((batch_size, 1))]

    y, level, count = k.layers.RNN(Leaky(3), return_state=True, return_sequences=True)(x)
    return k.layers.Concatenate()([k.layers.Flatten()(y), level, count])


@program((5, 3), compiled=True)
def peephole_cell(k, x):
    """States of different sizes as a tuple, `output_size` apart from them, own initial state, sublayers in the cell."""

    class Controller(k.layers.Layer):
        def __init__(self, units, memory, **kwargs):
            super().__init__(**kwargs)
            self.units, self.memory = units, memory
            self.state_size = (units, memory)
            self.output_size = units + 1
            self.write = k.layers.Dense(memory, activation="tanh")
            self.update = k.layers.Dense(units, activation="tanh")
            self.read = k.layers.Dense(units + 1)

        def build(self, input_shape):
            joined = (input_shape[0], input_shape[-1] + self.units + self.memory)
            for layer in (self.write, self.update):
                layer.build(joined)
            self.read.build((input_shape[0], self.units + self.memory))

        def call(self, inputs, states, training=None):
            h, m = states
            joined = k.ops.concatenate([inputs, h, m], axis=-1)
            h, m = self.update(joined), m + self.write(joined)
            return self.read(k.ops.concatenate([h, m], axis=-1)), (h, m)

        def get_initial_state(self, batch_size=None):
            return [k.ops.zeros((batch_size, self.units)), k.ops.ones((batch_size, self.memory)) * 0.1]

        def get_config(self):
            return {**super().get_config(), "units": self.units, "memory": self.memory}

    return k.layers.Flatten()(k.layers.RNN(Controller(3, 2), return_sequences=True)(x))


@program((5, 3), compiled=True)
def subclassed_lstm_cell(k, x):
    """A subclass of LSTMCell that normalizes its output, in a stack with a GRUCell and a cell of its own kind."""

    class NormalizedLSTMCell(k.layers.LSTMCell):
        def __init__(self, units, **kwargs):
            super().__init__(units, **kwargs)
            self.norm = k.layers.LayerNormalization()

        def build(self, input_shape):
            super().build(input_shape)
            self.norm.build((None, self.units))

        def call(self, inputs, states, training=False):
            h, (h, c) = super().call(inputs, states, training=training)
            h = self.norm(h)
            return h, [h, c]

    cells = [NormalizedLSTMCell(3), k.layers.GRUCell(4), NormalizedLSTMCell(2, use_bias=False)]
    return k.layers.RNN(k.layers.StackedRNNCells(cells), return_sequences=False)(x)


@program((5, 3))
def subclassed_lstm(k, x):
    """A subclass of LSTM with another default and a layer of its own behind it; one of GRU that overrides `call`."""

    class ProjectedLSTM(k.layers.LSTM):
        def __init__(self, units, projection=2, **kwargs):
            kwargs.setdefault("return_sequences", True)
            super().__init__(units, **kwargs)
            self.projection = projection
            self.project = k.layers.Dense(projection)

        def build(self, sequences_shape, initial_state_shape=None):
            super().build(sequences_shape, initial_state_shape)
            self.project.build((None, None, self.units))

        def call(self, sequences, initial_state=None, mask=None, training=False):
            outputs = super().call(sequences, initial_state=initial_state, mask=mask, training=training)
            return self.project(outputs)

        def compute_output_shape(self, sequences_shape, initial_state_shape=None):
            return (*super().compute_output_shape(sequences_shape)[:-1], self.projection)

        def get_config(self):
            return {**super().get_config(), "projection": self.projection}

    class DoubleGRU(k.layers.GRU):
        def call(self, sequences, initial_state=None, mask=None, training=False):
            return 2 * super().call(sequences, initial_state, mask, training)

    return DoubleGRU(3)(ProjectedLSTM(4, projection=3)(x))


@program((4, 3))
def loop_in_call(k, x):
    """An encoder and a decoder that step their cells themselves, attention in between."""

    class Decoder(k.layers.Layer):
        def __init__(self, units, steps, **kwargs):
            super().__init__(**kwargs)
            self.units, self.steps = units, steps
            self.encoder = k.layers.GRU(units, return_sequences=True, return_state=True)
            self.cell = k.layers.GRUCell(units)
            self.score = {"query": k.layers.Dense(units), "keys": k.layers.Dense(units), "v": k.layers.Dense(1)}
            self.out = k.layers.Dense(2)

        def call(self, inputs):
            keys, state = self.encoder(inputs)
            step, outputs = k.ops.zeros_like(inputs[:, 0, :2]), []
            for _ in range(self.steps):
                query = k.ops.expand_dims(self.score["query"](state), 1)
                weights = k.ops.softmax(self.score["v"](k.ops.tanh(query + self.score["keys"](keys))), axis=1)
                context = k.ops.sum(weights * keys, axis=1)
                output, (state,) = self.cell(k.ops.concatenate([step, context], axis=-1), [state])
                step = self.out(output)
                outputs.append(step)
            return k.ops.stack(outputs, axis=1)

        def get_config(self):
            return {**super().get_config(), "units": self.units, "steps": self.steps}

    return k.layers.Flatten()(Decoder(3, 2)(x))


@program((4, 3))
def own_wrapper(k, x):
    """Subclasses of Wrapper: one that sums a layer's output over steps, one that keeps an average of its kernel."""

    class SumOverSteps(k.layers.Wrapper):
        def call(self, inputs):
            return k.ops.sum(k.ops.stack([self.layer(inputs[:, i]) for i in range(inputs.shape[1])], axis=1), axis=1)

    class Averaged(k.layers.Wrapper):
        def __init__(self, layer, rate=0.5, **kwargs):
            super().__init__(layer, **kwargs)
            self.rate = rate

        def build(self, input_shape=None):
            super().build(input_shape)
            self.average = self.add_weight(name="average", shape=self.layer.kernel.shape, trainable=False)

        def call(self, inputs, training=None):
            if training:
                self.average.assign(self.rate * self.average + (1 - self.rate) * self.layer.kernel)
            return self.layer(inputs) + k.ops.sum(self.average)

        def get_config(self):
            return {**super().get_config(), "rate": self.rate}

    return Averaged(k.layers.Dense(2))(SumOverSteps(k.layers.Dense(3, activation="relu"))(x))


@program((5, 3))
def hooks_of_recurrent_layers(k, x):
    """`get_initial_state` (learned states), `inner_loop` and `call` overridden, alone and in both directions; a cell
    that is exchanged, and one whose activation is."""

    @k.saving.register_keras_serializable("hooks")
    class LearnedStart(k.layers.GRU):
        def build(self, sequences_shape, initial_state_shape=None):
            super().build(sequences_shape)
            self.start = self.add_weight(shape=(self.units,), name="start")

        def get_initial_state(self, batch_size):
            return [k.ops.tile(self.start[None], (batch_size, 1))]

    @k.saving.register_keras_serializable("hooks")
    class Doubled(k.layers.LSTM):
        def inner_loop(self, sequences, initial_state, mask, training=False):
            return super().inner_loop(2.0 * sequences, initial_state, mask, training)

    @k.saving.register_keras_serializable("hooks")
    class Halved(k.layers.SimpleRNN):
        def call(self, sequences, initial_state=None, mask=None, training=False):
            return super().call(0.5 * sequences, initial_state, mask, training)

    x = LearnedStart(4, return_sequences=True)(x)
    x = Doubled(4, return_sequences=True)(x)
    x = Halved(3, return_sequences=True)(x)
    for kind in (LearnedStart, Doubled, Halved):
        x = k.layers.Bidirectional(kind(3, return_sequences=True), merge_mode="ave")(x)
    return x


@program((5, 3), configs=False)
def activations_of_cells(k, x):
    """Cells whose activations are exchanged before the layer is built."""
    lstm, gru = k.layers.LSTM(4, return_sequences=True), k.layers.GRU(3, return_sequences=True)
    rnn = k.layers.SimpleRNN(3)
    lstm.cell.activation = rnn.cell.activation = k.activations.relu
    gru.cell.recurrent_activation = k.activations.hard_sigmoid
    return rnn(gru(lstm(x)))
