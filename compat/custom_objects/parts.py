"""Functions and small classes around layers: activations, initializers, regularizers, constraints, lambdas."""

from compat.custom_objects.program import named, program, stack


@program((4,))
def activation_functions(k):
    """One in `custom_objects`, one registered, one in a layer `Activation`."""

    def swishy(x):
        return x * k.ops.sigmoid(1.7 * x)

    @k.saving.register_keras_serializable("lab")
    def clipped(x):
        return k.ops.clip(x, -1.0, 1.0)

    layers = k.layers.Dense(3, swishy), k.layers.Dense(3, activation=clipped), k.layers.Activation(swishy)
    return stack(k, *layers, k.layers.Dense(1)), named(swishy)


@program((4,))
def activation_class(k):
    """An object of a class in the place of a function."""

    @k.saving.register_keras_serializable("lab")
    class Scaled:
        def __init__(self, scale):
            self.scale = scale

        def __call__(self, x):
            return k.ops.tanh(self.scale * x)

        def get_config(self):
            return {"scale": self.scale}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    return stack(k, k.layers.Dense(3, Scaled(2.0)), k.layers.Dense(1)), None


@program((4,))
def initializer_regularizer_constraint(k):
    """A class of each family."""

    class Diagonal(k.initializers.Initializer):
        def __init__(self, gain=1.0):
            self.gain = gain

        def __call__(self, shape, dtype=None):
            return self.gain * k.ops.eye(shape[0], shape[1], dtype=dtype)

        def get_config(self):
            return {"gain": self.gain}

    class Orthogonal2(k.regularizers.Regularizer):
        def __init__(self, rate=0.1):
            self.rate = rate

        def __call__(self, w):
            return self.rate * k.ops.sum(k.ops.square(k.ops.matmul(k.ops.transpose(w), w)))

        def get_config(self):
            return {"rate": self.rate}

    class Below(k.constraints.Constraint):
        def __init__(self, limit=1.0):
            self.limit = limit

        def __call__(self, w):
            return k.ops.minimum(w, self.limit)

        def get_config(self):
            return {"limit": self.limit}

    layer = k.layers.Dense(3, None, True, Diagonal(0.5), "zeros", Orthogonal2(0.2), None, None, Below(0.3))
    return stack(k, layer, k.layers.Dense(1)), named(Diagonal, Orthogonal2, Below)


@program((4,))
def functions_of_each_family(k):
    """Plain functions as initializer, regularizer and constraint."""

    def tenth(shape, dtype=None):
        return k.ops.full(shape, 0.1, dtype=dtype)

    def cubed(w):
        return 0.01 * k.ops.sum(k.ops.abs(w) ** 3)

    def positive(w):
        return k.ops.maximum(w, 0.0)

    layer = k.layers.Dense(3, kernel_initializer=tenth, kernel_regularizer=cubed, kernel_constraint=positive)
    return stack(k, layer, k.layers.Dense(1)), named(tenth, cubed, positive)


@program((4,), unsafe=True, refused=TypeError)
def lambdas_in_layers(k):
    """As activation and initializer, with defaults and captured numbers."""
    amount = 0.5
    layer = k.layers.Dense(
        3,
        activation=lambda x, slope=0.2: x * slope + amount,
        kernel_initializer=lambda shape, dtype=None: __import__("torch").full(shape, amount),
    )
    return stack(k, layer, k.layers.Dense(1)), None


@program((4,), unsafe=True)
def lambdas_without_names(k):
    """A Lambda layer, and lambdas as loss and metric."""
    amount = 0.5
    layers = k.layers.Lambda(lambda x: x * 2.0 + amount, output_shape=(4,)), k.layers.Dense(1)
    loss, metric = lambda y_true, y_pred: abs(y_true - y_pred).mean(-1), lambda y_true, y_pred: (y_pred**2).mean(-1)
    return stack(k, *layers, loss=loss, metrics=[metric]), None


@program((4,))
def lambda_layer_of_a_function(k):
    """A Lambda layer of a registered function, with arguments."""

    @k.saving.register_keras_serializable("lab")
    def scaled(x, factor):
        return x * factor

    return stack(k, k.layers.Lambda(scaled, arguments={"factor": 3.0}), k.layers.Dense(1)), None
