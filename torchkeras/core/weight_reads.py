"""A weight that is read in another form than it is kept: the way for quantization and LoRA into any layer.

May import core. Knows no layer and no format. A layer's `call` reads `self.kernel`, as ever; what it gets is computed
from what is kept. Ordinary weights pay nothing: their attribute is found before anyone asks here.
"""


def replace_read(layer, name, read):
    """From now on `layer.name` is `read(layer, weight)`; the weight is kept at its place, as `<name>_kept`.

    Args:
        layer: a built layer.
        name: attribute of one of its weights.
        read: function `(layer, weight) -> tensor`, of a module, so that the layer copies and pickles.

    Further weights that the reading needs (low-rank factors, scales) are made with `layer.add_weight`.

    Raises `ValueError` where the layer has no such weight of its own.

    Example: `replace_read(dense, "kernel", lambda layer, kernel: kernel.detach() + layer.lora_a @ layer.lora_b)`.
    """
    if layer._parameters.get(name) is None:
        known = ", ".join(layer._parameters) or "none"
        raise ValueError(f"Layer {layer.name!r} has no weight {name!r} of its own; there are: {known}.")
    layer._rename_parameter(name, f"{name}_kept")
    layer._keep(_reads={**layer.__dict__.get("_reads", {}), name: read})


def restore_read(layer, name):
    """Undoes `replace_read`: the attribute is the weight again, whatever it holds by now."""
    reads = dict(layer.__dict__.get("_reads", {}))
    if reads.pop(name, None) is None:
        raise ValueError(f"The weight {name!r} of layer {layer.name!r} is read as it is kept.")
    layer._keep(_reads=reads)
    layer._rename_parameter(f"{name}_kept", name)


def read_of(layer, name):
    """The tensor that stands for the attribute, or None where nothing else is read for it."""
    read = layer.__dict__.get("_reads", {}).get(name)
    return None if read is None else read(layer, layer._parameters[f"{name}_kept"])
