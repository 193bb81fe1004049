"""Training programs of the kinds that guides show, written once and run in both libraries: same logs, same weights.

Models with steps of their own and no `call`, several optimizers, layers beside a graph, models in models, and callbacks
that evaluate, predict, freeze and exchange things in the middle of `fit`.
"""

import keras
import numpy as np
import pytest
import torch

import torchkeras
from compat.curves import plain, run_both, seed_weights

pytestmark = pytest.mark.filterwarnings("ignore")
X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = X[:, :1] * 2 + 1


def descend(k, optimizer, loss, weights, model):
    model.zero_grad()
    loss.backward()
    gradients = [(w.value if k is keras else w).grad for w in weights]
    with torch.no_grad():
        optimizer.apply(gradients, weights)


def network(k, *sizes, activation="tanh"):
    layers = [k.layers.Dense(size, activation=activation) for size in sizes[1:-1]]
    return seed_weights(k.Sequential([k.Input((sizes[0],)), *layers, k.layers.Dense(sizes[-1])]))


def gan(k):
    class Gan(k.Model):
        def __init__(self):
            super().__init__()
            self.judge, self.maker = network(k, 3, 8, 1), network(k, 2, 8, 3)
            self.noise = k.random.SeedGenerator(3)
            self.judge_loss, self.maker_loss = k.metrics.Mean(name="judge"), k.metrics.Mean(name="maker")
            self.built = True

        def compile(self, judge_optimizer, maker_optimizer, loss):
            super().compile()
            self.judge_optimizer, self.maker_optimizer, self.criterion = judge_optimizer, maker_optimizer, loss

        @property
        def metrics(self):
            return [self.judge_loss, self.maker_loss]

        def train_step(self, real):
            real = torch.as_tensor(real[0] if isinstance(real, tuple) else real)
            rows = real.shape[0]
            mixed = k.ops.concatenate([self.maker(k.random.normal((rows, 2), seed=self.noise)), real])
            labels = k.ops.concatenate([k.ops.ones((rows, 1)), k.ops.zeros((rows, 1))])
            loss = self.criterion(labels, self.judge(mixed))
            descend(k, self.judge_optimizer, loss, self.judge.trainable_weights, self)
            self.judge_loss.update_state(loss)
            judged = self.judge(self.maker(k.random.normal((rows, 2), seed=self.noise)))
            loss = self.criterion(k.ops.zeros((rows, 1)), judged)
            descend(k, self.maker_optimizer, loss, self.maker.trainable_weights, self)
            self.maker_loss.update_state(loss)
            return {metric.name: metric.result() for metric in self.metrics}

    model = Gan()
    adam = k.optimizers.Adam
    model.compile(adam(0.003), adam(0.002), k.losses.BinaryCrossentropy(from_logits=True))
    return model


