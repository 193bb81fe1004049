"""The kinds of fields that layers share: activations, initializers, regularizers, constraints, sizes; and the weights
that such fields describe.

May import core and the families below layers. One line per kind of slot, so that every layer declares its fields in
one word each.
"""

from torchkeras import activations, constraints, initializers, regularizers
from torchkeras.core.fields import field
from torchkeras.core.serialization import serialize_keras_object
from torchkeras.core.windows import standardize_data_format


def activation(default=None):
    """A slot for an activation: name, function, layer or None (linear)."""
    return field(default, convert=activations.get, save=activations.serialize)


def initializer(default):
    """A slot for an initializer."""
    return field(default, convert=initializers.get, save=serialize_keras_object)


def regularizer():
    """A slot for a weight penalty, empty by default."""
    return field(None, convert=regularizers.get, save=serialize_keras_object)


def activity_regularizer(always=False):
    """The place of `activity_regularizer` in Keras's argument order.

    Most layers write it into the config when it is set, which the base layer does; some write it `always`.
    """
    return field(None, in_config=always, save=serialize_keras_object)


def lora(name):
    """The place of LoRA's arguments in Keras's order; only None for now."""

    def convert(value):
        if value is not None:
            raise NotImplementedError(
                f"`{name}` is not supported yet: leave it None and train the layer's own weights."
            )
        return None

    return field(None, convert=convert, in_config=False)


def constraint():
    """A slot for a weight constraint, empty by default."""
    return field(None, convert=constraints.get, save=serialize_keras_object)


def weight(layer, name, shape, slot=None, **options):
    """A weight of a layer, made as its fields `<slot>_initializer`, `_regularizer` and `_constraint` say.

    Args:
        layer: the layer that is being built.
        name: of the weight.
        shape: of the weight.
        slot: beginning of the fields' names; by default `name`.
        options: for `add_weight`; they win over the fields.
    """
    for kind in ("initializer", "regularizer", "constraint"):
        options.setdefault(kind, getattr(layer, f"{slot or name}_{kind}"))
    return layer.add_weight(name=name, shape=shape, **options)


def sizes(name, rank, default=None, allow_zero=False, **options):
    """A slot for one integer or `rank` of them: `3` -> `(3, 3)`."""
    options.setdefault("convert", tuple_of(name, rank, allow_zero))
    return field(default, **options) if default is not None else field(**options)


def tuple_of(name, rank, allow_zero=False, optional=False):
    """A converter to a tuple of `rank` integers, each at least 1 (or 0)."""

    def convert(value):
        if value is None and optional:
            return None
        items = (value,) * rank if isinstance(value, int) else tuple(value) if hasattr(value, "__iter__") else None
        least = 0 if allow_zero else 1
        if items is None or len(items) != rank or any(not hasattr(i, "__index__") or int(i) < least for i in items):
            raise ValueError(f"`{name}` must be an integer >= {least} or {rank} of them, got {value!r}.")
        return tuple(int(i) for i in items)

    return convert


def data_format():
    """A slot for "channels_last"/"channels_first"; None takes the global setting."""
    return field(None, convert=standardize_data_format)
