"""Other spellings of one argument: None, and the list, tuple, numpy, torch and Python forms of a value.

May import torch and numpy. Knows neither library: a form is a label and a function from a library to a value.
"""

import inspect

import numpy as np
import torch

DTYPES = ("float32", "int32", "float16")


def forms(name, value):
    """`{label: function from a library to the value}` for an argument of this name whose base value is `value`."""
    found = {"None": lambda k: None}
    if isinstance(value, np.ndarray):
        found |= _of_arrays(value)
    elif isinstance(value, bool) or value is np.True_ or value is np.False_:
        found |= {"np.bool_": lambda k: np.bool_(value), "0 or 1": lambda k: int(value)}
    elif isinstance(value, int):
        found |= _of_integers(value)
    elif isinstance(value, float):
        found |= _of_floats(value)
    elif isinstance(value, (tuple, list)):
        found |= _of_sequences(value)
    elif isinstance(value, str):
        found |= {"np.str_": lambda k: np.str_(value)}
    if "dtype" in name:
        found |= _of_dtypes(value if isinstance(value, str) else "float32")
    if name in ("axis", "axes") and (value is None or isinstance(value, int)):
        found |= _axes(value)
    if name == "keepdims":
        found |= {"True": lambda k: True}
    return found


def _of_arrays(value):
    return {
        "list": lambda k: value.tolist(),
        "tuple": lambda k: _tuples(value.tolist()),
        "array": lambda k: value.copy(),
        "tensor": lambda k: torch.from_numpy(value.copy()),
        "Variable": lambda k: k.Variable(value.copy(), trainable=value.dtype.kind == "f"),
        "Fortran order": lambda k: np.asfortranarray(value),
        "list of arrays": lambda k: list(value.copy()) if value.ndim else value,
        "list of tensors": lambda k: list(torch.from_numpy(value.copy())) if value.ndim else value,
    }


def _tuples(value):
    return tuple(map(_tuples, value)) if isinstance(value, list) else value


def _of_integers(value):
    return {
        "np.int64": lambda k: np.int64(value),
        "np.int32": lambda k: np.int32(value),
        "float": lambda k: float(value),
        "0-d array": lambda k: np.array(value),
        "tensor": lambda k: torch.tensor(value),
        "np.float32": lambda k: np.float32(value),
        "(value,)": lambda k: (value,),
        "[value]": lambda k: [value],
    }


def _of_floats(value):
    return {
        "np.float32": lambda k: np.float32(value),
        "np.float64": lambda k: np.float64(value),
        "0-d array": lambda k: np.array(value, "float32"),
        "tensor": lambda k: torch.tensor(value),
        "Variable": lambda k: k.Variable(value),
        "int": lambda k: int(value) or 1,
    }


def _of_sequences(value):
    found = {"list": lambda k: list(value), "tuple": lambda k: tuple(value)}
    if value and all(isinstance(item, (int, float)) for item in value):
        found |= {
            "array": lambda k: np.array(value),
            "tensor": lambda k: torch.tensor(value),
            "tuple of np.int64": lambda k: tuple(np.array(value)),
            "torch.Size": lambda k: torch.Size(value) if all(isinstance(i, int) and i >= 0 for i in value) else value,
        }
    if value and all(isinstance(item, np.ndarray) for item in value):
        found |= {
            "list of lists": lambda k: [item.tolist() for item in value],
            "list of tensors": lambda k: [torch.from_numpy(item.copy()) for item in value],
            "tuple of Variables": lambda k: tuple(k.Variable(item, trainable=item.dtype.kind == "f") for item in value),
        }
        if len({item.shape for item in value}) == 1:
            found["one array"] = lambda k: np.stack(value)
            found["one tensor"] = lambda k: torch.from_numpy(np.stack(value))
    return found


def _of_dtypes(value):
    return {
        "name": lambda k: value,
        "np.dtype": lambda k: np.dtype(value),
        "np type": lambda k: np.dtype(value).type,
        "torch dtype": lambda k: getattr(torch, value),
        "float": lambda k: float,
        "int": lambda k: int,
        "bool": lambda k: bool,
    }


def _axes(value):
    axis = 0 if value is None else value
    return {
        "0": lambda k: 0,
        "np.int64(0)": lambda k: np.int64(0),
        "(axis,)": lambda k: (axis,),
        "[axis]": lambda k: [axis],
        "()": lambda k: (),
        "tensor axis": lambda k: torch.tensor(axis),
        "array axis": lambda k: np.array([axis]),
    }


def spellings(function, args, kwargs):
    """All calls with one argument in another form: `(argument, label, make)`, where `make(library)` gives the
    positional and keyword arguments. `function` has Keras's signature; parameters that the call leaves out are varied
    from their defaults.
    """
    signature = inspect.signature(function)
    bound = signature.bind(*args, **kwargs)
    given = dict(bound.arguments)
    bound.apply_defaults()
    for name, value in bound.arguments.items():
        kind = signature.parameters[name].kind
        if kind is inspect.Parameter.VAR_KEYWORD:
            continue
        if kind is inspect.Parameter.VAR_POSITIONAL:
            for number, item in enumerate(value):
                for label, make in forms(name, item).items():
                    changed = lambda k, n=number, m=make, v=value: (*v[:n], m(k), *v[n + 1 :])
                    yield f"{name}[{number}]", label, _call(signature, {**given}, name, changed)
            continue
        for label, make in forms(name, value).items():
            yield name, label, _call(signature, given, name, make)


def _call(signature, given, name, make):
    def arguments(library):
        values = {**given, name: make(library)}
        args, kwargs, positional = [], {}, True
        for parameter in signature.parameters.values():
            if parameter.kind is inspect.Parameter.VAR_POSITIONAL:
                args.extend(values.get(parameter.name, ()))
                positional = False
            elif parameter.name not in values:
                positional = False
            elif parameter.kind is inspect.Parameter.KEYWORD_ONLY or not positional:
                kwargs[parameter.name] = values[parameter.name]
            else:
                args.append(values[parameter.name])
        return args, kwargs

    return arguments
