"""A layer as a config.

May import core. A mixin of `core.layer.Layer`.
"""

import inspect
import warnings

from torchkeras.core import dtype_policy, fields, missing, registry, serialization
from torchkeras.core.made_with import writes_name
from torchkeras.errors import UnknownObjectError


class LayerConfig:
    """`get_config` and `from_config`."""

    _published_kind = "layer"
    _base_init = None  # the constructor of Layer, which enters it

    def get_config(self):
        """Constructor arguments as Keras writes them.

        For a class that has neither fields nor a `get_config` of its own, the plain arguments it was made with.
        """
        base = {"trainable": self.trainable, "dtype": serialization.serialize_keras_object(self.dtype_policy)}
        if self._fields:
            config = {"name": self.name, **base, **fields.saved(self)}
        elif type(self).get_config is LayerConfig.get_config and self._config_is_automatic:
            config = self._automatic_config()
        else:
            config = {"name": self.name, **base}
            if self._takes_what_every_layer_takes():
                config.update(activity_regularizer=None, autocast=self.autocast)
        if self.activity_regularizer is not None:
            config["activity_regularizer"] = serialization.serialize_keras_object(self.activity_regularizer)
        return config

    get_config._is_automatic = True

    @classmethod
    def _takes_what_every_layer_takes(cls):
        """Whether it is a user's class without constructor and config: Keras lists all arguments of `Layer` then."""
        plain = cls.__init__ is cls._base_init and cls.get_config is LayerConfig.get_config
        return plain and not any(registry.entry_of(part) for part in cls.__mro__[: cls.__mro__.index(LayerConfig)])

    @classmethod
    def _says_nothing_of_its_config(cls):
        """Whether its config is the plain arguments of its constructor, as no other part of the class says more."""
        own_constructor = cls._base_init not in (None, cls.__init__)
        return own_constructor and not cls._fields and getattr(cls.get_config, "_is_automatic", False)

    def _automatic_config(self):
        """The config of a class that says nothing about it: the arguments that it was made with."""
        values, refused = self._made_with or ({}, ["args"])
        if refused:
            raise NotImplementedError(
                f"Layer {type(self).__name__} was made with arguments that cannot be saved as they are "
                f"({', '.join(refused)}): define get_config() and from_config() on it:\n{_advice(refused)}"
            )
        dtype = serialization.serialize_keras_object(self.dtype_policy)
        name = {"name": self.name} if writes_name(type(self)) else {}
        return {**name, **values, "trainable": self.trainable, "dtype": dtype}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """A layer from what `get_config` gave (Keras 2's spellings too); `custom_objects` names your own classes."""
        line = f"{cls.__name__}.from_config(config, {{}})"
        with registry.CustomObjectScope(custom_objects), missing.told(line, config):
            return cls._made_from(config, custom_objects)

    @classmethod
    def _made_from(cls, config, custom_objects):
        config = dict(fields.loaded(cls, config, custom_objects))
        if isinstance(config.get("dtype"), dict):
            config["dtype"] = dtype_policy.get(config["dtype"])
        parameters = inspect.signature(cls).parameters
        anything = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
        late = [] if anything else [key for key in ("trainable", "dtype") if key in config and key not in parameters]
        late = {key: config.pop(key) for key in late}  # written by every layer, but not taken by this constructor
        try:
            layer = cls(**config)
        except UnknownObjectError:
            raise
        except TypeError as error:
            raise TypeError(
                f"{cls.__name__} cannot be made from its config: {error} Config: {config}. get_config() must return "
                "the arguments of __init__, which hands those of every layer on as **kwargs to super().__init__()."
            ) from error
        _warn_of_descriptions(layer, config)
        layer._judge_name()
        if late.get("trainable") is False:
            layer.trainable = False
        if "dtype" in late:
            layer.dtype_policy = late["dtype"]
        return layer


def _warn_of_descriptions(layer, config):
    """The constructor took the description of an object as it was, a dict: what calls it will fail far from here."""
    for name, value in config.items():
        if isinstance(value, dict) and "class_name" in value and "config" in value:
            kept = getattr(layer, name, None)
            if isinstance(kept, dict) and kept.get("class_name") == value["class_name"]:
                warnings.warn(
                    f"{type(layer).__name__} keeps `{name}` as the dict that describes it in the config. Make it an "
                    f"object in from_config():\n{_advice([name])}",
                    stacklevel=5,
                )


def _advice(names):
    """The two methods that a class with such arguments needs, as far as nobody knows what they are."""
    written = ", ".join(f'"{name}": self.{name}' for name in names)
    read = "".join(
        f'        config["{name}"] = keras.saving.deserialize_keras_object(config["{name}"])\n' for name in names
    )
    return (
        f"    def get_config(self):\n        return {{**super().get_config(), {written}}}\n"
        f"    @classmethod\n    def from_config(cls, config):\n{read}        return cls(**config)"
    )
