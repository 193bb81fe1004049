"""Fields: what a class can be configured with, declared once.

May import errors and core's registry. A class lists its fields as class attributes in Keras's argument order; the
constructor's binding and its errors, the signature that tools show, `get_config` and `from_config` follow from the
list.

    class Dense(Layer):
        units = field(convert=positive_int("units"))
        activation = field(None, convert=activations.get, save=activations.serialize)

What a class takes over from others is said in its head: see `Configured`. Spellings of Keras 2 (renamed, ignored or
re-ordered arguments) are rules that the keras2 room adds to a class with `add_rule`; no class knows of them.
"""

import difflib
import functools
import inspect

from torchkeras.core import registry
from torchkeras.errors import UnknownArgumentError, UnknownObjectError

REQUIRED = inspect.Parameter.empty


class Field:
    """One configurable value. See `field`."""

    __slots__ = (
        "after",
        "attribute",
        "base",
        "convert",
        "default",
        "in_config",
        "keyword_only",
        "load",
        "name",
        "optional",
        "save",
        "shown",
    )

    def __init__(self, **options):
        self.name = None
        for key, value in options.items():
            setattr(self, key, value)

    def __set_name__(self, owner, name):
        self.name = name
        self.attribute = self.attribute or name

    def __repr__(self):
        return f"<Field {self.name}>"


def field(
    default=REQUIRED,
    *,
    convert=None,
    save=None,
    load=None,
    optional=False,
    in_config=True,
    keyword_only=False,
    shown=True,
    base=False,
    attribute=None,
    after=None,
):
    """Declares a field.

    Args:
        default: Keras's default; required without one.
        convert: function applied to what the user passed (its `ValueError` reaches the user).
        save: function that gives the config's value from the attribute.
        load: function that makes of a config's value what the constructor takes, where that is a nested object.
        optional: None stays None, unconverted.
        in_config: False for constructor arguments that Keras does not write.
        keyword_only: True after Keras's `*`.
        shown: False for what Keras takes through its `**kwargs`: by name only, and not in the signature.
        base: True for the place of an argument of the base class (a layer's `name`): the value goes on to the base.
        attribute: the attribute that keeps the value, where the field's name means something else on the object.
        after: the inherited field that this one follows; otherwise it stands behind all of them.
    """
    keyword_only = keyword_only or not shown
    return Field(
        default=default,
        convert=convert,
        save=save,
        load=load,
        optional=optional,
        in_config=in_config,
        keyword_only=keyword_only,
        shown=shown,
        base=base,
        attribute=attribute,
        after=after,
    )


# -- the list of a class ----------------------------------------------------------------------------------------------


def collect(cls, sources=(), without=(), own_first=False, hidden=()):
    """The fields of a class in order: those of `sources`, inherited ones, its own; declared again means placed again.

    Its own `Field` attributes leave the class namespace.
    """
    own = {name: value for name, value in vars(cls).items() if isinstance(value, Field)}
    for name in own:
        delattr(cls, name)
    found = {}
    for source in (*sources, *reversed(cls.__bases__)):
        found.update(_declared_by(source))
    _require(cls, "without", without, found)
    found = {name: each for name, each in found.items() if name not in own and name not in without}
    placed = {name: each for name, each in own.items() if each.after is None}
    found = {**placed, **found} if own_first else {**found, **placed}
    last = {}  # target -> what was put behind it last: several keep the order in which they are declared
    for name, each in own.items():
        if each.after is not None:
            _require(cls, "after", [each.after], found)
            found = _with_behind(found, last.get(each.after, each.after), each)
            last[each.after] = name
    _require(cls, "hidden", hidden, found)
    return {name: _changed(each, shown=False) if name in hidden else each for name, each in found.items()}


def _declared_by(source):
    """Fields of a class with fields, of a mixin that has none of its own machinery, or of a dict name -> field."""
    if isinstance(source, dict):
        for name, each in source.items():
            each.__set_name__(None, name)
        return source
    if hasattr(source, "_fields"):
        return source._fields
    return {
        name: value
        for part in reversed(source.__mro__)
        for name, value in vars(part).items()
        if isinstance(value, Field)
    }


def _require(cls, option, names, found):
    unknown = [name for name in names if name not in found]
    if unknown:
        raise TypeError(f"{cls.__name__}: {option}={unknown} names no field; there are {', '.join(found) or 'none'}.")


def _with_behind(found, target, each):
    result = {}
    for name, other in found.items():
        result[name] = other
        if name == target:
            result[each.name] = each
    return result


