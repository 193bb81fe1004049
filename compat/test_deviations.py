"""Keras's behaviour where torchkeras decided otherwise: strict expected failures, one for each line of deviations.md.

Each test runs the same function under both and asserts that they agree. It must fail; the day it passes, its line goes.
"""

import contextlib
import io
import warnings

import keras as real
import numpy as np
import pytest
import torch

import torchkeras as ours


def both(function):
    """The results of one function of a keras module, ours and Keras's."""
    return function(ours), function(real)


deviation = pytest.mark.xfail(reason="a line of compat/deviations.md", strict=True, raises=AssertionError)


def one_weight(keras, value=1.0, **options):
    """`w * x` with one weight."""
    initializer = keras.initializers.Constant(value)
    return keras.layers.Dense(1, use_bias=False, kernel_initializer=initializer, **options)


@deviation
def test_result_type_narrows():
    a, b = both(lambda keras: keras.backend.result_type("float64", "float32"))
    assert a == b


@deviation
def test_layers_in_a_model_whose_call_takes_no_training_do_not_train():
    def statistics(keras):
        class Plain(keras.Model):
            def __init__(self):
                super().__init__()
                self.norm = keras.layers.BatchNormalization()

            def call(self, inputs):
                return self.norm(inputs)

        model = Plain()
        model.compile("sgd", "mse")
        model.fit(np.ones((2, 1)), np.zeros((2, 1)), verbose=0)
        return float(model.norm.moving_mean[0])

    a, b = both(statistics)
    assert a == b


@deviation
def test_fit_overrides_training_in_graph():
    def moving_mean(keras):
        inputs = keras.Input((2,))
        layer = keras.layers.BatchNormalization(momentum=0.5)
        model = keras.Model(inputs, layer(inputs, training=False))
        model.compile("sgd", "mse")
        model.fit(np.ones((4, 2)), np.zeros((4, 2)), verbose=0)
        return float(np.asarray(layer.get_weights()[2])[0])

    a, b = both(moving_mean)
    assert a == pytest.approx(b)


