"""A metric, losses, a regularizer, an initializer and a constraint of one's own in one model."""

import keras
import numpy as np
from keras import ops


class F1(keras.metrics.Metric):
    def __init__(self, threshold=0.5, name="f1", **kwargs):
        super().__init__(name=name, **kwargs)
        self.threshold = threshold
        self.true_positives = self.add_weight(name="tp", initializer="zeros")
        self.false_positives = self.add_weight(shape=(), name="fp", initializer="zeros")
        self.false_negatives = self.add_variable(shape=(), name="fn", initializer="zeros")

    def update_state(self, y_true, y_pred, sample_weight=None):
        y_true = ops.cast(y_true, "bool")
        y_pred = ops.greater(y_pred, self.threshold)
        count = lambda a, b: ops.sum(ops.cast(ops.logical_and(a, b), self.dtype))
        self.true_positives.assign_add(count(y_true, y_pred))
        self.false_positives.assign_add(count(ops.logical_not(y_true), y_pred))
        self.false_negatives.assign(self.false_negatives + count(y_true, ops.logical_not(y_pred)))

    def result(self):
        return 2 * self.true_positives / (2 * self.true_positives + self.false_positives + self.false_negatives + 1e-7)

    def get_config(self):
        return {**super().get_config(), "threshold": self.threshold}


class WeightedCrossentropy(keras.losses.Loss):
    def __init__(self, positive=2.0, name="weighted_crossentropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.positive = positive

    def call(self, y_true, y_pred):
        y_true = ops.cast(y_true, y_pred.dtype)
        y_pred = ops.clip(y_pred, 1e-6, 1 - 1e-6)
        losses = -self.positive * y_true * ops.log(y_pred) - (1 - y_true) * ops.log(1 - y_pred)
        return ops.mean(losses, axis=-1)


@keras.saving.register_keras_serializable("mine")
class OffCentre(keras.regularizers.Regularizer):
    def __init__(self, strength=0.01, centre=0.1):
        self.strength = strength
        self.centre = centre

    def __call__(self, x):
        return self.strength * ops.sum(ops.square(x - self.centre))

    def get_config(self):
        return {"strength": self.strength, "centre": self.centre}


@keras.saving.register_keras_serializable("mine")
class Comb(keras.initializers.Initializer):
    def __init__(self, scale=0.2):
        self.scale = scale

    def __call__(self, shape, dtype=None, **kwargs):
        sign = ops.cast(ops.reshape(ops.arange(int(np.prod(shape))) % 2, shape), dtype) * 2 - 1
        return self.scale * sign * keras.random.uniform(shape, seed=3, dtype=dtype)

    def get_config(self):
        return {"scale": self.scale}


@keras.saving.register_keras_serializable("mine")
class CentreColumns(keras.constraints.Constraint):
    def __call__(self, w):
        return w - ops.mean(w, axis=0, keepdims=True)


def soft_l1(y_true, y_pred):
    return ops.mean(ops.sqrt(1 + ops.square(y_true - y_pred)) - 1, axis=-1)


def mean_prediction(y_true, y_pred):
    return ops.mean(y_pred)


keras.utils.set_random_seed(43)
x = np.random.normal(size=(120, 6)).astype("float32")
y = (x[:, :2].sum(axis=1, keepdims=True) > 0.3).astype("float32")

model = keras.Sequential(
    [
        keras.Input((6,)),
        keras.layers.Dense(
            8, activation=lambda t: ops.leaky_relu(t, 0.1), kernel_initializer=Comb(), kernel_constraint=CentreColumns()
        ),
        keras.layers.Dense(
            1,
            activation="sigmoid",
            kernel_regularizer=OffCentre(),
            bias_initializer=lambda shape, dtype=None: ops.full(shape, 0.1, dtype),
        ),
    ]
)
print(model.get_weights()[0][0], [float(loss) for loss in model.losses])
model.compile("adam", loss=WeightedCrossentropy(1.5), metrics=[F1(), mean_prediction, "accuracy"])
history = model.fit(x, y, epochs=3, batch_size=32, validation_split=0.2, verbose=0)
for name, values in history.history.items():
    print(name, np.round(values, 5))
print(np.abs(model.get_weights()[0].mean(axis=0)).max() < 1e-6)
model.compile(keras.optimizers.SGD(learning_rate=0.1), loss=soft_l1, metrics=[F1(0.3, name="f1_low")])
print(model.fit(x, y, epochs=2, verbose=0).history)
config = keras.layers.serialize(
    model.layers[1].__class__(3, kernel_initializer=Comb(0.5), kernel_regularizer=OffCentre(0.2))
)
layer = keras.layers.deserialize(config)
print(
    config["config"]["kernel_initializer"]["registered_name"],
    layer.kernel_initializer.scale,
    layer.kernel_regularizer.strength,
)
metric = F1.from_config(F1(threshold=0.7).get_config())
metric.update_state([[1], [0], [1]], [[0.9], [0.8], [0.2]])
print(metric.name, metric.threshold, float(metric.result()))
