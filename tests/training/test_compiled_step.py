"""`compile(jit_compile=…)`: the steps as single graphs, beside the same steps without a compiler.

Most tests give torch.compile a backend that only counts and runs the graph, so that no C++ compiler is waited for: what
is told here is whether there is one graph, of how many steps, and what it computes.
"""

import copy
import gc
import pickle
import warnings
import weakref

import numpy as np
import pytest
import torch

import torchkeras as keras
from torchkeras import layers

ROWS, BATCH = 21, 8  # an epoch ends with five rows


class Counting:
    """A backend of torch.compile."""

    def __init__(self):
        self.graphs = 0

    def __call__(self, graph, inputs):
        self.graphs += 1
        return graph.forward


def softmax():
    return layers.Dense(4, activation="softmax")


def chain(shape, *between):
    return keras.Sequential([keras.Input(shape), *between])


def attention():
    inputs = keras.Input((6, 8))
    attended = layers.MultiHeadAttention(2, 4, dropout=0.1)(inputs, inputs)
    x = layers.LayerNormalization()(layers.add([inputs, attended]))
    return keras.Model(inputs, softmax()(layers.GlobalAveragePooling1D()(x)))


def images():
    return chain(
        (10, 10, 3), layers.Conv2D(4, 3, activation="relu"), layers.BatchNormalization(), layers.MaxPooling2D(),
        layers.SeparableConv2D(4, 3, padding="same"), layers.Dropout(0.3), layers.Flatten(), softmax(),
    )  # fmt: skip


def penalized():
    dense = layers.Dense(6, kernel_regularizer="l2", activity_regularizer="l1", kernel_constraint="max_norm")
    return chain((5,), dense, layers.ActivityRegularization(l2=0.1), softmax())


MODELS = {
    "dense": lambda: chain((5,), layers.Dense(6, activation="relu"), layers.Dropout(0.5), softmax()),
    "images": images,
    "penalized": penalized,
    "attention": attention,
    "lstm": lambda: chain((5, 3), layers.LSTM(4, return_sequences=True), layers.LSTM(4), softmax()),
    "gru": lambda: chain((5, 3), layers.Bidirectional(layers.GRU(4)), softmax()),
    "masked": lambda: chain((6,), layers.Embedding(9, 4, mask_zero=True), layers.LSTM(4), softmax()),
    "mixed": lambda: chain((5,), layers.Dense(6, activation="relu", dtype="mixed_bfloat16"), softmax()),
    "noise": lambda: chain((5,), layers.GaussianNoise(0.1), layers.UnitNormalization(), layers.Dense(6), softmax()),
}


def data_for(model):
    rng = np.random.default_rng(0)
    shape = model.input_shape[1:]
    x = rng.integers(0, 9, (ROWS, *shape)) if len(shape) == 1 and shape[0] == 6 else rng.random((ROWS, *shape))
    return x.astype("float32"), rng.integers(0, 4, ROWS)


def both(make, optimizer="adam", loss="sparse_categorical_crossentropy", metrics=("accuracy",), **more):
    """A model as a graph, its backend, and its like without."""
    backend, models = Counting(), []
    for jit_compile in ({"backend": backend}, False):
        keras.utils.set_random_seed(3)
        model = make()
        chosen = optimizer if isinstance(optimizer, str) else optimizer()
        model.compile(chosen, loss, metrics=list(metrics), jit_compile=jit_compile, **more)
        models.append(model)
    torch._dynamo.reset()
    return models[0], backend, models[1]


def same(one, other, *arguments, tolerance=1e-6, **more):
    """Trains both; the second's history and weights must be the first's."""
    histories = []
    for model in (one, other):
        keras.utils.set_random_seed(5)
        histories.append(model.fit(*arguments, batch_size=BATCH, verbose=0, **more).history)
    for name, values in histories[1].items():
        assert histories[0][name] == pytest.approx(values, rel=1e-5, abs=tolerance), name
    for got, expected in zip(one.get_weights(), other.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=tolerance)


