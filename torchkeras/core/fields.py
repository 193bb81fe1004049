"""Fields: what a class can be configured with, declared once.

May import core. A class lists its fields as class attributes in Keras's argument order; the constructor's binding
and its errors, the signature that tools show, `get_config` and `from_config` follow from the list.

    class Dense(Layer):
        units = field(convert=positive_int("units"))
        activation = field(None, convert=activations.get, save=activations.serialize)

Spellings of Keras 2 (renamed, ignored or re-ordered arguments) are rules that the keras2 room adds with `add_rule`;
no class knows of them.
"""

import difflib
import functools
import inspect

from torchkeras.errors import UnknownArgumentError

REQUIRED = inspect.Parameter.empty


class Field:
    """One configurable value. See `field`."""

    __slots__ = ("convert", "default", "in_config", "keyword_only", "name", "save")

    def __init__(self, default, convert, save, in_config, keyword_only):
        self.default, self.convert, self.save = default, convert, save
        self.in_config, self.keyword_only = in_config, keyword_only
        self.name = None

    def __set_name__(self, owner, name):
        self.name = name


def field(default=REQUIRED, *, convert=None, save=None, in_config=True, keyword_only=False):
    """Declares a field.

    Args:
        default: Keras's default; required without one.
        convert: function applied to what the user passed (its `ValueError` reaches the user).
        save: function that gives the config's value from the attribute.
        in_config: False for constructor arguments that Keras does not write.
        keyword_only: True after Keras's `*`.
    """
    return Field(default, convert, save, in_config, keyword_only)


def collect(cls):
    """Fields of a class: inherited ones first, then its own; own `Field` attributes leave the class namespace.

    A subclass that declares fields of its own states the complete order by declaring inherited ones again, or gets
    its own appended.
    """
    inherited = {}
    for parent in reversed(cls.__bases__):
        inherited.update(getattr(parent, "_fields", {}))
    own = {name: value for name, value in list(cls.__dict__.items()) if isinstance(value, Field)}
    for name in own:
        delattr(cls, name)
    cls._own_fields = own
    if not own:
        return inherited
    return {**{k: v for k, v in inherited.items() if k not in own}, **own}


def signature_of(fields, extra="kwargs"):
    """The `inspect.Signature` that a list of fields stands for."""
    kinds = inspect.Parameter
    parameters = [
        kinds(f.name, kinds.KEYWORD_ONLY if f.keyword_only else kinds.POSITIONAL_OR_KEYWORD, default=f.default)
        for f in sorted(fields.values(), key=lambda f: f.keyword_only)
    ]
    if extra:
        parameters.append(kinds(extra, kinds.VAR_KEYWORD))
    return inspect.Signature(parameters)


def bind(cls, fields, args, kwargs):
    """Splits the arguments of `cls(...)` into field values (converted) and the rest.

    Returns `(values, rest)`. Raises `TypeError` for too many, repeated or missing arguments, and whatever a field's
    converter raises.
    """
    owner, kwargs = cls.__name__, dict(kwargs)
    args = apply_rules(cls, fields, args, kwargs)
    positional = [f for f in fields.values() if not f.keyword_only]
    if len(args) > len(positional):
        raise TypeError(
            f"{owner} takes at most {len(positional)} positional arguments "
            f"({', '.join(f.name for f in positional)}), got {len(args)}."
        )
    given = {}
    for each, value in zip(positional, args, strict=False):
        if each.name in kwargs:
            raise TypeError(f"{owner} got `{each.name}` twice: by position and by name.")
        given[each.name] = value
    values, missing = {}, []
    for name, each in fields.items():
        if name in given:
            value = given[name]
        elif name in kwargs:
            value = kwargs.pop(name)
        elif each.default is REQUIRED:
            missing.append(name)
            continue
        else:
            value = each.default
        values[name] = each.convert(value) if each.convert is not None else value
    if missing:
        raise TypeError(f"{owner} needs {', '.join(f'`{name}`' for name in missing)}.")
    return values, kwargs


def saved(obj, fields):
    """The config entries of an object's fields, in order."""
    config = {}
    for name, each in fields.items():
        if each.in_config:
            value = getattr(obj, name)
            config[name] = each.save(value) if each.save is not None else value
    return config