def handed_on(source):
    """The fields of a class, unconverted: for a class that makes an object of it, which converts and saves them."""
    return {name: _changed(each, convert=None) for name, each in source._fields.items()}


def _changed(each, **changes):
    """A field like another, but for some of its options."""
    options = {key: getattr(each, key) for key in Field.__slots__ if key != "name"}
    changed = Field(**{**options, **changes})
    changed.__set_name__(None, each.name)
    return changed


def signature_of(fields, extra=None):
    """The `inspect.Signature` that a list of fields stands for; `extra` is the name of a `**kwargs` behind them."""
    kinds = inspect.Parameter
    parameters = [
        kinds(f.name, kinds.KEYWORD_ONLY if f.keyword_only else kinds.POSITIONAL_OR_KEYWORD, default=f.default)
        for f in sorted(fields.values(), key=lambda f: f.keyword_only)
        if f.shown
    ]
    if extra:
        parameters.append(kinds(extra, kinds.VAR_KEYWORD))
    return inspect.Signature(parameters)


def shown_as(function):
    """Decorator of an `__init__(self, *args, **kwargs)`: tools show the parameters of `function` for it."""

    def decorate(init):
        owner = inspect.Parameter("self", inspect.Parameter.POSITIONAL_ONLY)
        init.__signature__ = inspect.Signature([owner, *inspect.signature(function).parameters.values()])
        return init

    return decorate


# -- from a call to values and back -----------------------------------------------------------------------------------


class _Plan:
    """What binding and saving need of a class, worked out at its first use."""

    __slots__ = ("entries", "loads", "positional", "rules", "saves")

    def __init__(self, cls):
        fields = cls._fields.values()
        self.rules = [rule for parent in reversed(cls.__mro__) for rule in parent.__dict__.get("_rules", ())]
        self.positional = [f.name for f in fields if not f.keyword_only]
        self.entries = [(f.name, f.attribute, f.default, f.convert, f.optional) for f in fields if not f.base]
        self.saves = [(f.name, f.attribute, f.save) for f in fields if f.in_config]
        self.loads = [(f.name, f.load) for f in fields if f.load is not None]


def _plan_of(cls):
    plan = cls.__dict__.get("_plan")
    if plan is None:
        plan = cls._plan = _Plan(cls)
    return plan


def bind(cls, args, kwargs):
    """Splits the arguments of `cls(...)` into the values of attributes (converted) and the rest, which `kwargs`
    becomes.

    Returns `(values, rest)`. Raises `TypeError` for too many, repeated or missing arguments, and whatever a field's
    converter raises.
    """
    plan = _plan_of(cls)
    for rule in plan.rules:
        args = rule(cls._fields, args, kwargs)
    if args:
        _name(cls, plan.positional, args, kwargs)
    values, missing = {}, None
    for name, attribute, default, convert, optional in plan.entries:
        value = kwargs.pop(name, default)
        if value is REQUIRED:
            missing = [*(missing or ()), name]
        elif convert is None or (optional and value is None):
            values[attribute] = value
        else:
            values[attribute] = converted(cls, name, convert, value)
    if missing:
        raise TypeError(f"{cls.__name__} needs {', '.join(f'`{name}`' for name in missing)}.")
    return values, kwargs


def converted(cls, name, convert, value):
    """What a converter makes of a value; its refusal, whatever it says, names the argument."""
    try:
        return convert(value)
    except (TypeError, ValueError, OverflowError) as error:
        if f"`{name}`" not in str(error):
            place = f"`{name}` of {cls.__name__}: "
            error.args = (f"{place}{error}",)
            if isinstance(error, UnknownObjectError):
                error.place = place
        raise


def _name(cls, names, args, kwargs):
    """Puts positional arguments under their names into `kwargs`."""
    if len(args) > len(names):
        raise TypeError(
            f"{cls.__name__} takes at most {len(names)} positional arguments ({', '.join(names)}), got {len(args)}."
        )
    for name, value in zip(names, args, strict=False):
        if name in kwargs:
            raise TypeError(f"{cls.__name__} got `{name}` twice: by position and by name.")
        kwargs[name] = value


def saved(obj):
    """The config entries of an object's fields, in order."""
    return {
        name: getattr(obj, attribute) if save is None else save(getattr(obj, attribute))
        for name, attribute, save in _plan_of(type(obj)).saves
    }