@pytest.mark.parametrize("name", MODELS)
def test_each_kind_of_step_is_one_graph_for_all_epochs(name):
    # A key's bias has no gradient but rounding, of which Adam would make whole steps.
    model, backend, plain = both(MODELS[name], "sgd" if name == "attention" else "adam")
    x, y = data_for(model)
    tolerance = 1e-3 if name == "mixed" else 1e-6
    same(model, plain, x, y, epochs=3, validation_data=(x[:12], y[:12]), tolerance=tolerance)
    assert backend.graphs == 2
    predictions = [each.predict(x, batch_size=BATCH, verbose=0) for each in (model, plain)]
    np.testing.assert_allclose(*predictions, atol=tolerance)
    assert backend.graphs == 3


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_mixed_precision_is_one_graph(policy):
    def make():
        hidden = layers.Dense(6, activation="relu", dtype=policy), layers.BatchNormalization(dtype=policy)
        return chain((5,), *hidden, layers.Dense(4, activation="softmax", dtype="float32"))

    model, backend, plain = both(make)
    same(model, plain, *data_for(model), epochs=3, tolerance=2e-3)
    assert backend.graphs == 1


@pytest.mark.parametrize("mode", ["full", "activations", "larger_than"])
def test_what_is_computed_again_is_one_graph(mode):
    def make():
        with keras.RematScope(mode, output_size_threshold=20):
            hidden = layers.Dense(6, activation="relu"), layers.Dropout(0.3, seed=3), layers.BatchNormalization()
            return chain((5,), *hidden, softmax())

    model, _, plain = both(make)
    model.compile(model.optimizer, model.loss, metrics=["accuracy"], jit_compile={"backend": "aot_eager"})
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # none says that the step runs without a graph
        same(model, plain, *data_for(model), epochs=2)


def test_nothing_is_compiled_again_for_a_rate_a_reset_or_another_fit():
    halve = keras.callbacks.LearningRateScheduler(lambda epoch, rate: rate / 2)
    model, backend, plain = both(MODELS["dense"], lambda: keras.optimizers.SGD(0.5, momentum=0.9))
    x, y = data_for(model)
    same(model, plain, x, y, epochs=3, callbacks=[halve])
    for each in (model, plain):
        each.optimizer.learning_rate = keras.optimizers.schedules.ExponentialDecay(0.1, 2, 0.9)
        each.reset_metrics()
    same(model, plain, x, y, epochs=5, initial_epoch=2)
    assert backend.graphs == 1


def test_rows_left_over_run_without_a_graph_and_other_forms_get_their_own():
    model, backend, plain = both(lambda: chain((5,), softmax()))
    x, y = data_for(model)
    for rows in (8, 8, 5, 8, 3, 8, 1, 8):
        assert model.train_on_batch(x[:rows], y[:rows]) == pytest.approx(plain.train_on_batch(x[:rows], y[:rows]))
    assert backend.graphs == 1
    for rows in (5, 3, 4, 6):
        assert model.train_on_batch(x[:rows], y[:rows]) == pytest.approx(plain.train_on_batch(x[:rows], y[:rows]))
    assert backend.graphs == 2  # torch leaves the number of rows open in the second


def test_a_flag_changed_in_the_middle_counts_from_the_next_batch():
    class Freeze(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            self.model.layers[0].trainable = batch >= 2

    model, backend, plain = both(lambda: chain((5,), layers.Dense(6), softmax()))
    x, y = data_for(model)
    for each in (model, plain):
        each.fit(
            np.repeat(x[:8], 6, 0), np.repeat(y[:8], 6, 0), batch_size=8, verbose=0, callbacks=[Freeze()], shuffle=False
        )
    for got, expected in zip(model.get_weights(), plain.get_weights(), strict=True):
        np.testing.assert_allclose(got, expected, atol=1e-6)
    assert backend.graphs == 2


class Branching(layers.Layer):
    def call(self, inputs):
        if inputs.sum() > 0:
            return inputs * 2
        return inputs


def test_what_cannot_be_a_graph_says_where_and_why_and_runs_without():
    model, backend, plain = both(lambda: chain((5,), Branching(name="fork"), softmax()))
    x, y = data_for(model)
    with pytest.warns(UserWarning, match=r"training step of 'seq.*Data-dependent.*test_compiled_step.*'fork'") as told:
        same(model, plain, x, y, epochs=2)
    assert backend.graphs == 0 and len(told) == 1 and told[0].filename == __file__


def test_an_error_of_the_model_is_the_error_without_a_compiler():
    class Breaking(layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.broken = False

        def call(self, inputs):
            if self.broken:
                raise ArithmeticError("it broke")
            return inputs

    model, backend, _ = both(lambda: chain((5,), Breaking(name="weak"), softmax()))
    x, y = data_for(model)
    model.fit(x, y, batch_size=BATCH, verbose=0)
    model.layers[0].broken = True
    with warnings.catch_warnings(), pytest.raises(ArithmeticError, match="it broke"):
        warnings.simplefilter("error")
        model.fit(x, y, batch_size=BATCH, verbose=0)
    model.layers[0].broken = False
    model.fit(x, y, batch_size=BATCH, verbose=0)
    assert backend.graphs == 1


OPTIMIZERS = {
    "adamw_clipped": lambda: keras.optimizers.AdamW(0.01, global_clipnorm=0.1),
    "averaged": lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=2),
    "accumulating": lambda: keras.optimizers.RMSprop(0.01, gradient_accumulation_steps=2),
    "scaled": lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1), dynamic_growth_steps=2),
    "factor": lambda: keras.optimizers.Lion(0.01, loss_scale_factor=8.0),
    "muon": lambda: keras.optimizers.Muon(0.01),
    "torch": lambda: torch.optim.NAdam,
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_follow_a_graph_without_being_part_of_it(name):
    model, backend, plain = both(lambda: chain((5,), layers.Dense(6, activation="tanh"), softmax()), OPTIMIZERS[name])
    same(model, plain, *data_for(model), epochs=3)
    assert backend.graphs == 1


