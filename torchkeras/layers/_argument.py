"""Constructor arguments whose name already means something else on a layer.

Imports nothing. `Embedding(weights=...)` gives first values, `layer.weights` are the weights: one name, two things.
"""


class Argument:
    """Setting `name` sets `target`; reading `name` gives what the parent classes make of it."""

    def __init__(self, owner, name, target):
        self.owner, self.name, self.target = owner, name, target

    def __get__(self, layer, kind=None):
        return self if layer is None else getattr(super(self.owner, layer), self.name)

    def __set__(self, layer, value):
        setattr(layer, self.target, value)


def keep_argument(owner, name, target):
    """Lets the field `name` of a layer class set the attribute `target`. To be called after the class body."""
    setattr(owner, name, Argument(owner, name, target))
