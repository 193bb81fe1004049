"""Losses, metrics, optimizers and schedules of one's own."""

from compat.custom_objects.program import named, program, stack


@program((4,), unsafe=False)
def loss_function(k):
    """A function, and a metric function beside it."""

    def rmse(y_true, y_pred):
        return k.ops.sqrt(k.ops.mean(k.ops.square(y_true - y_pred), axis=-1) + 1e-6)

    def spread(y_true, y_pred):
        return k.ops.max(y_pred) - k.ops.min(y_pred)

    return stack(k, k.layers.Dense(1), loss=rmse, metrics=[spread, "mae"]), named(rmse, spread)


@program((4,))
def loss_from_a_factory(k):
    """A closure made by a factory: the custom object is what the factory gives."""

    def weighted(weight):
        def weighted_loss(y_true, y_pred):
            return weight * k.ops.mean(k.ops.abs(y_true - y_pred), axis=-1)

        return weighted_loss

    loss = weighted(3.0)
    return stack(k, k.layers.Dense(1), loss=loss), {"weighted_loss": loss}


@program((4,), (3,))
def loss_class(k):
    """A subclass of Loss with arguments."""

    @k.saving.register_keras_serializable(package="losses")
    class Focal(k.losses.Loss):
        def __init__(self, gamma=2.0, reduction="sum_over_batch_size", name="focal", **kwargs):
            super().__init__(reduction=reduction, name=name, **kwargs)
            self.gamma = gamma

        def call(self, y_true, y_pred):
            y_pred = k.ops.clip(y_pred, 1e-6, 1.0)
            return -k.ops.sum(y_true * (1.0 - y_pred) ** self.gamma * k.ops.log(y_pred), axis=-1)

        def get_config(self):
            return {**super().get_config(), "gamma": self.gamma}

    return stack(k, k.layers.Dense(3, "softmax"), loss=Focal(1.5)), None


@program((4,))
def metric_with_state(k):
    """A subclass of Metric."""

    class Largest(k.metrics.Metric):
        def __init__(self, scale=1.0, name="largest", **kwargs):
            super().__init__(name=name, **kwargs)
            self.scale = scale
            self.found = self.add_weight(shape=(), initializer="zeros", name="found")

        def update_state(self, y_true, y_pred, sample_weight=None):
            self.found.assign(k.ops.maximum(self.found, self.scale * k.ops.max(k.ops.abs(y_true - y_pred))))

        def result(self):
            return self.found

        def get_config(self):
            return {**super().get_config(), "scale": self.scale}

    return stack(k, k.layers.Dense(1), metrics=[Largest(2.0)]), named(Largest)


@program((4,))
def warm_up_schedule(k):
    """A subclass of LearningRateSchedule."""

    @k.saving.register_keras_serializable("schedules")
    class WarmUp(k.optimizers.schedules.LearningRateSchedule):
        def __init__(self, width, steps=4):
            self.width, self.steps = width, steps

        def __call__(self, step):
            step = k.ops.cast(step, "float32") + 1.0
            return self.width**-0.5 * k.ops.minimum(step**-0.5, step * self.steps**-1.5)

        def get_config(self):
            return {"width": self.width, "steps": self.steps}

    return stack(k, k.layers.Dense(1), optimizer=k.optimizers.Adam(WarmUp(16))), None


@program((4,))
def optimizer_subclass(k):
    """An update rule of one's own."""

    class Signed(k.optimizers.Optimizer):
        def __init__(self, learning_rate=0.01, pull=0.9, name="signed", **kwargs):
            super().__init__(learning_rate=learning_rate, name=name, **kwargs)
            self.pull = pull

        def build(self, variables):
            if not self.built:
                super().build(variables)
                self.means = [self.add_variable_from_reference(v, name="mean") for v in variables]

        def update_step(self, gradient, variable, learning_rate):
            mean = self.means[self._get_variable_index(variable)]
            self.assign(mean, mean * self.pull + gradient * (1.0 - self.pull))
            self.assign_sub(variable, k.ops.sign(mean) * k.ops.cast(learning_rate, variable.dtype))

        def get_config(self):
            return {**super().get_config(), "pull": self.pull}

    return stack(k, k.layers.Dense(2), k.layers.Dense(1), optimizer=Signed(0.05)), named(Signed)


@program((4,))
def subclass_of_a_published_optimizer(k):
    """Adam with another default."""

    class Slow(k.optimizers.Adam):
        def __init__(self, learning_rate=1e-2, **kwargs):
            super().__init__(learning_rate=learning_rate, **kwargs)

    return stack(k, k.layers.Dense(1), optimizer=Slow()), named(Slow)


@program((4,), unsafe=False)
def wrapped_functions(k):
    """`MeanMetricWrapper` and a wrapped loss around functions."""

    def gap(y_true, y_pred, power=1):
        return k.ops.mean(k.ops.abs(y_true - y_pred) ** power, axis=-1)

    metric = k.metrics.MeanMetricWrapper(gap, name="gap2", power=2)
    return stack(k, k.layers.Dense(1), loss=gap, metrics=[metric]), named(gap)
