"""How configs hold losses of torch: by name and arguments.

May import core. Nothing but losses of `torch.nn` and `torch.nn.functional` is found by such a name.
"""

import functools
import inspect

import torch

from torchkeras.core import tree
from torchkeras.core.registry import published
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.errors import UnserializableError

_OLD = ("self", "size_average", "reduce")  # arguments that torch has replaced by `reduction`
_OTHER_FUNCTIONS = ("cross_entropy", "binary_cross_entropy", "binary_cross_entropy_with_logits", "kl_div")


def written(losses):
    """The `loss` of compile, with what configs can hold in the place of torch's losses."""
    return tree.map_structure(lambda loss: NamedTorchLoss(loss) if _name(loss) else loss, losses)


@published("torch loss", "torchkeras.losses")
class NamedTorchLoss:
    """Stands for a loss of torch's in configs; read back, it is that loss and not this."""

    def __init__(self, loss):
        self.loss = loss

    def get_config(self):
        """Name and arguments. Raises `UnserializableError` for a loss that does not show what it was made with."""
        return {"name": _name(self.loss), "arguments": serialize_keras_object(self._arguments())}

    def _arguments(self):
        if isinstance(self.loss, functools.partial):
            if self.loss.args:
                raise UnserializableError(f"{self.loss!r} cannot be saved: give its arguments by name.")
            return self.loss.keywords
        if not isinstance(self.loss, torch.nn.Module):
            return {}
        names = [name for name in inspect.signature(type(self.loss).__init__).parameters if name not in _OLD]
        missing = [name for name in names if not hasattr(self.loss, name)]
        if missing:
            raise UnserializableError(f"{self.loss!r} cannot be saved: nothing says what its {missing[0]!r} was.")
        return {name: getattr(self.loss, name) for name in names}

    @classmethod
    def from_config(cls, config):
        """torch's loss. Raises `ValueError` for any other name."""
        name, arguments = config["name"], deserialize_keras_object(config["arguments"])
        made = _class_named(name)
        if made is not None:
            return made(**arguments)
        function = _function_named(name)
        if function is None:
            raise ValueError(f"torch has no loss {name!r}.")
        return functools.partial(function, **arguments) if arguments else function


def _class_named(name):
    found = getattr(torch.nn.modules.loss, str(name), None)
    return found if isinstance(found, type) and issubclass(found, torch.nn.modules.loss._Loss) else None


def _function_named(name):
    if not str(name).endswith("_loss") and name not in _OTHER_FUNCTIONS:
        return None
    return getattr(torch.nn.functional, name, None)


def _name(loss):
    """The name of a loss of torch's: of an object or class of torch.nn, a function, or a partial of one."""
    plain = loss.func if isinstance(loss, functools.partial) else loss
    made = plain if isinstance(plain, type) else type(plain)
    if _class_named(made.__name__) is made:
        return made.__name__
    name = getattr(plain, "__name__", None)
    return name if name is not None and _function_named(name) is plain else None
