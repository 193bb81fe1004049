"""All variables of a model as a tree of dicts, after the parts of their paths.

May import core. For loops of one's own that move a model's whole state at once, and for comparing models.
"""

from torchkeras.core.conversion import to_numpy

FORMATS = ("backend_tensor", "numpy_array")


def variables_of(model):
    """`{kind: [variables]}`; a model that is not compiled has none of an optimizer or of metrics."""
    optimizer = getattr(model, "optimizer", None)
    return {
        "trainable_variables": model.trainable_variables,
        "non_trainable_variables": model.non_trainable_variables,
        "optimizer_variables": getattr(optimizer, "variables", []),
        "metrics_variables": model.metrics_variables,
    }


def tree_of(model, value_format):
    """The tree; see `Model.get_state_tree`."""
    if value_format not in FORMATS:
        raise ValueError(f"value_format is one of {', '.join(map(repr, FORMATS))}, got {value_format!r}.")
    convert = _copied if value_format == "numpy_array" else lambda variable: variable
    return {kind: _grown(variables, convert) for kind, variables in variables_of(model).items()}


def _copied(variable):
    return to_numpy(variable).copy()


def _grown(variables, convert):
    tree = {}
    for variable in variables:
        *groups, name = variable.path.split("/")
        place = tree
        for group in groups:
            place = place.setdefault(group, {})
        if name in place:
            raise ValueError(
                f"Two variables have the path {variable.path!r}, and a tree has one place for each: give the layers "
                "names of their own."
            )
        place[name] = convert(variable)
    return tree


def assign(model, tree):
    """Gives variables the values of a tree; see `Model.set_state_tree`."""
    kinds = variables_of(model)
    unknown = sorted(set(tree) - set(kinds))
    if unknown:
        raise ValueError(f"The tree has {unknown}; the kinds of variables are {', '.join(kinds)}.")
    for kind, values in tree.items():
        found = dict(_flat(values))
        for variable in kinds[kind]:
            if variable.path in found:
                variable.assign(found[variable.path])


def _flat(tree, path=""):
    for key, value in tree.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{path}{key}/")
        else:
            yield f"{path}{key}", value
