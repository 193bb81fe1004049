"""Programs of custom steps, as guides have them: each runs in both libraries from the same weights, and everything it
returns is compared. Models without `call`, and callbacks in the middle of `fit`, are in test_custom_training.py.
"""

import numpy as np
import pytest
import torch

import torchkeras
from compat.curves import run_both, seed_weights

pytestmark = pytest.mark.filterwarnings("ignore")
RNG = np.random.default_rng(0)
X = RNG.normal(size=(16, 3)).astype("float32")
Y = X[:, :1] * 2 + 1
LABELS = np.arange(16) % 3
W = RNG.uniform(0.5, 2, size=16).astype("float32")
SEQUENCES = RNG.integers(1, 9, size=(16, 5))
SEQUENCES[:, 3:] = 0


def fit(model, x=X, y=Y, **options):
    return model.fit(x, y, **{"batch_size": 4, "epochs": 2, "shuffle": False, "verbose": 0, **options}).history


def gradients(k, variables):
    return [(v if k is torchkeras else v.value).grad for v in variables]


def functional(k, cls, units=1, activation=None, **options):
    """A model of `cls` over a small graph."""
    inputs = k.Input((3,))
    hidden = k.layers.Dense(4, activation="tanh")(inputs)
    return seed_weights(cls(inputs, k.layers.Dense(units, activation=activation)(hidden), **options))


def update(k, model, loss):
    model.zero_grad()
    loss.backward()
    with torch.no_grad():
        model.optimizer.apply(gradients(k, model.trainable_weights), model.trainable_weights)


# -- what is overridden -----------------------------------------------------------------------------------------------


def test_a_step_around_the_inherited_one():
    def scenario(k):
        class Doubled(k.Model):
            def train_step(self, data):
                logs = super().train_step(data)
                return {**logs, "twice": 2 * logs["loss"], "rows": len(data[0])}

            def test_step(self, data):
                return {f"own_{name}": value for name, value in super().test_step(data).items()}

            def predict_step(self, data):
                return {"prediction": super().predict_step(data), "data": data if not isinstance(data, tuple) else None}

        model = functional(k, Doubled)
        model.compile(k.optimizers.SGD(0.05), "mse", metrics=["mae"])
        history = fit(model, validation_data=(X[:8], Y[:8]))
        predicted = model.predict(X, verbose=0)["prediction"]
        return history, model.evaluate(X, Y, verbose=0, return_dict=True), model.evaluate(X, Y, verbose=0), predicted

    run_both(scenario)


@pytest.mark.parametrize("weights", ["sample", "class", "none"])
def test_a_step_with_metrics_as_attributes_and_weights(weights):
    def scenario(k):
        class Weighted(k.Model):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                self.seen, self.error = k.metrics.Mean(name="loss"), k.metrics.SparseCategoricalAccuracy(name="hits")
                self.criterion = k.losses.SparseCategoricalCrossentropy()

            @property
            def metrics(self):
                return [self.seen, self.error]

            def judged(self, data, training):
                x, y, sample_weight = k.utils.unpack_x_y_sample_weight(data)
                y_pred = self(x, training=training)
                loss = self.criterion(y, y_pred, sample_weight=sample_weight)
                self.seen.update_state(loss)
                self.error.update_state(y, y_pred, sample_weight=sample_weight)
                return loss

            def train_step(self, data):
                update(k, self, self.judged(data, True))
                return {metric.name: metric.result() for metric in self.metrics}

            def test_step(self, data):
                self.judged(data, False)
                return {metric.name: metric.result() for metric in self.metrics}

        model = functional(k, Weighted, 3, "softmax")
        model.compile(optimizer=k.optimizers.Adam(0.01))
        given = {"sample": {"sample_weight": W}, "class": {"class_weight": {0: 2.0, 2: 0.5}}, "none": {}}[weights]
        validation = (X, LABELS, W) if weights == "sample" else (X, LABELS)
        return (
            fit(model, X, LABELS, validation_data=validation, **given),
            model.evaluate(X, LABELS, verbose=0, return_dict=True),
            [metric.name for metric in model.metrics],
            model.train_on_batch(X, LABELS, return_dict=True),
            model.get_weights(),
        )

    run_both(scenario)


