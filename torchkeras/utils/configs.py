"""Config: named values that read as attributes and as a dict.

Imports nothing of the package.
"""

import copy
import difflib
import json


class Config:
    """Named values, as attributes and as items, that can be frozen.

    Args:
        kwargs: the first values.

    Raises `ValueError` for changes while it is frozen, `AttributeError` for names that are not there.

    Example:
        >>> config = Config(learning_rate=0.1)
        >>> config.seed = 3
        >>> config["seed"], config.to_json()
        (3, '{"learning_rate": 0.1, "seed": 3}')
        >>> config.freeze()
        >>> config.seed = 4
        Traceback (most recent call last):
        ValueError: The config is frozen: `seed` cannot change. Call unfreeze() first.
    """

    def __init__(self, **kwargs):
        self.__dict__.update(_config=kwargs, _frozen=False)

    # -- freezing -----------------------------------------------------------------------------------------------------

    @property
    def frozen(self):
        """Whether changes are refused."""
        return self._frozen

    def freeze(self):
        """Refuses changes from now on."""
        self.__dict__["_frozen"] = True

    def unfreeze(self):
        """Allows changes again."""
        self.__dict__["_frozen"] = False

    def _changing(self, what="it"):
        """The values, to be changed."""
        if self._frozen:
            raise ValueError(f"The config is frozen: {what} cannot change. Call unfreeze() first.")
        return self._config

    # -- as attributes ------------------------------------------------------------------------------------------------

    def __getattr__(self, name):
        values = self.__dict__.get("_config", {})  # while it is copied there are none
        if name in values:
            return values[name]
        close = difflib.get_close_matches(name, map(str, values), n=1, cutoff=0.7)
        advice = f" Did you mean {close[0]!r}?" if close else ""
        raise AttributeError(f"The config has no {name!r}.{advice}")

    def __setattr__(self, name, value):
        if hasattr(type(self), name) or name in self.__dict__:
            raise AttributeError(
                f"{name!r} belongs to every config: say config[{name!r}] = … for a value of this name."
            )
        self._changing(f"`{name}`")[name] = value

    def __delattr__(self, name):
        if name not in self._config:
            raise AttributeError(f"The config has no {name!r}.")
        del self[name]

    # -- as a dict ----------------------------------------------------------------------------------------------------

    def __getitem__(self, key):
        return self._config[key]

    def __setitem__(self, key, item):
        self._changing(f"`{key}`")[key] = item

    def __delitem__(self, key):
        del self._changing(f"`{key}`")[key]

    def __contains__(self, item):
        return item in self._config

    def __iter__(self):
        return iter(sorted(self._config))

    def __len__(self):
        return len(self._config)

    def __repr__(self):
        return f"<Config {self._config}>"

    def keys(self):
        return self._config.keys()

    def values(self):
        return self._config.values()

    def items(self):
        return self._config.items()

    def get(self, keyname, value=None):
        """The value of a name, or `value` where there is none."""
        return self._config.get(keyname, value)

    def pop(self, *args):
        """Takes a value out: `pop(name)`, or `pop(name, default)`."""
        return self._changing().pop(*args)

    def update(self, *args, **kwargs):
        """Takes over values, as `dict.update` does."""
        return self._changing().update(*args, **kwargs)

    # -- as something else --------------------------------------------------------------------------------------------

    def as_dict(self):
        """The values as a dict of its own."""
        return copy.copy(self._config)

    def to_json(self):
        """The values as JSON."""
        return json.dumps(self._config)