def refuse_unknown(owner, rest, known=()):
    """Raises if arguments are left over; the message says which was probably meant and lists what exists."""
    if rest:
        names = ", ".join(f"`{name}`" for name in rest)
        close = [match for name in rest for match in difflib.get_close_matches(name, known, 1)]
        hint = f" Did you mean {', '.join(f'`{name}`' for name in close)}?" if close else ""
        hint += f" Known: {', '.join(known)}." if known else ""
        raise UnknownArgumentError(f"{owner} got unknown argument(s) {names}.{hint}")


# -- converters that families share -----------------------------------------------------------------------------------


def positive_int(name):
    """Accepts integers and integral floats (Keras 2 wrote `Dense(2.0)`); refuses zero, negatives, bools and the
    rest."""

    def convert(value):
        integral = isinstance(value, (int, float)) or hasattr(value, "__index__")
        if not integral or isinstance(value, bool) or int(value) != value or value <= 0:
            raise ValueError(f"`{name}` must be a positive integer, got {value!r}.")
        return int(value)

    return convert


def fraction(name):
    """Accepts numbers from 0 to 1 inclusive."""

    def convert(value):
        if not isinstance(value, (int, float)) or not 0 <= value <= 1:
            raise ValueError(f"`{name}` must be a number between 0 and 1, got {value!r}.")
        return value

    return convert


def one_of(name, *choices):
    """Accepts one of a few strings, in any case."""

    def convert(value):
        lowered = value.lower() if isinstance(value, str) else value
        if lowered not in choices:
            raise ValueError(f"`{name}` must be one of {', '.join(map(repr, choices))}; got {value!r}.")
        return lowered

    return convert


# -- spellings of the other generation --------------------------------------------------------------------------------

_rules = {}  # owner class name -> list of functions (fields, args, kwargs) -> args; "*" holds for every owner


def add_rule(owner, rule):
    """Adds a rule for a class name (or "*"): it may edit `kwargs` in place and returns the positional arguments."""
    _rules.setdefault(owner, []).append(rule)


def apply_rules(cls, fields, args, kwargs):
    """Runs the rules of a class, of its parents and of "*" over a call's arguments."""
    for key in ("*", *(parent.__name__ for parent in reversed(cls.__mro__))):
        for rule in _rules.get(key, ()):
            args = rule(fields, args, kwargs)
    return args


def with_rules(name):
    """Decorator: the rules of `name` see the arguments of a function too, with its parameters in the fields' place."""

    def decorate(function):
        parameters = inspect.signature(function).parameters

        @functools.wraps(function)
        def public(*args, **kwargs):
            for rule in _rules.get(name, ()):
                args = rule(parameters, args, kwargs)
            return function(*args, **kwargs)

        return public

    return decorate


# -- the mixin --------------------------------------------------------------------------------------------------------


class Configured:
    """A class with fields: constructor, signature, `get_config` and `from_config` follow from its declarations.

    Example:
        >>> class Scale(Configured):
        ...     factor = field(2.0)
        >>> Scale(factor=3.0).get_config()
        {'factor': 3.0}
    """

    _fields = {}

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        cls._fields = collect(cls)
        if "__init__" in cls.__dict__:
            parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
            cls.__signature__ = inspect.Signature(parameters)
        elif cls._own_fields or cls.__init__ is Configured.__init__:
            cls.__signature__ = signature_of(cls._fields, extra=cls._extra_arguments)

    _extra_arguments = None  # name of **kwargs in signatures, where a family takes more than its fields

    def __init__(self, *args, **kwargs):
        refuse_unknown(type(self).__name__, self._take_fields(args, kwargs), self._fields)

    def _take_fields(self, args, kwargs):
        """Binds a call's arguments, sets the attributes and returns what is left over."""
        values, rest = bind(type(self), self._fields, args, kwargs)
        for name, value in values.items():
            setattr(self, name, value)
        return rest

    def get_config(self):
        """The constructor's arguments as Keras writes them."""
        return saved(self, self._fields)

    @classmethod
    def from_config(cls, config):
        """An object from what `get_config` gave."""
        return cls(**config)