def loaded(cls, config, custom_objects=None):
    """A config as arguments of the constructor: nested objects are objects again. `config` itself stays as it is."""
    loads = [(name, load) for name, load in _plan_of(cls).loads if name in config]
    if not loads:
        return config
    with registry.CustomObjectScope(custom_objects or {}):
        return {**config, **{name: load(config[name]) for name, load in loads}}


def refuse_unknown(owner, rest, known=()):
    """Raises if arguments are left over; the message says which was probably meant and lists what exists."""
    if rest:
        names = ", ".join(f"`{name}`" for name in rest)
        close = [match for name in rest for match in difflib.get_close_matches(name, known, 1)]
        hint = f" Did you mean {', '.join(f'`{name}`' for name in close)}?" if close else ""
        hint += f" Known: {', '.join(known)}." if known else ""
        raise UnknownArgumentError(f"{owner} got unknown argument(s) {names}.{hint}")


# -- spellings of the other generation --------------------------------------------------------------------------------


def add_rule(owner, rule):
    """Adds a rule to a class (its subclasses follow it too) or to a function decorated by `with_rules`.

    A rule `(fields, args, kwargs) -> args` may edit `kwargs` in place and returns the positional arguments. It belongs
    to this class object: another class of the same name has nothing to do with it.
    """
    owner._rules = (*owner.__dict__.get("_rules", ()), rule)
    if isinstance(owner, type):
        _forget_plans(owner)


def _forget_plans(cls):
    if "_plan" in cls.__dict__:
        cls._plan = None
    for each in cls.__subclasses__():
        _forget_plans(each)


def with_rules(function):
    """Decorator: rules see the arguments of a function too, with its parameters in the fields' place."""
    parameters = inspect.signature(function).parameters

    @functools.wraps(function)
    def public(*args, **kwargs):
        for rule in public._rules:
            args = rule(parameters, args, kwargs)
        return function(*args, **kwargs)

    public._rules = ()
    return public


# -- the mixin --------------------------------------------------------------------------------------------------------


class Configured:
    """A class with fields: constructor, signature, `get_config` and `from_config` follow from its declarations.

    A subclass inherits the fields of its parents, appends its own, and may say in its head:
        fields_from: classes (or dicts name -> field) whose fields come first, in their order. An empty list states
            that the class has no fields of its own to show.
        without: names of fields, inherited or taken, that it leaves out.
        own_first: whether its own fields, and those of its subclasses, come before inherited ones.
        hidden: names of fields that it takes, but does not show in its signature.
        extra: name of the `**kwargs` that signatures of the family end with.

    Example:
        >>> class Scale(Configured):
        ...     factor = field(2.0)
        >>> class Shift(Scale, without=["factor"]):
        ...     amount = field()
        >>> Scale(factor=3.0).get_config(), Shift(1.0).get_config()
        ({'factor': 3.0}, {'amount': 1.0})
    """

    _fields = {}
    _own_first, _extra_arguments = False, None

    def __init_subclass__(cls, fields_from=None, without=(), own_first=None, hidden=(), extra=None, **options):
        super().__init_subclass__(**options)
        if own_first is not None:
            cls._own_first = own_first
        if extra is not None:
            cls._extra_arguments = extra
        before = cls._fields
        cls._fields = collect(cls, fields_from or (), without, cls._own_first, hidden)
        cls._plan = None
        signature = _shown(cls, cls._fields != before, fields_from is not None)
        if signature is not None:
            cls.__signature__ = signature

    def __init__(self, *args, **kwargs):
        refuse_unknown(type(self).__name__, self._take_fields(args, kwargs), self._fields)

    def _take_fields(self, args, kwargs):
        """Binds a call's arguments, sets the attributes and returns what is left over."""
        values, rest = bind(type(self), args, kwargs)
        for name, value in values.items():
            setattr(self, name, value)
        return rest

    def get_config(self):
        """The constructor's arguments as Keras writes them."""
        return saved(self)

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """An object from what `get_config` gave; `custom_objects` names classes and functions of your own."""
        return cls(**loaded(cls, config, custom_objects))


def _shown(cls, has_new_fields, says_so):
    """The signature of a new class, or None where its parent's holds: that of its own `__init__`, unless that only
    passes on what the fields say."""
    giver = next((part for part in cls.__mro__[1:] if "__signature__" in part.__dict__), None)
    if cls.__init__ is not (giver or Configured).__init__:
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        passes_on = [p.kind for p in parameters] == [inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD]
        if not (has_new_fields and passes_on):
            return inspect.Signature(parameters)
    elif giver is not None and not (has_new_fields or says_so):
        return None
    return signature_of(cls._fields, cls._extra_arguments)
