"""Models of one's own: subclassed, functional, nested, with steps of training."""

from compat.custom_objects.program import named, program


def compiled(model, optimizer="sgd", loss="mse", **options):
    model.compile(optimizer, loss, **options)
    return model


@program((4,))
def subclassed_model(k):
    """A config of the constructor's arguments."""

    class Net(k.Model):
        def __init__(self, hidden, outputs=1, **kwargs):
            super().__init__(**kwargs)
            self.hidden, self.outputs = hidden, outputs
            self.first, self.last = k.layers.Dense(hidden, "relu"), k.layers.Dense(outputs)
            self.norm = k.layers.BatchNormalization()

        def call(self, x, training=False):
            return self.last(self.norm(self.first(x), training=training))

        def get_config(self):
            return {**super().get_config(), "hidden": self.hidden, "outputs": self.outputs}

    model = compiled(Net(3), "adam")
    model(k.ops.zeros((1, 4)))
    return model, named(Net)


@program((4,))
def functional_subclass(k):
    """`super().__init__(inputs, outputs)` with a training step of its own."""

    class Custom(k.Model):
        def train_step(self, data):
            x, y = data
            y_pred = self(x, training=True)
            loss = self.compute_loss(x, y, 2.0 * y_pred)
            self.zero_grad()
            loss.backward()
            weights = self.trainable_weights
            self.optimizer.apply([w.value.grad if hasattr(w, "value") else w.grad for w in weights], weights)
            self._loss_tracker.update_state(loss)
            return {"loss": self._loss_tracker.result()}

    inputs = k.Input((4,))
    return compiled(Custom(inputs, k.layers.Dense(1)(inputs))), named(Custom)


@program((4,))
def graph_in_the_constructor(k):
    """The graph is made inside of `__init__`, whose argument stands in the config."""

    @k.saving.register_keras_serializable("zoo")
    class Zoo(k.Model):
        def __init__(self, width=3, **kwargs):
            inputs = k.Input((4,))
            super().__init__(inputs, k.layers.Dense(1)(k.layers.Dense(width, "relu")(inputs)), **kwargs)
            self.width = width

        def get_config(self):
            return {"width": self.width, "name": self.name}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    return compiled(Zoo(5)), None


@program((4,))
def model_around_a_model(k):
    """A model in the constructor of another."""

    class Around(k.Model):
        def __init__(self, inner, **kwargs):
            super().__init__(**kwargs)
            self.inner, self.head = inner, k.layers.Dense(1)

        def call(self, x):
            return self.head(self.inner(x))

        def get_config(self):
            return {**super().get_config(), "inner": k.saving.serialize_keras_object(self.inner)}

        @classmethod
        def from_config(cls, config):
            config["inner"] = k.saving.deserialize_keras_object(config["inner"])
            return cls(**config)

    model = compiled(Around(k.Sequential([k.Input((4,)), k.layers.Dense(3, "relu")])))
    model(k.ops.zeros((1, 4)))
    return model, named(Around)


@program((4,), (4,), random=True)
def variational_autoencoder(k):
    """A sampling layer with a seed of its own, losses added in the call."""

    @k.saving.register_keras_serializable("vae")
    class Sampling(k.layers.Layer):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.seed_generator = k.random.SeedGenerator(7)

        def call(self, inputs):
            mean, log_variance = inputs
            self.add_loss(k.ops.mean(k.ops.square(mean) + k.ops.exp(log_variance) - log_variance - 1.0))
            noise = k.random.normal(k.ops.shape(mean), seed=self.seed_generator)
            return mean + k.ops.exp(0.5 * log_variance) * noise

    inputs = k.Input((4,))
    hidden = k.layers.Dense(3, "relu")(inputs)
    z = Sampling()([k.layers.Dense(2)(hidden), k.layers.Dense(2)(hidden)])
    return compiled(k.Model(inputs, k.layers.Dense(4)(z)), "adam"), None