@deviation
def test_freeze_after_compile_acts_at_once():
    def weight(keras):
        model = keras.Sequential([keras.Input((1,)), one_weight(keras)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        model.layers[0].trainable = False
        try:
            model.fit(np.ones((1, 1)), np.zeros((1, 1)), verbose=0)
        except ValueError:
            return None
        return float(model.get_weights()[0][0, 0])

    a, b = both(weight)
    assert a == b


@deviation
def test_recompile_keeps_metrics():
    def keys(keras):
        model = keras.Sequential([keras.Input((1,)), one_weight(keras)])
        model.compile("sgd", "mse", metrics=["mae"])
        model.fit(np.ones((2, 1)), np.zeros((2, 1)), verbose=0)
        model.compile("sgd", "mse")
        return sorted(model.fit(np.ones((2, 1)), np.zeros((2, 1)), verbose=0).history)

    a, b = both(keys)
    assert a == b


@deviation
@pytest.mark.parametrize("rate", [-0.1, float("nan"), float("inf")])
def test_negative_learning_rate_is_taken(rate):
    a, b = both(lambda keras: _outcome(lambda: keras.optimizers.SGD(rate)))
    assert a == b


@deviation
def test_gradient_is_spread_over_its_variable():
    a, b = both(
        lambda keras: _outcome(lambda: keras.optimizers.SGD().apply([torch.ones(1)], [keras.Variable([1.0, 2.0])]))
    )
    assert a == b


@deviation
def test_excluded_name_is_read_letter_by_letter():
    def decayed(keras):
        optimizer = keras.optimizers.SGD(0.5, weight_decay=0.5)
        variables = [keras.Variable([1.0], name=name) for name in ("kernels", "core")]
        optimizer.exclude_from_weight_decay(var_names="bias")
        optimizer.apply([torch.zeros(1), torch.zeros(1)], variables)
        return [float(variable.numpy()[0]) for variable in variables]

    a, b = both(decayed)
    assert a == b


@deviation
def test_legacy_optimizers_are_refused():
    a, b = both(lambda keras: _outcome(lambda: keras.optimizers.legacy.Adam(0.1)))
    assert a == b


def _outcome(call):
    try:
        call()
    except (ImportError, NotImplementedError, ValueError):
        return "refused"
    return "taken"


@deviation
def test_integer_learning_rate_is_refused():
    def outcome(keras):
        try:
            return float(np.asarray(keras.optimizers.SGD(learning_rate=1).learning_rate.numpy()))
        except ValueError:
            return "refused"

    a, b = both(outcome)
    assert a == b


@deviation
def test_short_monitor_name_is_unknown():
    def epochs(keras):
        model = keras.Sequential([keras.Input((1,)), one_weight(keras, activation="sigmoid")])
        model.compile(keras.optimizers.SGD(0.0), "binary_crossentropy", metrics=["accuracy"])
        stop = keras.callbacks.EarlyStopping(monitor="val_acc", patience=1, mode="max")
        x, y = np.ones((4, 1)), np.ones((4, 1))
        with contextlib.redirect_stdout(io.StringIO()):
            return len(model.fit(x, y, epochs=5, validation_data=(x, y), callbacks=[stop], verbose=0).epoch)

    a, b = both(epochs)
    assert a == b


@deviation
def test_bar_redraws_off_a_terminal():
    def lines(keras):
        model = keras.Sequential([keras.Input((1,)), one_weight(keras)])
        model.compile("sgd", "mse")
        stream = io.StringIO()
        with contextlib.redirect_stdout(stream):
            model.fit(np.ones((64, 1)), np.zeros((64, 1)), batch_size=1, verbose=1)
        return stream.getvalue().count("/64") > 1

    a, b = both(lines)
    assert a == b


@deviation
@pytest.mark.parametrize("arguments", [{"axis": [1]}, {"synchronized": True}])
def test_batch_normalization_refuses_keras_2(arguments):
    def outcome(keras):
        try:
            return keras.layers.BatchNormalization(**arguments).synchronized
        except (TypeError, ValueError):
            return "refused"

    a, b = both(outcome)
    assert a == b


@deviation
def test_untracked_loss_of_a_custom_step_is_logged_as_zero():
    def logged(keras):
        class Own(keras.Model):
            def train_step(self, data):
                return {"loss": 3.0}

        inputs = keras.Input((1,))
        model = Own(inputs, one_weight(keras)(inputs))
        model.compile("sgd", "mse")
        return model.fit(np.ones((2, 1)), np.zeros((2, 1)), verbose=0).history["loss"]

    a, b = both(logged)
    assert a == b


@deviation
def test_equal_loss_names_are_merged():
    def keys(keras):
        class Two(keras.Model):
            def __init__(self):
                super().__init__()
                self.a, self.b = one_weight(keras), one_weight(keras)

            def call(self, x):
                return [self.a(x), self.b(x)]

        model = Two()
        model.compile("sgd", ["mse", "mse"])
        y = np.zeros((2, 1))
        return sorted(model.fit(np.ones((2, 1)), [y, y], verbose=0).history)

    a, b = both(keys)
    assert a == b


@deviation
def test_predicting_nothing_fails():
    def outcome(keras):
        model = keras.Sequential([keras.Input((1,)), one_weight(keras)])
        try:
            return model.predict(np.ones((0, 1)), verbose=0).shape
        except Exception:  # noqa: BLE001 - whatever Keras raises here is its answer
            return "refused"

    a, b = both(outcome)
    assert a == b


@deviation
def test_a_metric_compiled_twice_is_evaluated_twice():
    def values(keras):
        model = keras.Sequential([keras.Input((1,)), one_weight(keras)])
        model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mae"])
        x = np.ones((2, 1))
        return len(model.evaluate(x, np.zeros((2, 1)), sample_weight=np.array([1.0, 3.0]), verbose=0))

    a, b = both(values)
    assert a == b


@deviation
def test_masks_are_nodes_of_the_graph():
    def classes(keras):
        inputs = keras.Input((4,), dtype="int32")
        x = keras.layers.Embedding(5, 3, mask_zero=True)(inputs)
        model = keras.Model(inputs, keras.layers.LSTM(2)(x))
        return [layer["class_name"] for layer in model.get_config()["layers"]]

    a, b = both(classes)
    assert a == b


@deviation
def test_symbolic_losses_are_refused():
    def outcome(keras):
        inputs = keras.Input((2,))
        outputs = one_weight(keras)(inputs)
        model = keras.Model(inputs, outputs)
        try:
            model.add_loss(keras.ops.mean(outputs))
        except (NotImplementedError, ValueError):
            return "refused"
        return "taken"

    a, b = both(outcome)
    assert a == b


@deviation
def test_automatic_configs_need_the_base_arguments():
    def outcome(keras):
        class Scaled(keras.layers.Layer):
            def __init__(self, factor):
                super().__init__()
                self.factor = factor

            def call(self, x):
                return x * self.factor

        try:
            return Scaled.from_config(Scaled(2.0).get_config()).factor
        except TypeError:
            return "refused"

    a, b = both(outcome)
    assert a == b


@deviation
def test_plain_parameters_are_no_weights():
    def outcome(keras):
        class Scaled(keras.layers.Layer):
            def __init__(self):
                super().__init__()
                self.factor = torch.nn.Parameter(torch.ones(3))

        return len(Scaled().weights)

    a, b = both(outcome)
    assert a == b


@deviation
def test_attributes_of_a_sequential_do_not_learn():
    def outcome(keras):
        class Headed(keras.Sequential):
            def __init__(self):
                super().__init__([keras.Input((3,)), keras.layers.Dense(2)])
                self.head = keras.layers.Dense(1)

            def call(self, inputs, training=None, mask=None):
                return self.head(super().call(inputs))

        model = Headed()
        model(np.ones((2, 3), "float32"))
        return len(model.trainable_weights)

    a, b = both(outcome)
    assert a == b


@deviation
def test_bound_methods_are_written():
    def outcome(keras):
        try:
            return keras.layers.Lambda("a b".split).get_config()["function"]["class_name"]
        except ValueError:
            return "refused"

    a, b = both(outcome)
    assert a == b


@deviation
def test_lambdas_promise_the_compute_dtype():
    a, b = both(lambda keras: keras.layers.Lambda(lambda x: x > 0)(keras.Input((3,))).dtype)
    assert a == b


@deviation
def test_scores_of_a_reversible_embedding_are_promoted():
    def dtype(keras):
        layer = keras.layers.ReversibleEmbedding(5, 3, dtype="mixed_bfloat16")
        return layer(torch.ones(2, 3), reverse=True).dtype

    a, b = both(dtype)
    assert a == b


@deviation
def test_mel_spectrograms_promise_one_stretch_too_many():
    def promise(keras):
        layer = keras.layers.MelSpectrogram(fft_length=64, sequence_stride=20, num_mel_bins=8)
        return tuple(layer.compute_output_shape((2, 199)))

    a, b = both(promise)
    assert a == b


@deviation
def test_silence_has_no_gradient():
    def slope(keras):
        x = torch.zeros(1, 200, requires_grad=True)
        keras.layers.MelSpectrogram(fft_length=64, num_mel_bins=8, power_to_db=False)(x).sum().backward()
        return x.grad.isnan().any()

    a, b = both(slope)
    assert a == b


@deviation
def test_a_wrapped_module_trains_unless_told():
    a, b = both(lambda keras: bool((keras.layers.TorchModuleWrapper(torch.nn.Dropout(0.5))(torch.ones(99)) == 0).any()))
    assert a == b


@deviation
def test_a_wrapped_module_is_pickled_into_its_config():
    def outcome(keras):
        try:
            return "module" in keras.layers.TorchModuleWrapper(torch.nn.Linear(2, 2)).get_config()
        except NotImplementedError:
            return "refused"

    a, b = both(outcome)
    assert a == b


@deviation
def test_seed_state_is_int32():
    a, b = both(lambda keras: keras.backend.standardize_dtype(keras.random.SeedGenerator(1).state.dtype))
    assert a == b


@deviation
def test_shuffling_the_last_axis_by_a_negative_number_repeats_one_entry():
    x = torch.arange(6).reshape(2, 3)
    a, b = both(lambda keras: keras.random.shuffle(x, axis=-1, seed=1).sort().values.tolist())
    assert a == b


@deviation
def test_a_layer_shared_with_a_submodel_becomes_two():
    def weights(keras):
        shared, inputs, outer = keras.layers.Dense(2, name="shared"), keras.Input((2,)), keras.Input((2,))
        inner = keras.Model(inputs, shared(inputs), name="inner")
        model = keras.Model(outer, shared(inner(outer)))
        return len(keras.Model.from_config(model.get_config()).weights)

    a, b = both(weights)
    assert a == b


@deviation
def test_smoothing_counts_the_classes_of_the_last_axis():
    target, scores = np.eye(3, 2, dtype="float32"), np.full((3, 2), 0.3, "float32")

    def smoothed(keras):
        return keras.losses.categorical_crossentropy(target, scores, label_smoothing=0.25, axis=0)

    np.testing.assert_allclose(*both(smoothed))


@deviation
def test_weights_of_more_axes_than_the_losses_spread():
    def outcome(keras):
        try:
            return float(keras.losses.MeanSquaredError()(np.eye(4), np.zeros((4, 4)), np.arange(16.0).reshape(4, 4)))
        except ValueError:
            return None

    a, b = both(outcome)
    assert a == b


@deviation
def test_weights_of_samples_weigh_the_last_axis_of_square_losses():
    from keras.src.losses.loss import reduce_weighted_values

    given = np.arange(16.0).reshape(4, 4), np.arange(4.0), None, "none"
    np.testing.assert_allclose(ours.losses.reduce_weighted_values(*given), reduce_weighted_values(*given))


@deviation
@pytest.mark.parametrize("name", ["huber", "log_cosh", "poisson", "mean_absolute_percentage_error"])
def test_constants_are_rounded_where_predictions_are_whole_numbers(name):
    np.testing.assert_allclose(*both(lambda keras: getattr(keras.losses, name)([[1, 0]], [[0, 1]])))


@deviation
def test_a_class_index_is_true_beside_bool_scores():
    target, scores = [[False, False, True]], [[False, True, False]]
    a, b = both(lambda keras: float(keras.metrics.categorical_accuracy(target, scores)[0]))
    assert a == b


@deviation
@pytest.mark.parametrize(("name", "argument"), [("Huber", {"delta": 2.0}), ("CosineSimilarity", {"axis": 1})])
def test_losses_forget_an_argument_in_their_config(name, argument):
    a, b = both(lambda keras: getattr(keras.losses, name)(**argument, name="x").get_config())
    assert a == b


@deviation
def test_a_mask_is_written_into_the_weights_given():
    """So weighted metrics get weights that the loss has scaled by each batch's share of valid steps."""

    def weights_afterwards(keras):
        weights, scores = torch.ones(2, 3), torch.zeros(2, 3, 1)
        scores._keras_mask = torch.tensor([[True, False, False], [True, True, True]])
        keras.losses.MeanSquaredError()(torch.zeros(2, 3, 1), scores, weights)
        return weights

    np.testing.assert_allclose(*both(weights_afterwards))


@deviation
def test_stateless_call_leaves_out_the_layers_own_penalty():
    def losses(keras):
        layer = keras.layers.Dense(1, activity_regularizer="l2")
        layer.build((None, 1))
        return len(layer.stateless_call([np.ones((1, 1)), np.ones(1)], [], np.ones((1, 1)), return_losses=True)[2])

    a, b = both(losses)
    assert a == b


def _acting(keras, act):
    """The loss of one epoch where a callback acts after the first batch."""
    model = keras.Sequential([keras.Input((1,)), one_weight(keras)])
    model.compile(keras.optimizers.SGD(0.0), "mae")

    class Acting(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            if batch == 0:
                act(self.model)

    x = np.array([[1.0], [2.0]], "float32")
    return model.fit(x, 0 * x, batch_size=1, shuffle=False, callbacks=[Acting()], verbose=0).history["loss"][0]


@deviation
def test_evaluating_in_a_callback_spoils_the_epoch():
    x = np.ones((2, 1))
    a, b = both(lambda keras: _acting(keras, lambda model: model.evaluate(x, 0 * x, verbose=0)))
    assert a == pytest.approx(b)


@deviation
def test_of_equal_scores_any_are_the_best():
    a, b = both(lambda keras: float(keras.metrics.Precision(top_k=2)([[0, 0, 1, 1]], [[0.2, 0.2, 0.2, 0.2]])))
    assert a == b


@deviation
def test_compiling_in_a_callback_ends_training():
    def ends(keras):
        try:
            _acting(keras, lambda model: model.compile(keras.optimizers.SGD(0.0), "mse"))
        except TypeError:
            return True
        return False

    a, b = both(ends)
    assert a == b


@deviation
def test_a_head_beside_a_sequential_is_forgotten():
    def weights(keras):
        class Headed(keras.Sequential):
            def __init__(self):
                super().__init__([keras.Input((1,)), one_weight(keras)])
                self.head = one_weight(keras)

            def call(self, inputs, training=None, mask=None):
                return self.head(super().call(inputs))

        model = Headed()
        model.compile("sgd", "mse")
        model.fit(np.ones((2, 1)), np.zeros((2, 1)), verbose=0)
        return len(model.trainable_weights)

    a, b = both(weights)
    assert a == b


@deviation
def test_loss_weights_go_by_order():
    def loss(keras):
        inputs = keras.Input((1,))
        outputs = [one_weight(keras, name="a")(inputs), one_weight(keras, value=2.0, name="b")(inputs)]
        model = keras.Model(inputs, outputs)
        model.compile("sgd", "mae", loss_weights={"b": 10.0})
        return model.evaluate(np.ones((2, 1)), [np.zeros((2, 1))] * 2, verbose=0, return_dict=True)["loss"]

    a, b = both(loss)
    assert a == pytest.approx(b)


@deviation
def test_the_shape_of_a_given_value_is_ignored():
    def shape(keras):
        with contextlib.suppress(ValueError):
            return tuple(keras.Variable(np.ones(3), shape=(2,)).shape)

    a, b = both(shape)
    assert a == b


@deviation
def test_and_of_variables_is_logical():
    def both_set(keras):
        v = keras.Variable([1, 2], trainable=False, dtype="int32")
        return keras.ops.convert_to_numpy(v & v).tolist()

    a, b = both(both_set)
    assert [type(each) for each in a] == [type(each) for each in b]


@deviation
def test_arrays_that_torch_lacks_are_refused():
    def taken(keras):
        found = []
        for array in (np.ones(2, "uint64"), np.ones(2, "longdouble"), np.ones(2, object)):
            try:
                keras.ops.convert_to_tensor(array)
                found.append(True)
            except ValueError:
                found.append(False)
        return found

    a, b = both(taken)
    assert a == b


@deviation
@pytest.mark.parametrize(
    "arguments",
    [
        {"batch_size": 0},
        {"steps_per_epoch": 0},
        {"steps_per_epoch": True},
        {"validation_split": 0.5, "validation_steps": 0},
        {"validation_split": 1.5},
        {"validation_split": 0.5, "validation_freq": -1},
        {"validation_data": (np.ones((0, 1)), np.ones((0, 1)))},
    ],
    ids=str,
)
def test_numbers_out_of_range_mean_something_else(arguments):
    def taken(keras):
        model = keras.Sequential([keras.Input((1,)), one_weight(keras)])
        model.compile("sgd", "mse")
        try:
            model.fit(np.ones((4, 1)), np.ones((4, 1)), verbose=0, **arguments)
        except ValueError:
            return False
        return True

    a, b = both(taken)
    assert a == b


@deviation
def test_named_predictions_lie_flat_in_the_logs():
    def keys(keras):
        class Seeing(keras.callbacks.Callback):
            def on_predict_batch_end(self, batch, logs=None):
                seen.extend(logs)

        seen, x = [], keras.Input((1,))
        keras.Model(x, {"a": x, "b": x}).predict(np.ones((1, 1)), verbose=0, callbacks=[Seeing()])
        return seen

    a, b = both(keys)
    assert a == b


@deviation
def test_class_weights_of_names_weigh_nothing():
    def takes_names(keras):
        model = keras.Sequential([keras.Input((1,)), one_weight(keras)])
        model.compile("sgd", "mse")
        try:
            model.fit(np.ones((2, 1)), np.zeros((2, 1)), class_weight={"0": 5.0}, verbose=0)
        except ValueError:
            return False
        return True

    a, b = both(takes_names)
    assert a == b


@deviation
def test_the_slope_of_prelu_at_zero_is_zero():
    def slope(keras):
        x = torch.zeros(1, 3, requires_grad=True)
        keras.layers.PReLU(alpha_initializer="ones")(x).sum().backward()
        return x.grad.tolist()

    a, b = both(slope)
    assert a == b


@deviation
def test_dropped_infinities_are_zeros():
    def has_nan(keras):
        dropped = keras.layers.SpatialDropout1D(0.9, seed=1)(torch.full((1, 50, 4), float("inf")), training=True)
        return bool(dropped.isnan().any())

    a, b = both(has_nan)
    assert a == b


@deviation
def test_weights_can_be_quantized():
    def quantized(keras):
        layer = keras.layers.Dense(2)
        layer.build((None, 3))
        return _outcome(lambda: layer.quantize("int8"))

    a, b = both(quantized)
    assert a == b


@deviation
def test_paths_inside_wrappers_are_lost_in_files():
    def paths(keras):
        layer = keras.layers.TimeDistributed(keras.layers.Dense(2, name="inside"), name="around")
        model = keras.Sequential([keras.Input((3, 2)), layer])
        model = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
        return [weight.path for weight in model.weights]

    ours, theirs = both(paths)
    assert ours == theirs


@deviation
def test_paths_inside_sequentials_are_lost_in_files():
    def paths(keras):
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, name="inside")], name="around")
        model = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(model))
        return [weight.path for weight in model.weights]

    ours, theirs = both(paths)
    assert ours == theirs