def test_compute_loss_with_a_tracker_and_compute_metrics():
    def scenario(k):
        class Scored(k.Model):
            def __init__(self, *args, **kwargs):
                super().__init__(*args, **kwargs)
                self.tracker = k.metrics.Mean(name="own_loss")

            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                difference = k.ops.mean(k.ops.abs(y_pred - k.ops.convert_to_tensor(y)))
                loss = difference + 0.01 * k.ops.sum(self.losses) if self.losses else difference
                self.tracker.update_state(loss if training else 0 * loss)
                return loss

            def compute_metrics(self, x, y, y_pred, sample_weight=None):
                results = super().compute_metrics(x, y, y_pred, sample_weight)
                return {**results, "mean_prediction": k.ops.mean(y_pred), "share": results["mae"] / 2}

            def reset_metrics(self):
                super().reset_metrics()
                self.tracker.reset_state()

            @property
            def metrics(self):
                return [*super().metrics, self.tracker]

        model = functional(k, Scored)
        model.compile(k.optimizers.SGD(0.05), metrics=["mae"])
        return (
            fit(model, validation_split=0.25),
            model.evaluate(X, Y, verbose=0, return_dict=True),
            model.train_on_batch(X, Y, return_dict=True),
            model.test_on_batch(X, Y, return_dict=True),
        )

    run_both(scenario)


@pytest.mark.parametrize("style", ["assigned", "returned", "set"])
def test_make_train_function(style):
    """Whole steps wrapped: Keras 3 looks at `train_function`, Keras 2 at what is returned."""

    def scenario(k):
        calls = []

        class Wrapped(k.Model):
            def make_train_function(self, force=False):
                if style == "set":
                    return super().make_train_function(force)
                super().make_train_function(force)
                inner = self.train_function

                def function(data):
                    calls.append("train")
                    logs = inner(data)
                    return {**logs, "doubled": 2 * logs["loss"]}

                if style == "returned" and k is torchkeras:
                    self.train_function = None
                    return function
                self.train_function = function

            def make_test_function(self, force=False):
                super().make_test_function(force)
                inner = self.test_function
                self.test_function = lambda data: {**inner(data), "extra": 1.0}

            def make_predict_function(self, force=False):
                super().make_predict_function(force)
                inner = self.predict_function
                self.predict_function = lambda data: -inner(data)

        model = functional(k, Wrapped)
        model.compile(k.optimizers.SGD(0.05), "mse", metrics=["mae"])
        if style == "set":
            model.make_train_function()
            inner = model.train_function
            model.train_function = lambda data: {**inner(data), "set": calls.append("train") or 1.0}
        results = (
            fit(model, validation_data=(X, Y)),
            model.evaluate(X, Y, verbose=0, return_dict=True),
            model.predict(X, verbose=0),
            model.train_on_batch(X, Y, return_dict=True),
        )
        model.compile(k.optimizers.SGD(0.01), "mae", metrics=["mse"])
        return *results, fit(model, epochs=1), len(calls) > 8  # Keras wraps anew in each fit

    run_both(scenario)


