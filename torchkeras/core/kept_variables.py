"""Variables stay Variables where torch puts new parameters in their place.

May import core. torch replaces a parameter by a plain one, or exchanges the insides of the two, in `to("meta")`,
`to_empty`, under the switches of `torch.__future__` and in `load_state_dict(assign=True)`. The name, path,
regularizer, constraint and flags of a weight outlast that, in lists and dicts too.
"""

import contextlib

from torchkeras.core.scopes import process
from torchkeras.core.tracking import exchange
from torchkeras.core.variable import Variable, restored


@contextlib.contextmanager
def kept(layer):
    """Around whatever may exchange the parameters of one layer (not those of its sublayers)."""
    d = layer.__dict__
    parameters = d["_parameters"]
    before = [(key, old, type(old), dict(old.__dict__)) for key, old in parameters.items() if isinstance(old, Variable)]
    d["_converting"] = True
    try:
        yield
    finally:
        del d["_converting"]
        fresh = {}
        for key, old, kind, facts in before:
            now = parameters.get(key)
            if now is None:
                continue
            if now is not old:
                if id(old) not in fresh:
                    fresh[id(old)] = now if isinstance(now, Variable) else _as_variable(now, kind, facts)
                parameters[key] = fresh[id(old)]
            elif type(now) is not kind:  # torch.utils.swap_tensors exchanged class and attributes too
                now.__class__ = kind
                now.__dict__.update(facts)
        if fresh:
            process.trainable_changes += 1  # lists of what is learned or regularized hold the old ones
            exchange(layer, fresh)


def _as_variable(parameter, kind, facts):
    variable = restored(kind, parameter.data, parameter.requires_grad, facts)
    variable.grad = parameter.grad
    return variable


def plain(tensor):
    """The tensor of a Variable: torch makes no Parameter of one of another class."""
    return tensor.data if isinstance(tensor, Variable) else tensor
