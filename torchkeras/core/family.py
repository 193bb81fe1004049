"""`get`, `serialize` and `deserialize` of a family of named objects, such as initializers or optimizers.

May import core. Knows no family; one whose objects come in further forms overrides a method.
"""

import difflib

from torchkeras.core import registry
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object


class Family:
    """The three public functions of a family, written once.

    Args:
        kind: the registry's kind.
        example: a name of the family, for error texts.
        named: names that stand for ready-made objects: name -> function without arguments.
        accept: function that gives an object for further identifiers (arrays…), or None.
        more_kinds: kinds whose objects may stand here too.
    """

    def __init__(self, kind, example, named=None, accept=None, more_kinds=()):
        self.kind, self.example, self.named, self.accept = kind, example, named or {}, accept
        self.kinds = (kind, *more_kinds)
        registry.set_resolver(kind, self.get)

    def get(self, identifier):
        """An object from a name, class (a new instance), config dict, callable or None (gives None).

        Raises `ValueError` for an unknown name and for what cannot belong to the family.
        """
        if identifier is None:
            return None
        found = self.accept(identifier) if self.accept is not None else None
        if found is None:
            found = self._find(identifier)
        if isinstance(found, type):
            found = found()
        if not self.is_member(found):
            names = registry.names_of_kind(self.kind)
            close = difflib.get_close_matches(identifier, names, 1) if isinstance(identifier, str) else ()
            raise ValueError(
                f"{identifier!r} is no {self.kind}: give a name such as {(*close, self.example)[0]!r}, an object, a "
                f"class, a config or a function. Known names: {', '.join(names)}."
            )
        return found

    def is_member(self, found):
        """Whether an object can serve as one of the family: it must be callable."""
        return callable(found)

    def _find(self, identifier):
        if isinstance(identifier, str):
            custom = registry.find_custom(identifier)
            if custom is None and identifier in self.named:
                return self.named[identifier]()
            found = custom if custom is not None else registry.find(identifier, self.kinds)
            return registry.find_in_any_package(identifier) if found is None else found
        return self.deserialize(identifier) if isinstance(identifier, dict) else identifier

    def serialize(self, obj, use_legacy_format=False):
        """What a config holds for an object; `use_legacy_format=True` gives Keras 2's short form."""
        config = serialize_keras_object(obj)
        if use_legacy_format and isinstance(config, dict):
            return {"class_name": config["class_name"], "config": config["config"]}
        return config

    def deserialize(self, config, custom_objects=None, use_legacy_format=False):
        """An object from what `serialize` gave, in either generation's form, or from a name."""
        with registry.CustomObjectScope(custom_objects):
            if isinstance(config, str):
                return self.get(config)
            name = config.get("class_name") if isinstance(config, dict) else None
            if name is not None and config.get("config") is None:  # Keras reads it as a class without arguments
                config = {**config, "config": {}}
            custom = registry.find_custom(config.get("registered_name"), name) if name is not None else None
            if custom is not None and not hasattr(custom, "from_config"):
                return custom  # a user's function, saved under its name
            return deserialize_keras_object(config, kinds=self.kinds, printable_name=self.kind)