@deviation
def test_files_of_shared_layers_cannot_be_read(tmp_path):
    def readable(keras):
        one, x, y = keras.layers.Dense(4), keras.Input((4,)), keras.Input((4,))
        model = keras.Model(y, one(keras.Model(x, one(x))(y)))
        model.save(tmp_path / "real.keras" if keras is real else tmp_path / "ours.keras")
        try:
            return len(keras.saving.load_model(tmp_path / "real.keras").weights)
        except ValueError as error:
            return "could not be loaded" in str(error)

    there = readable(real)
    assert readable(ours) == there


@deviation
def test_files_of_keras_2_take_todays_hard_sigmoid():
    first = {"class_name": "InputLayer", "config": {"batch_input_shape": [None, 1], "dtype": "float32", "name": "i"}}
    layer = {"name": "a", "trainable": True, "dtype": "float32", "activation": "hard_sigmoid"}
    config = {"name": "s", "layers": [first, {"class_name": "Activation", "config": layer}]}

    def value(keras):
        return float(keras.Sequential.from_config(config).predict_on_batch(np.ones((1, 1), "float32"))[0, 0])

    here, there = both(value)
    assert here == pytest.approx(there, abs=1e-3)


@deviation
def test_a_model_is_not_saved_for_a_loss_that_has_no_form(tmp_path):
    class Loss:
        def __call__(self, y_true, y_pred):
            return (y_true - y_pred) ** 2

    def told(keras):
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", Loss())
        try:
            with warnings.catch_warnings(record=True):
                model.save(tmp_path / "model.keras")
        except TypeError:
            return "refused"
        return "saved"

    here, there = both(told)
    assert here == there