@program((8, 8, 1))
def frozen_feature_extractor(k):
    """A frozen base inside a new model."""
    base = k.Sequential([k.Input((8, 8, 1)), k.layers.Conv2D(2, 3), k.layers.GlobalAveragePooling2D()], name="base")
    base.trainable = False

    class Shift(k.layers.Layer):
        def call(self, x):
            return x - 0.5

    inputs = k.Input((8, 8, 1))
    return compiled(k.Model(inputs, k.layers.Dense(1)(base(Shift()(inputs), training=False)))), named(Shift)


@program((4,), {"a": (1,), "b": (2,)})
def two_heads_with_losses_of_their_own(k):
    """A loss function per output, weights for both."""

    def squared(y_true, y_pred):
        return k.ops.mean(k.ops.square(y_true - y_pred), axis=-1)

    @k.saving.register_keras_serializable("heads")
    def absolute(y_true, y_pred):
        return k.ops.mean(k.ops.abs(y_true - y_pred), axis=-1)

    inputs = k.Input((4,))
    hidden = k.layers.Dense(3, "relu")(inputs)
    outputs = {"a": k.layers.Dense(1, name="a")(hidden), "b": k.layers.Dense(2, name="b")(hidden)}
    losses = {"a": squared, "b": absolute}
    model = k.Model(inputs, outputs)
    model.compile("sgd", losses, loss_weights={"a": 1.0, "b": 0.5}, metrics={"b": [squared]})
    return model, named(squared)


@program((3,), whole=5)
def learned_embeddings_in_a_list(k):
    """One embedding per column, kept in a list of a subclassed model."""

    class Columns(k.Model):
        def __init__(self, sizes, **kwargs):
            super().__init__(**kwargs)
            self.sizes = list(sizes)
            self.tables = [k.layers.Embedding(size, 2) for size in sizes]
            self.out = k.layers.Dense(1)

        def call(self, x):
            parts = [table(x[:, place]) for place, table in enumerate(self.tables)]
            return self.out(k.ops.concatenate(parts, axis=-1))

        def get_config(self):
            return {**super().get_config(), "sizes": self.sizes}

    model = compiled(Columns([5, 6, 7]))
    model(k.ops.zeros((1, 3), dtype="int32"))
    return model, named(Columns)


@program((4,))
def compile_of_its_own(k):
    """`compile` takes an argument more; `get_compile_config` and `compile_from_config` say so."""

    class Weighted(k.Model):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            self.out = k.layers.Dense(1)

        def call(self, x):
            return self.out(x)

        def compile(self, optimizer, loss, factor=1.0):
            super().compile(optimizer=optimizer, loss=loss)
            self.factor = factor

        def get_compile_config(self):
            optimizer = k.saving.serialize_keras_object(self.optimizer)
            return {"optimizer": optimizer, "loss": "mse", "factor": self.factor}

        def compile_from_config(self, config):
            self.compile(k.saving.deserialize_keras_object(config["optimizer"]), config["loss"], config["factor"])
            self.optimizer.build(self.trainable_variables)

        def compute_loss(self, x=None, y=None, y_pred=None, sample_weight=None, training=True):
            return self.factor * super().compute_loss(x, y, y_pred, sample_weight, training)

    model = Weighted()
    model.compile("adam", "mse", factor=3.0)
    model(k.ops.zeros((1, 4)))
    return model, named(Weighted)


@program(((4,), (4,)))
def siamese_with_a_shared_layer(k):
    """One custom layer called twice, and a layer that merges."""

    class Tower(k.layers.Layer):
        def __init__(self, width=2, **kwargs):
            super().__init__(**kwargs)
            self.width, self.inner = width, k.layers.Dense(width, "tanh")

        def build(self, input_shape):
            self.inner.build(input_shape)

        def call(self, x):
            return self.inner(x)

        def get_config(self):
            return {**super().get_config(), "width": self.width}

    class Distance(k.layers.Layer):
        def call(self, inputs):
            a, b = inputs
            return k.ops.sum(k.ops.square(a - b), axis=-1, keepdims=True)

    left, right, tower = k.Input((4,)), k.Input((4,)), Tower(3)
    return compiled(k.Model([left, right], Distance()([tower(left), tower(right)]))), named(Tower, Distance)
