"""Rules of names and configs.

May import numpy and torch; no library but the one that a rule is given.
"""

from compat.custom_layers.rules.rule import X, facts, refused, rule, scale_of


@rule
def automatic_names(k):
    class MyHTTPLayer2D(k.layers.Layer):
        pass

    class GRNBlock(k.layers.Layer):
        pass

    return [cls().name for cls in (MyHTTPLayer2D, MyHTTPLayer2D, GRNBlock, scale_of(k))]


@refused
def a_name_with_a_slash(k):
    return scale_of(k)(name="a/b")


@refused
def an_unknown_argument(k):
    return scale_of(k)(wrong=1)


@rule
def config_by_itself(k):
    config = scale_of(k)(3.0, name="s", dtype="float16").get_config()
    return config["factor"], config["trainable"], config["dtype"]["config"], sorted(config)


@refused
def config_that_cannot_be_written(k):
    class Holds(k.layers.Layer):
        def __init__(self, function, **kwargs):
            super().__init__(**kwargs)
            self.function = function

    return Holds(lambda x: x).get_config()


@refused
def a_config_that_the_constructor_does_not_take(k):
    class Wrong(k.layers.Layer):
        def get_config(self):
            return {**super().get_config(), "missing": 1}

    return Wrong.from_config(Wrong().get_config())


@rule
def registered_under_a_package(k):
    @k.saving.register_keras_serializable(package="lab", name="Twice")
    class Double(k.layers.Layer):
        def __init__(self, inner=None, **kwargs):
            super().__init__(**kwargs)
            self.inner = inner

        def call(self, inputs):
            return self.inner(inputs) * 2

        def get_config(self):
            return {**super().get_config(), "inner": k.saving.serialize_keras_object(self.inner)}

        @classmethod
        def from_config(cls, config):
            config["inner"] = k.saving.deserialize_keras_object(config["inner"])
            return cls(**config)

    model = k.Sequential([k.Input((4,)), Double(k.layers.Dense(2, name="d"), name="double")])
    twin = k.models.model_from_json(model.to_json())
    config = k.layers.serialize(model.layers[0])
    return config["registered_name"], config["class_name"], facts(twin.weights), twin.layers[0].inner.units


@rule
def classes_named_by_custom_objects(k):
    Scale = scale_of(k)
    model = k.Sequential([k.Input((4,)), Scale(3.0, name="s")])
    twin = k.Sequential.from_config(model.get_config(), custom_objects={"Scale": Scale})
    return twin.layers[0].factor, [weight.name for weight in twin.weights]


@refused
def classes_that_nobody_named(k):
    model = k.Sequential([k.Input((4,)), scale_of(k)(3.0, name="s")])
    return k.Sequential.from_config(model.get_config())


@rule
def settings_of_the_base(k):
    layer = scale_of(k)(
        name="n", trainable=False, dtype=k.mixed_precision.DTypePolicy("mixed_float16"), activity_regularizer="l1"
    )
    layer(X)
    return (
        layer.name, layer.trainable, layer.dtype_policy.name, layer.compute_dtype, layer.variable_dtype, layer.dtype,
        layer.supports_masking, layer.count_params(), round(float(layer.losses[0]), 3), len(layer.losses),
    )  # fmt: skip