def vae(k):
    class Vae(k.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.decoder = network(k, 3, 6, 4), network(k, 2, 6, 3)
            self.noise = k.random.SeedGenerator(7)
            self.total, self.divergence = k.metrics.Mean(name="loss"), k.metrics.Mean(name="kl")
            self.built = True

        @property
        def metrics(self):
            return [self.total, self.divergence]

        def losses_of(self, x):
            mean, log_variance = k.ops.split(self.encoder(x), 2, axis=-1)
            noise = k.random.normal(k.ops.shape(mean), seed=self.noise)
            rebuilt = self.decoder(mean + k.ops.exp(0.5 * log_variance) * noise)
            kl = -0.5 * k.ops.mean(1 + log_variance - k.ops.square(mean) - k.ops.exp(log_variance))
            return k.ops.mean(k.ops.square(torch.as_tensor(x) - rebuilt)) + kl, kl

        def logs(self, loss, kl):
            self.total.update_state(loss)
            self.divergence.update_state(kl)
            return {metric.name: metric.result() for metric in self.metrics}

        def train_step(self, data):
            x = data[0] if isinstance(data, tuple) else data
            loss, kl = self.losses_of(x)
            descend(k, self.optimizer, loss, self.trainable_weights, self)
            return self.logs(loss, kl)

        def test_step(self, data):
            return self.logs(*self.losses_of(data[0] if isinstance(data, tuple) else data))

        def predict_step(self, data):
            return self.encoder(data[0] if isinstance(data, tuple) else data)

    model = Vae()
    model.compile(k.optimizers.Adam(0.01))
    return model


def wgan_gp(k):
    class WganGp(k.Model):
        def __init__(self):
            super().__init__()
            self.critic, self.maker = network(k, 3, 8, 1), network(k, 2, 8, 3)
            self.noise, self.built = k.random.SeedGenerator(5), True

        def compile(self, critic_optimizer, maker_optimizer):
            super().compile()
            self.critic_optimizer, self.maker_optimizer = critic_optimizer, maker_optimizer

        def train_step(self, real):
            real = torch.as_tensor(real[0] if isinstance(real, tuple) else real)
            for _ in range(2):
                fake = self.maker(k.random.normal((len(real), 2), seed=self.noise)).detach()
                between = (0.3 * real + 0.7 * fake).requires_grad_()
                slope = torch.autograd.grad(self.critic(between).sum(), between, create_graph=True)[0]
                penalty = ((slope.norm(dim=1) - 1) ** 2).mean()
                critic_loss = self.critic(fake).mean() - self.critic(real).mean() + 10 * penalty
                descend(k, self.critic_optimizer, critic_loss, self.critic.trainable_weights, self)
            maker_loss = -self.critic(self.maker(k.random.normal((len(real), 2), seed=self.noise))).mean()
            descend(k, self.maker_optimizer, maker_loss, self.maker.trainable_weights, self)
            return {"critic": critic_loss.detach(), "maker": maker_loss.detach()}

    model = WganGp()
    model.compile(k.optimizers.Adam(0.003, beta_1=0.5), k.optimizers.Adam(0.003, beta_1=0.5))
    return model


def contrastive(k):
    class Contrastive(k.Model):
        def __init__(self):
            super().__init__()
            self.encoder, self.probe = network(k, 3, 6, 4), network(k, 4, 1)
            self.accuracy, self.built = k.metrics.BinaryAccuracy(name="hits"), True

        def compile(self, probe_optimizer, **kwargs):
            super().compile(**kwargs)
            self.probe_optimizer = probe_optimizer

        @property
        def metrics(self):
            return [self.accuracy]

        def train_step(self, data):
            x, y = (torch.as_tensor(part) for part in data[:2])
            views = [k.ops.normalize(self.encoder(x + shift), axis=-1) for shift in (0.0, 0.1)]
            scores = k.ops.matmul(views[0], k.ops.transpose(views[1])) / 0.5
            labels = k.ops.arange(len(x))
            loss = k.ops.mean(k.losses.sparse_categorical_crossentropy(labels, scores, from_logits=True))
            descend(k, self.optimizer, loss, self.encoder.trainable_weights, self)
            with torch.no_grad():
                features = self.encoder(x)
            probe_loss = k.ops.mean(k.ops.square(self.probe(features) - y))
            descend(k, self.probe_optimizer, probe_loss, self.probe.trainable_weights, self)
            self.accuracy.update_state(k.ops.cast(y > 0, "float32"), self.probe(features))
            return {"contrast": loss.detach(), "probe": probe_loss.detach(), "hits": self.accuracy.result()}

    model = Contrastive()
    model.compile(k.optimizers.SGD(0.1), optimizer=k.optimizers.SGD(0.1))
    return model


def fit(model, **options):
    arguments = {"batch_size": 4, "epochs": 3, "shuffle": False, "verbose": 0, **options}
    return model.fit(X, Y, **arguments).history


@pytest.mark.parametrize("make", [gan, vae, wgan_gp, contrastive])
def test_models_without_call(make):
    def scenario(k):
        model = make(k)
        first, second = fit(model), fit(model, epochs=1)
        return first, second, [tuple(w.shape) for w in model.weights], model.get_weights()

    run_both(scenario, tolerance=2e-5)


def test_evaluate_and_predict_without_call():
    def scenario(k):
        model = vae(k)
        history = fit(model, validation_data=(X, Y))
        return history, model.evaluate(X, Y, verbose=0, return_dict=True), model.predict(X, batch_size=7, verbose=0)

    run_both(scenario, tolerance=2e-5)


def test_summary_without_call():
    lines = []
    gan(torchkeras).summary(print_fn=lines.append)
    assert "Total params: 92 " in "".join(lines)


def test_parts_that_are_not_built_yet():
    """Keras wants them built first; here the first step builds them, and the optimizer takes what there is then."""

    class Late(torchkeras.Model):
        def __init__(self):
            super().__init__()
            self.early, self.late = network(torchkeras, 3, 2), torchkeras.layers.Dense(1)

        def train_step(self, data):
            x, y = data
            loss = ((self.late(self.early(x)) - y) ** 2).mean()
            descend(torchkeras, self.optimizer, loss, self.trainable_weights, self)
            return {"loss": loss.detach()}

    model = Late()
    model.compile(torchkeras.optimizers.SGD(0.05))
    history = fit(model, epochs=5)
    assert history["loss"][-1] < history["loss"][0] / 2 and len(model.optimizer._trainable_variables) == 4


def with_head(k, **compile_arguments):
    class WithHead(k.Model):
        def __init__(self):
            inputs = k.Input((3,))
            super().__init__(inputs, k.layers.Dense(2, kernel_initializer="ones")(inputs))
            self.heads = [k.layers.Dense(2, kernel_initializer="ones"), k.layers.Dense(1, kernel_initializer="ones")]

        def call(self, x, training=False):
            hidden = super().call(x)
            for head in self.heads:
                hidden = head(hidden)
            return hidden

    model = WithHead()
    model.compile(**{"optimizer": k.optimizers.SGD(0.01), "loss": "mse", **compile_arguments})
    return model


def test_layers_beside_a_graph_are_built_and_trained_from_the_first_fit():
    def scenario(k):
        model = with_head(k)
        return fit(model), fit(model), model.train_on_batch(X, Y), sorted(w.sum() for w in model.get_weights())

    run_both(scenario)


def test_metrics_of_nested_models_are_their_own():
    def scenario(k):
        class Counting(k.Model):
            def __init__(self):
                super().__init__()
                self.dense, self.seen = k.layers.Dense(1, kernel_initializer="ones"), k.metrics.Mean(name="seen")

            def call(self, x):
                self.seen.update_state(k.ops.ones(()))
                return self.dense(x)

        class Outer(k.Model):
            def __init__(self):
                super().__init__()
                self.inner = Counting()

            def call(self, x):
                return self.inner(x)

        model = Outer()
        model.inner.compile("sgd", "mse", metrics=["mae"])
        model.compile(k.optimizers.SGD(0.05), "mse")
        return fit(model), [metric.name for metric in model.metrics], model.evaluate(X, Y, verbose=0)

    run_both(scenario)


def test_an_overridden_compute_loss_is_what_is_logged():
    def scenario(k, reduction):
        class Scaled(k.Model):
            def __init__(self):
                super().__init__()
                self.dense = k.layers.Dense(1, kernel_initializer="ones")

            def call(self, x):
                return self.dense(x)

            def compute_loss(self, *args, **kwargs):
                return 3.0 * k.ops.mean(super().compute_loss(*args, **kwargs))

        model = Scaled()
        model.compile(k.optimizers.SGD(0.01), k.losses.MeanSquaredError(reduction=reduction))
        return fit(model), model.evaluate(X, Y, verbose=0), model.train_on_batch(X, Y)

    run_both(lambda k: scenario(k, "sum_over_batch_size"))
    run_both(lambda k: scenario(k, "sum"))
    summed = plain(scenario(torchkeras, "none"))  # Keras has no scalar to go on from here
    assert summed == plain(scenario(torchkeras, "sum"))


MOMENTS = ["train_batch_begin", "train_batch_end", "epoch_begin", "epoch_end"]


def in_the_middle(k, act, moment, prepare=None, **options):
    """History and weights where a callback does something at the second of such moments."""
    model = seed_weights(k.Sequential([k.Input((3,)), k.layers.Dense(4, activation="tanh"), k.layers.Dense(1)]))
    model.compile(k.optimizers.SGD(0.05, momentum=0.9), "mse", metrics=["mae"])
    if prepare is not None:
        prepare(k, model)
    count = iter(range(10**6))

    def hook(self, *args, **kwargs):
        if next(count) == 1:
            act(k, self.model)

    callback = type("Acting", (k.callbacks.Callback,), {f"on_{moment}": hook})()
    return fit(model, callbacks=[callback], **options), model.get_weights()


def freeze_all(k, model):
    model.trainable = False


def freeze_one(k, model):
    model.layers[0].trainable = False


def exchange_optimizer(k, model):
    model.optimizer = k.optimizers.SGD(0.01)


def predict(k, model):
    model.predict(X, verbose=0)


def slow_down(k, model):
    model.optimizer.learning_rate = 0.001


def stop(k, model):
    model.stop_training = True


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("act", [freeze_all, freeze_one, exchange_optimizer, predict, slow_down, stop])
def test_acting_in_the_middle(act, moment):
    run_both(lambda k: in_the_middle(k, act, moment))


def evaluate(k, model):
    model.evaluate(X, 100 * Y, verbose=0)


def score_other_batch(k, model):
    model.test_on_batch(X, 100 * Y)


def evaluate_with_callbacks(k, model):
    model.evaluate(X, 100 * Y, batch_size=4, verbose=0, callbacks=[k.callbacks.Callback()])


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("act", [evaluate, score_other_batch, evaluate_with_callbacks])
def test_evaluating_in_the_middle_changes_nothing(act, moment):
    """Here the epoch goes on as if nothing had been; Keras has one set of metrics for both (a line of deviations)."""
    options = {"validation_data": (X, Y)}
    expected = plain(in_the_middle(keras, lambda k, model: None, moment, **options))
    got = plain(in_the_middle(torchkeras, act, moment, **options))
    assert list(got[0]) == list(expected[0])
    for name, values in expected[0].items():
        np.testing.assert_allclose(got[0][name], values, rtol=1e-5, err_msg=name)


def test_thawing_in_the_middle_is_refused_by_an_optimizer_that_does_not_know_the_weights():
    def prepare(k, model):
        model.layers[0].trainable = False
        model.compile(k.optimizers.SGD(0.05), "mse")

    def thaw(k, model):
        model.layers[0].trainable = True

    for k in (keras, torchkeras):
        with pytest.raises(ValueError):
            in_the_middle(k, thaw, "train_batch_end", prepare)


@pytest.mark.parametrize("moment", MOMENTS)
def test_compiling_in_the_middle(moment):
    """The new arguments count from the next batch on; Keras on torch stops with a TypeError."""

    def again(k, model):
        model.layers[0].trainable = False
        model.compile(k.optimizers.SGD(0.01), "mae", metrics=["mse"])

    with pytest.raises(TypeError):
        in_the_middle(keras, again, moment)
    history, weights = in_the_middle(torchkeras, again, moment)
    assert len(history["loss"]) == 3 and history["mse"]
    frozen = in_the_middle(torchkeras, lambda k, m: (freeze_one(k, m), exchange_optimizer(k, m)), moment)[1]
    np.testing.assert_array_equal(weights[0], frozen[0])
    assert not np.array_equal(weights[2], frozen[2])