def two_ends():
    inputs = keras.Input((5,))
    x = layers.Dense(6, activation="relu")(inputs)
    return keras.Model(
        inputs, {"kind": layers.Dense(4, activation="softmax", name="kind")(x), "size": layers.Dense(1)(x)}
    )


def test_several_outputs_with_weights_of_samples_and_classes():
    losses = {"kind": "sparse_categorical_crossentropy", "size": "mse"}
    watched = {"kind": ["accuracy"], "size": ["mae"]}
    models = []
    backend = Counting()
    for jit_compile in ({"backend": backend}, False):
        keras.utils.set_random_seed(3)
        models.append(two_ends())
        models[-1].compile(
            "adam", losses, metrics=watched, weighted_metrics=watched, loss_weights={"kind": 1.0, "size": 0.5},
            jit_compile=jit_compile,
        )  # fmt: skip
    x, kinds = data_for(models[0])
    y = {"kind": kinds, "size": x[:, :1]}
    weights = {"kind": np.linspace(0, 1, ROWS), "size": np.linspace(1, 2, ROWS)}
    same(*models, x, y, epochs=2, sample_weight=weights)
    assert backend.graphs == 1
    model, backend, plain = both(lambda: chain((5,), softmax()))
    same(model, plain, x, kinds, epochs=2, class_weight={0: 2.0, 1: 0.5, 2: 1.0, 3: 1.0})
    assert backend.graphs == 1


def test_methods_of_the_users_are_part_of_the_graph():
    class Own(keras.Sequential):
        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return super().compute_loss(x, y, y_pred, sample_weight) + 0.1 * y_pred.square().mean()

        def compute_metrics(self, x, y, y_pred, sample_weight=None):
            return {**super().compute_metrics(x, y, y_pred, sample_weight), "largest": y_pred.max()}

        def test_step(self, data):
            return {"seen": self(data[0], training=False).mean()}

        def predict_step(self, data):
            return 2 * self(data, training=False)

    model, backend, plain = both(lambda: Own([keras.Input((5,)), softmax()]))
    x, y = data_for(model)
    same(model, plain, x, y, epochs=2, validation_data=(x, y))
    np.testing.assert_allclose(*[each.predict(x, batch_size=BATCH, verbose=0) for each in (model, plain)], atol=1e-6)
    assert backend.graphs == 3


def test_copies_and_files_begin_without_graphs(tmp_path):
    model = chain((5,), layers.Dense(6), softmax())
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile={"backend": "eager"})
    x, y = data_for(model)
    model.fit(x, y, batch_size=BATCH, verbose=0)
    model.save(tmp_path / "model.keras")
    copies = [
        copy.deepcopy(model),
        pickle.loads(pickle.dumps(model)),
        keras.models.load_model(tmp_path / "model.keras"),
    ]
    losses = [each.fit(x, y, batch_size=BATCH, shuffle=False, verbose=0).history["loss"] for each in (model, *copies)]
    assert [each.jit_compile for each in copies] == [{"backend": "eager"}] * 3
    for loss in losses[1:]:
        assert loss == pytest.approx(losses[0], rel=1e-6)