def trained(keras, callback):
    """Two epochs of a small model with a callback: the rate of the first, or the name of the error."""
    model = keras.Sequential([keras.Input((1,)), one_weight(keras)])
    model.compile(keras.optimizers.SGD(0.5), "mse")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model.fit(np.ones((2, 1)), np.zeros((2, 1)), epochs=2, verbose=0, callbacks=[callback])
    except (TypeError, ValueError) as error:
        return type(error).__name__
    return float(model.optimizer.learning_rate)


@deviation
def test_a_rate_may_not_be_a_tensor():
    here, there = both(
        lambda keras: trained(keras, keras.callbacks.LearningRateScheduler(lambda e, rate: rate * keras.ops.exp(-0.1)))
    )
    assert here == there


@deviation
def test_epsilon_of_plateaus_is_swallowed():
    here, there = both(
        lambda keras: trained(keras, keras.callbacks.ReduceLROnPlateau("loss", patience=1, epsilon=100, factor=0.5))
    )
    assert here == there


@deviation
def test_logs_must_be_called_logs():
    here, there = both(
        lambda keras: trained(keras, keras.callbacks.LambdaCallback(on_train_batch_end=lambda batch, values: None))
    )
    assert here == there


@deviation
def test_a_stopped_bar_is_full():
    def last_line(keras):
        class Stop(keras.callbacks.Callback):
            def on_train_batch_end(self, batch, logs=None):
                self.model.stop_training = batch == 3

        model = keras.Sequential([keras.Input((1,)), one_weight(keras)])
        model.compile("sgd", "mse")
        with contextlib.redirect_stdout(io.StringIO()) as printed:
            model.fit(np.ones((10, 1)), np.zeros((10, 1)), batch_size=1, verbose=2, callbacks=[Stop()])
        return printed.getvalue().split()[0]

    here, there = both(last_line)
    assert here == there


