"""Training in mixed precision beside Keras: the same losses, the same scales, the same steps left out; layer by layer,
in loops of users, and with the crossentropies that half precision spoils."""

import numpy as np
import pytest
import torch

import torchkeras
from compat.curves import run_both, seed_weights

pytestmark = pytest.mark.filterwarnings("ignore")
X = np.random.default_rng(0).normal(size=(16, 3)).astype("float32")
Y = X[:, :1] * 2 + 1
TOLERANCE = {"mixed_float16": 3e-3, "mixed_bfloat16": 2e-2}


@pytest.fixture(params=TOLERANCE)
def policy(request):
    return request.param


def network(k, policy, last="linear", **last_options):
    return seed_weights(
        k.Sequential(
            [
                k.Input((3,)),
                k.layers.Dense(8, activation="relu", dtype=policy),
                k.layers.Dense(1, activation=last, dtype=policy, **last_options),
            ],
        )
    )


def compiled(k, policy, **options):
    """A model under a policy that is the global one while it is made."""
    k.config.set_dtype_policy(policy)
    try:
        model = network(k, policy)
        model.compile(**{"optimizer": k.optimizers.SGD(0.05), "loss": "mse", "metrics": ["mae"], **options})
    finally:
        k.config.set_dtype_policy("float32")
    return model


def number(value):
    return float(torch.as_tensor(getattr(value, "value", value)))


def test_fit_evaluate_predict(policy):
    def scenario(k):
        model = compiled(k, policy)
        history = model.fit(X, Y, batch_size=4, epochs=3, shuffle=False, verbose=0, validation_split=0.25).history
        kinds = [str(weight.dtype) for weight in model.get_weights()]
        return history, kinds, model.evaluate(X, Y, verbose=0), model.get_weights(), type(model.optimizer).__name__

    run_both(scenario, tolerance=TOLERANCE[policy])


@pytest.mark.parametrize("options", [{"initial_scale": 2.0**10, "dynamic_growth_steps": 2}, {}])
def test_steps_that_are_not_finite_are_left_out(options):
    """The scale halves at each, and doubles after so many good ones; the weights of a step left out stay."""

    def scenario(k):
        model = compiled(k, "mixed_float16")
        optimizer = k.optimizers.LossScaleOptimizer(k.optimizers.Adam(0.01), **options)
        model.compile(optimizer, "mse")
        seen = []
        for step in range(9):
            x = X.copy()
            if step in (3, 4, 7):
                x[0, 0] = np.inf
            before = model.get_weights()
            model.train_on_batch(x, Y)
            same = all(np.array_equal(a, b) for a, b in zip(before, model.get_weights()))
            seen.append((same, *map(number, (optimizer.dynamic_scale, optimizer.step_counter, optimizer.iterations))))
        return seen, model.get_weights()

    seen, _ = run_both(scenario, tolerance=3e-3)
    assert [same for same, *_ in seen] == [step in (3, 4, 7) for step in range(9)]


def test_a_loop_with_a_scaled_loss():
    """`scale_loss` before the gradient; `apply` takes the scale off again and leaves out what is not finite."""

    def scenario(k):
        model = compiled(k, "mixed_float16")
        optimizer = k.optimizers.LossScaleOptimizer(k.optimizers.SGD(0.05), initial_scale=2.0**20)
        optimizer.build(model.trainable_variables)
        scales = []
        for _ in range(12):
            loss = k.ops.mean(k.ops.square(k.ops.cast(model(torch.tensor(X)), "float32") - torch.tensor(Y)))
            model.zero_grad()
            optimizer.scale_loss(loss).backward()
            with torch.no_grad():
                optimizer.apply(
                    [(v if k is torchkeras else v.value).grad for v in model.trainable_variables],
                    model.trainable_variables,
                )
            scales.append(number(optimizer.dynamic_scale))
        return scales, model.get_weights()

    scales, weights = run_both(scenario, tolerance=5e-3)
    assert scales[-1] < 2.0**20 and all(np.isfinite(weight).all() for weight in weights)


@pytest.mark.parametrize("scaled", [True, False])
def test_auto_scale_loss(scaled):
    def scenario(k):
        model = compiled(k, "mixed_float16", auto_scale_loss=scaled)
        return type(model.optimizer).__name__, model.fit(X, Y, verbose=0, shuffle=False, epochs=2).history

    assert run_both(scenario, tolerance=3e-3)[0] == ("LossScaleOptimizer" if scaled else "SGD")


@pytest.mark.parametrize("kind", ["float16", "mixed_float16", "mixed_bfloat16"])
def test_binary_crossentropy_stays_finite(kind):
    """1 - 1e-7 is 1 in 16 bits: certain predictions, right and wrong, give no NaN and no infinity."""
    torchkeras.utils.set_random_seed(1)
    model = network(torchkeras, kind, "sigmoid")
    model.compile(torchkeras.optimizers.SGD(0.01), "binary_crossentropy")
    model.layers[-1].bias.assign([60.0])
    history = model.fit(X, (Y > 0).astype("float32"), epochs=3, verbose=0).history["loss"]
    assert np.isfinite(history).all() and all(np.isfinite(weight).all() for weight in model.get_weights())


def test_policies_of_single_layers():
    def scenario(k):
        layers = k.layers
        kinds = ("float32", "mixed_float16", "mixed_bfloat16", "float64", "float32")
        stack = [layers.Dense(3, activation="tanh", dtype=kind) for kind in kinds]
        model = seed_weights(k.Sequential([k.Input((3,)), *stack, layers.Dense(1, dtype="float32")]))
        model.compile(k.optimizers.SGD(0.05), "mse")
        inner, found = torch.tensor(X), []
        for layer in stack:
            inner = layer(inner)
            found.append((str(inner.dtype), layer.compute_dtype, layer.variable_dtype, layer.dtype_policy.name))
        return (
            found,
            model.fit(X, Y, verbose=0, epochs=2, shuffle=False).history,
            model.predict(X, verbose=0).dtype.name,
        )

    run_both(scenario, tolerance=2e-2)


def test_saved_and_loaded_training_goes_on(policy, tmp_path):
    first = compiled(torchkeras, policy, optimizer=torchkeras.optimizers.Adam(0.01))
    first.fit(X, Y, verbose=0, shuffle=False)
    first.save(tmp_path / "model.keras")
    again = torchkeras.models.load_model(tmp_path / "model.keras")
    assert type(again.optimizer) is type(first.optimizer) and again.layers[0].dtype_policy.name == policy
    curves = [model.fit(X, Y, verbose=0, shuffle=False, epochs=2).history["loss"] for model in (first, again)]
    assert curves[0] == curves[1]
