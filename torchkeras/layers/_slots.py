"""The kinds of fields that layers share: activations, initializers, regularizers, constraints, sizes; and the weights
that such fields describe.

May import core and the families below layers. One line per kind of slot, so that every layer declares its fields in
one word each.
"""

from torchkeras import activations, constraints, initializers, regularizers
from torchkeras.core.arguments import tuple_of
from torchkeras.core.fields import REQUIRED, field
from torchkeras.core.serialization import deserialize_keras_object, inside, serialize_keras_object
from torchkeras.core.windows import standardize_data_format


def activation(default=None):
    """A slot for an activation: name, function, layer or None (linear)."""
    return field(default, convert=activations.get, save=activations.serialize)


def initializer(default):
    """A slot for an initializer."""
    return field(default, convert=initializers.get, save=serialize_keras_object)


def regularizer(**options):
    """A slot for a weight penalty, empty by default."""
    return field(None, convert=regularizers.get, save=serialize_keras_object, optional=True, **options)


def constraint():
    """A slot for a weight constraint, empty by default."""
    return field(None, convert=constraints.get, save=serialize_keras_object, optional=True)


def nested(kind, what, **options):
    """A slot for an object, or a list of them, that stands in configs as a config of its own.

    Args:
        kind: of the objects, such as "layer", or several kinds.
        what: to call it in errors.
    """
    kinds = (kind,) if isinstance(kind, str) else kind

    def load(value):
        with inside():
            return deserialize_keras_object(value, kinds=kinds, printable_name=what)

    return field(save=serialize_keras_object, load=load, **options)


def activity_regularizer(always=False, **options):
    """The place of `activity_regularizer` in Keras's argument order.

    Most layers write it into the config when it is set, which the base layer does; some write it `always`.
    """
    return field(None, in_config=always, save=serialize_keras_object, base=True, **options)


def base(**options):
    """The place of an argument of every layer, such as `name`, where Keras takes it by position."""
    return field(None, in_config=False, base=True, **options)


def lora(**options):
    """The place of an argument of `LowRank` in Keras's order. What it holds counts, and is judged, once there are
    weights."""
    return field(None, in_config=False, **options)


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


def sizes(name, rank, default=REQUIRED, allow_zero=False, **options):
    """A slot for one integer or `rank` of them: `3` -> `(3, 3)`."""
    return field(default, convert=tuple_of(name, rank, allow_zero), **options)


def data_format(**options):
    """A slot for "channels_last"/"channels_first"; None takes the global setting."""
    return field(None, convert=standardize_data_format, **options)