@deviation
def test_a_state_tree_needs_an_optimizer():
    def kinds(keras):
        try:
            return list(keras.Sequential([keras.Input((1,)), one_weight(keras)]).get_state_tree())
        except AttributeError:
            return None

    here, there = both(kinds)
    assert here == there


@deviation
def test_a_direction_must_be_known():
    def watched(keras):
        inputs = keras.Input((1,))
        outputs = [keras.layers.Dense(1, name=name)(inputs) for name in "ab"]
        model = keras.Model(inputs, outputs)
        model.compile("sgd", "mse", metrics=[["mae"], []])
        try:
            ones = np.ones((4, 1))
            stop = keras.callbacks.EarlyStopping("val_a_mae")
            model.fit(ones, [ones, ones], validation_split=0.5, verbose=0, callbacks=[stop])
        except ValueError:
            return "refused"
        return "watched"

    here, there = both(watched)
    assert here == there


@deviation
def test_callbacks_in_inner_lists_are_refused():
    def taken(keras):
        try:
            return len(keras.callbacks.CallbackList([[keras.callbacks.History()]]).callbacks)
        except AttributeError:
            return "refused"

    here, there = both(taken)
    assert here == there


@deviation
def test_an_end_needs_a_begin():
    def ended(keras):
        try:
            return keras.callbacks.CallbackList([]).on_train_end()
        except ValueError:
            return "refused"

    here, there = both(ended)
    assert here == there