def test_a_step_of_keras_2():
    """`compiled_loss`, `compiled_metrics` and `apply_gradients`, as code for tf.keras has them."""

    class Old(torchkeras.Model):
        def train_step(self, data):
            x, y = data
            y_pred = self(x, training=True)
            loss = self.compiled_loss(y, y_pred, regularization_losses=self.losses)
            self.zero_grad()
            loss.backward()
            variables = self.trainable_variables
            self.optimizer.apply_gradients(zip([v.grad for v in variables], variables))
            self.compiled_metrics.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

        def test_step(self, data):
            x, y = data
            y_pred = self(x, training=False)
            self.compiled_loss(y, y_pred, regularization_losses=self.losses)
            self.compiled_metrics.update_state(y, y_pred)
            return {metric.name: metric.result() for metric in self.metrics}

    results = []
    for cls in (Old, torchkeras.Model):
        model = functional(torchkeras, cls)
        model.compile(torchkeras.optimizers.SGD(0.05), "mse", metrics=["mae"])
        results.append((fit(model, validation_data=(X, Y)), model.get_weights()))
    (ours, weights), (expected, expected_weights) = results
    assert set(expected) <= set(ours)
    for name, values in expected.items():
        np.testing.assert_allclose(ours[name], values, rtol=1e-5)
    for a, b in zip(weights, expected_weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


# -- schemes of training ----------------------------------------------------------------------------------------------


def test_distillation():
    def scenario(k):
        class Distiller(k.Model):
            def __init__(self, student, teacher):
                super().__init__()
                self.student, self.teacher = student, teacher
                self.soft = k.metrics.Mean(name="distillation_loss")

            def compile(self, optimizer, metrics, student_loss, distillation_loss, alpha=0.2, temperature=3):
                super().compile(optimizer=optimizer, metrics=metrics)
                self.student_loss, self.distillation_loss = student_loss, distillation_loss
                self.alpha, self.temperature = alpha, temperature

            def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
                taught = k.ops.stop_gradient(self.teacher(x, training=False))
                soft = self.distillation_loss(
                    k.ops.softmax(taught / self.temperature, axis=1), k.ops.softmax(y_pred / self.temperature, axis=1)
                )
                soft = soft * self.temperature**2
                self.soft.update_state(soft)
                return self.alpha * self.student_loss(y, y_pred) + (1 - self.alpha) * soft

            def call(self, x):
                return self.student(x)

        def network(units):
            dense = [k.layers.Dense(units, activation="relu"), k.layers.Dense(3)]
            return seed_weights(k.Sequential([k.Input((3,)), *dense]), units)

        teacher, student = network(8), network(4)
        teacher.trainable = False
        model = Distiller(student, teacher)
        model.compile(
            k.optimizers.Adam(0.01),
            [k.metrics.SparseCategoricalAccuracy()],
            k.losses.SparseCategoricalCrossentropy(from_logits=True),
            k.losses.KLDivergence(),
        )
        history = fit(model, X, LABELS, validation_data=(X, LABELS))
        return history, model.evaluate(X, LABELS, verbose=0), teacher.get_weights(), student.get_weights()

    run_both(scenario, tolerance=3e-5)


def test_siamese_with_a_shared_encoder_and_a_distance():
    def scenario(k):
        encoder = seed_weights(k.Sequential([k.Input((3,)), k.layers.Dense(4, activation="tanh")]))
        a, b = k.Input((3,)), k.Input((3,))

        class Distance(k.layers.Layer):
            def call(self, pair):
                first, second = pair
                return k.ops.sqrt(k.ops.sum(k.ops.square(first - second), axis=1, keepdims=True) + 1e-7)

        def contrastive(y_true, y_pred):
            y_true = k.ops.cast(y_true, y_pred.dtype)
            return k.ops.mean(y_true * k.ops.square(y_pred) + (1 - y_true) * k.ops.square(k.ops.maximum(1 - y_pred, 0)))

        model = k.Model([a, b], Distance()([encoder(a), encoder(b)]))
        model.compile(k.optimizers.Adam(0.01), contrastive, metrics=["accuracy"])
        pairs, same = [X, X[::-1].copy()], (X[:, :1] * X[::-1, :1] > 0).astype("float32")
        history = fit(model, pairs, same, validation_data=(pairs, same))
        return history, model.predict(pairs, verbose=0), encoder.predict(X, verbose=0)

    run_both(scenario)


def test_triplets():
    def scenario(k):
        encoder = seed_weights(k.Sequential([k.Input((3,)), k.layers.Dense(4)]))

        class Triplets(k.Model):
            def __init__(self):
                super().__init__()
                self.encoder, self.tracker = encoder, k.metrics.Mean(name="loss")

            def call(self, parts):
                anchor, positive, negative = (self.encoder(part) for part in parts)
                near = k.ops.sum(k.ops.square(anchor - positive), -1)
                return near, k.ops.sum(k.ops.square(anchor - negative), -1)

            def loss_of(self, data, training):
                near, far = self(data[0] if len(data) == 1 else data, training=training)
                return k.ops.mean(k.ops.maximum(near - far + 0.5, 0.0))

            def train_step(self, data):
                loss = self.loss_of(data, True)
                update(k, self, loss)
                self.tracker.update_state(loss)
                return {"loss": self.tracker.result()}

            def test_step(self, data):
                self.tracker.update_state(self.loss_of(data, False))
                return {"loss": self.tracker.result()}

            @property
            def metrics(self):
                return [self.tracker]

        model = Triplets()
        model.compile(optimizer=k.optimizers.SGD(0.01))
        triplet = (X, X + 0.1, X[::-1].copy())
        model([torch.tensor(part[:1]) for part in triplet])
        history = model.fit([*triplet], batch_size=4, epochs=2, shuffle=False, verbose=0).history
        return history, model.evaluate([*triplet], verbose=0), encoder.get_weights()

    run_both(scenario)


def test_gradients_accumulated_by_hand():
    def scenario(k):
        class Accumulating(k.Model):
            every, count, kept = 2, 0, None

            def train_step(self, data):
                x, y = data
                loss = self.compute_loss(x, y, self(x, training=True))
                self.zero_grad()
                loss.backward()
                found = [g.clone() for g in gradients(k, self.trainable_weights)]
                self.kept = found if self.kept is None else [a + b for a, b in zip(self.kept, found)]
                self.count += 1
                if self.count % self.every == 0:
                    with torch.no_grad():
                        self.optimizer.apply([g / self.every for g in self.kept], self.trainable_weights)
                    self.kept = None
                return {"step_loss": loss.detach()}

        model = functional(k, Accumulating)
        model.compile(k.optimizers.SGD(0.05), "mse")
        by_hand = fit(model), model.get_weights()
        model = functional(k, k.Model)
        model.compile(k.optimizers.SGD(0.05, gradient_accumulation_steps=2), "mse")
        return by_hand, fit(model), model.get_weights()

    by_hand, _, weights = run_both(scenario)
    for a, b in zip(by_hand[1], weights, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-7)


def test_a_penalty_on_input_gradients():
    def scenario(k):
        class Smooth(k.Model):
            def train_step(self, data):
                x, y = data
                x = torch.as_tensor(x).clone().requires_grad_()
                y_pred = self(x, training=True)
                slope = torch.autograd.grad(y_pred.sum(), x, create_graph=True)[0]
                loss = self.compute_loss(x, y, y_pred) + 0.1 * (slope**2).sum(-1).mean()
                update(k, self, loss)
                return {"loss": loss.detach(), "slope": slope.detach().norm()}

        model = functional(k, Smooth)
        model.compile(k.optimizers.Adam(0.01), "mse")
        return fit(model), model.get_weights()

    run_both(scenario)


def test_adversarial_inputs_inside_the_step():
    """A step that calls the model twice, once for a gradient of its input."""

    def scenario(k):
        class Robust(k.Model):
            def train_step(self, data):
                x, y = data
                x = torch.as_tensor(x).clone().requires_grad_()
                loss = self.compute_loss(x, y, self(x, training=True))
                worse = (x + 0.1 * torch.autograd.grad(loss, x)[0].sign()).detach()
                y_pred = self(worse, training=True)
                loss = self.compute_loss(worse, y, y_pred)
                update(k, self, loss)
                self._loss_tracker.update_state(loss)
                return self.compute_metrics(x, y, y_pred)

        model = functional(k, Robust)
        model.compile(k.optimizers.SGD(0.05), "mse", metrics=["mae"])
        return fit(model), model.get_weights()

    run_both(scenario)


# -- loops from scratch -----------------------------------------------------------------------------------------------


def test_a_loop_without_state():
    """The model as a function of its variables: gradients by torch, updates by `stateless_apply`."""

    def scenario(k):
        model = seed_weights(k.Sequential([
            k.Input((3,)), k.layers.Dense(4, activation="tanh"), k.layers.BatchNormalization(), k.layers.Dense(1),
        ]))  # fmt: skip
        optimizer, metric = k.optimizers.Adam(0.01), k.metrics.MeanSquaredError()
        optimizer.build(model.trainable_variables)
        metric.update_state(Y[:1], Y[:1])  # makes its state

        def values(variables):
            return [torch.as_tensor(v if k is torchkeras else v.value).detach().clone() for v in variables]

        trained, other = values(model.trainable_variables), values(model.non_trainable_variables)
        state, seen, losses = values(optimizer.variables), [torch.zeros_like(v) for v in values(metric.variables)], []
        for start in (0, 8, 0, 8):
            x, y = torch.tensor(X[start : start + 8]), torch.tensor(Y[start : start + 8])
            trained = [v.requires_grad_() for v in trained]
            y_pred, other = model.stateless_call(trained, other, x, training=True)
            loss = k.ops.mean(k.losses.mean_squared_error(y, y_pred))
            grads = torch.autograd.grad(loss, trained)
            with torch.no_grad():
                trained, state = optimizer.stateless_apply(state, list(grads), [v.detach() for v in trained])
                seen = metric.stateless_update_state(seen, y, y_pred)
            losses.append(loss.detach())
        unchanged = model.get_weights()
        for variables, new in ((model.trainable_variables, trained), (model.non_trainable_variables, other)):
            for variable, value in zip(variables, new):
                variable.assign(value.detach())
        return losses, metric.stateless_result(seen), unchanged, model.get_weights(), model.predict(X, verbose=0)

    run_both(scenario)


def test_a_loop_of_single_batches():
    def scenario(k):
        model = functional(k, k.Model, 3, "softmax")
        model.compile(k.optimizers.Adam(0.01), "sparse_categorical_crossentropy", metrics=["accuracy"])
        seen = []
        for _ in range(2):
            model.reset_metrics()
            for start in (0, 6, 12):
                x, y, w = X[start : start + 6], LABELS[start : start + 6], W[start : start + 6]
                seen.append(model.train_on_batch(x, y, sample_weight=w))
                seen.append(model.train_on_batch(x, y, class_weight={0: 2.0, 1: 0.5}, return_dict=True))
                seen.append(model.test_on_batch(x, y, return_dict=True))
            seen.append(model.predict_on_batch(X))
        return seen, model.get_weights()

    run_both(scenario)


def test_one_model_trains_in_two():
    """An autoencoder and its encoder with a head, compiled apart and trained in turns; weights are shared."""

    def scenario(k):
        encoder = k.Sequential([k.Input((3,)), k.layers.Dense(2, activation="tanh")], name="encoder")
        decoder, head = (k.Sequential([k.Input((2,)), k.layers.Dense(n)]) for n in (3, 1))
        x = k.Input((3,))
        auto, guess = (k.Model(x, part(encoder(x))) for part in (decoder, head))
        for model in (auto, guess):
            seed_weights(model)
            model.compile(k.optimizers.SGD(0.05, momentum=0.9), "mse", metrics=["mae"])
        seen = [history for _ in range(2) for history in (fit(auto, X, X), fit(guess, X, Y))]
        encoder.trainable = False
        guess.compile(k.optimizers.SGD(0.05), "mse", metrics=["mae"])
        before = encoder.get_weights()
        return seen, fit(guess, X, Y), before, encoder.get_weights(), len(guess.trainable_weights), auto.get_weights()

    run_both(scenario)


def test_compiling_and_freezing_between_fits():
    def scenario(k):
        model = functional(k, k.Model)
        seen = []
        for loss, frozen, metrics in (("mse", (), ["mae"]), ("mae", (1,), ["mse", "mae"]), ("mse", (1, 2), ["mae"])):
            for index, layer in enumerate(model.layers):
                layer.trainable = index not in frozen
            model.compile(k.optimizers.Adam(0.01), loss, metrics=metrics)
            if model.trainable_weights:
                seen.append(fit(model, validation_split=0.25))
            seen.append(model.evaluate(X, Y, verbose=0, return_dict=True))
            seen.append(len(model.trainable_weights))
        return seen, model.get_weights()

    run_both(scenario)


# -- outputs, masks, weights of losses --------------------------------------------------------------------------------

STRUCTURES = {
    "dict": lambda a, b: {"second": a, "first": b},
    "tuple": lambda a, b: (a, b),
    "nested": lambda a, b: {"in": [a, {"deep": b}], "out": (b,)},
    "list in a tuple": lambda a, b: ([a], b),
}


@pytest.mark.parametrize("kind", STRUCTURES)
def test_predictions_of_any_structure(kind):
    def scenario(k):
        class Structured(k.Model):
            def __init__(self):
                super().__init__()
                self.a, self.b = k.layers.Dense(1, kernel_initializer="ones"), k.layers.Dense(2)

            def call(self, x):
                return STRUCTURES[kind](self.a(x), self.b(x) * 0)

        model = Structured()
        return [model.predict(X, batch_size=size, verbose=0) for size in (5, 16)], model.predict_on_batch(X)

    run_both(scenario)


def test_masks_of_outputs_reach_the_losses():
    """Padded steps weigh nothing in losses and metrics: of one output and of two, with weights of samples too."""

    def scenario(k):
        x = k.Input((5,), dtype="int32")
        embedded = k.layers.Embedding(9, 4, mask_zero=True)(x)
        hidden = k.layers.LSTM(3, return_sequences=True)(embedded)
        tags = k.layers.TimeDistributed(k.layers.Dense(3, activation="softmax"), name="tags")(hidden)
        level = k.layers.TimeDistributed(k.layers.Dense(1), name="level")(hidden)
        targets = [SEQUENCES % 3, SEQUENCES[..., None].astype("float32")]
        seen = []
        for outputs, y in ((tags, targets[0]), ([tags, level], targets)):
            model = seed_weights(k.Model(x, outputs))
            losses = ["sparse_categorical_crossentropy", "mse"]
            model.compile(
                k.optimizers.SGD(0.05),
                losses[0] if outputs is tags else losses,
                metrics=["accuracy"] if outputs is tags else [["accuracy"], ["mae"]],
                weighted_metrics=["sparse_categorical_crossentropy"] if outputs is tags else [[], ["mse"]],
            )
            seen.append(fit(model, SEQUENCES, y, validation_split=0.25))
            seen.append(model.evaluate(SEQUENCES, y, verbose=0))
        return seen

    run_both(scenario)


@pytest.mark.parametrize("weights", [0.5, [0.5], [1.0], {"a": 0.5}])
def test_the_weight_of_the_only_loss(weights):
    """A list of one weight for one output, as Keras 2 took it; a dict by its name too."""

    def scenario(k):
        x = k.Input((3,))
        model = seed_weights(k.Model(x, k.layers.Dense(1, name="a")(x)))
        number = (
            weights
            if isinstance(weights, float)
            else next(iter(weights.values()))
            if isinstance(weights, dict)
            else weights[0]
        )
        model.compile(
            k.optimizers.SGD(0.1), "mse", loss_weights=weights if k is torchkeras else number, metrics=["mae"]
        )
        return fit(model), model.get_weights()

    run_both(scenario)


@pytest.mark.parametrize("keys", ["ab", "ba"])
def test_losses_weights_and_metrics_by_key_of_the_outputs(keys):
    """Keys of a dict of outputs, which are no names of layers, address all three."""

    def scenario(k):
        x = k.Input((3,))
        outputs = {key: k.layers.Dense(1, name=f"layer_{key}")(x) for key in keys}
        model = seed_weights(k.Model(x, outputs))
        model.compile(
            k.optimizers.SGD(0.05),
            dict(zip(keys, ("mse", "mae"))),
            {"a": 0.5, "b": 2.0},
            {"a": ["mae"], "b": ["mse", "mae"]},
        )
        y = {"a": Y, "b": -Y}
        history = fit(model, X, y, sample_weight={"a": W, "b": 2 * W}, validation_split=0.25)
        return history, model.evaluate(X, y, verbose=0), model.evaluate(X, y, verbose=0, return_dict=True)

    run_both(scenario)