def test_a_model_goes_with_its_graphs():
    model, backend, _ = both(lambda: chain((5,), softmax()))
    model.fit(*data_for(model), batch_size=BATCH, epochs=2, verbose=0)
    seen = weakref.ref(model)
    del model
    gc.collect()
    assert backend.graphs == 1 and seen() is None


def test_losses_know_the_scores_in_a_graph_and_writes_to_them_change_nothing():
    class Writing(layers.Layer):
        def call(self, inputs):
            scores = inputs * 3.0
            outputs = keras.activations.softmax(scores)
            scores.zero_()
            return outputs

    model, backend, plain = both(lambda: chain((5,), layers.Dense(4), Writing()))
    same(model, plain, *data_for(model), epochs=2)
    assert backend.graphs == 1


def test_torchs_own_backend():
    """Needs a C++ compiler, as `jit_compile=True` does."""
    results = []
    for jit_compile in (True, False):
        keras.utils.set_random_seed(3)
        model = chain((4, 3), layers.LSTM(5), softmax())
        model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=jit_compile)
        x, y = data_for(model)
        history = model.fit(x, y, batch_size=BATCH, epochs=2, shuffle=False, verbose=0).history
        results.append((history["loss"], *model.get_weights()))
    assert model._training.graphs is None
    for got, expected in zip(*results, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_a_missing_compiler_is_named(monkeypatch):
    import torch._inductor.exc as inductor

    def backend(graph, inputs):
        raise inductor.InvalidCxxCompiler

    model = chain((5,), softmax())
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile={"backend": backend})
    x, y = data_for(model)
    with pytest.warns(UserWarning, match=r"no working C\+\+ compiler.*apt install g\+\+"):
        model.fit(x, y, batch_size=BATCH, verbose=0)


def test_a_train_step_of_the_users_runs_and_says_so():
    class Own(keras.Sequential):
        def train_step(self, data):
            return super().train_step(data)

    model, backend, plain = both(lambda: Own([keras.Input((5,)), softmax()]))
    x, y = data_for(model)
    with pytest.warns(UserWarning, match="train_step of Own"):
        same(model, plain, x, y, epochs=2)
    assert backend.graphs == 0


def test_run_eagerly_wins():
    model = chain((5,), softmax())
    with pytest.warns(UserWarning, match="run_eagerly"):
        model.compile("sgd", "mse", run_eagerly=True, jit_compile=True)
    assert model.jit_compile is False
    backend = Counting()
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile={"backend": backend})
    model.run_eagerly = True
    model.fit(*data_for(model), batch_size=BATCH, verbose=0)
    assert backend.graphs == 0
    with pytest.raises(ValueError, match="`jit_compile` must be"):
        model.compile("sgd", "mse", jit_compile="always")


def test_a_torch_that_traces_no_gradients_trains_without_a_graph(monkeypatch):
    monkeypatch.setattr("torchkeras.training.compiled_step._SETTING", "something_newer")
    backend = Counting()
    model = chain((5,), softmax())
    model.compile("sgd", "sparse_categorical_crossentropy", jit_compile={"backend": backend})
    x, y = np.ones((16, 5), "float32"), np.zeros(16)
    with pytest.warns(UserWarning, match="cannot put a backward pass into a graph") as caught:
        model.fit(x, y, batch_size=8, epochs=2, verbose=0)
    assert len(caught) == 1 and backend.graphs == 0
    model.predict(x, batch_size=8, verbose=0)
    assert backend.graphs == 1


def test_batches_in_forms_of_their_own_have_graphs():
    class Own(keras.Model):
        def __init__(self):
            super().__init__()
            self.dense = layers.Dense(2)

        def call(self, inputs):
            return self.dense(inputs["a"])

        def predict_step(self, data):
            assert list(data) == ["a"]
            return self(data)

    backend = Counting()
    model = Own()
    model.compile("sgd", "mse", jit_compile={"backend": backend})
    x = np.ones((8, 3), "float32")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert model.predict(({"a": x} for _ in range(5)), verbose=0).shape == (40, 2)
        history = model.fit((({"a": x}, x[:, :2]) for _ in range(5)), verbose=0)
    assert backend.graphs == 2 and history.params["steps"] is None
