"""KerasFileEditor: a look into a weights file, and changes of it, without the model.

May import core and this room; what reads HDF5 only inside functions. A file is read as guardedly as by `load_model`,
and written whole or not at all.
"""

import os
from collections import OrderedDict

import numpy as np

from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.saving import guards
from torchkeras.saving.replacing import replacing
from torchkeras.saving.state_walk import save_variables, walk

_ENDING = ".weights.h5"


class KerasFileEditor:
    """Shows, changes and writes again the weights in a `.keras` or `.weights.h5` file.

    Args:
        filepath: the file.

    `weights_dict` has the arrays in dicts within dicts, by the names along their paths; `object_metadata` has the names
    of layers by path; `config` and `metadata` those of a `.keras` file.

    Raises `ValueError` for another ending, for names that are not there and for files that are not to be trusted.

    Example:
        >>> Sequential([Input((2,)), Dense(1)]).save_weights("old.weights.h5")
        >>> editor = KerasFileEditor("old.weights.h5")
        Keras model file 'old.weights.h5'
        >>> editor.rename_object("dense", "dense_1")
        >>> editor.add_object("layers/dense", {"0": np.ones((2, 2)), "1": np.zeros(2)})
        >>> editor.delete_weight("dense_1", "1")
        >>> editor.summary()
        Weights structure
          > layers
              ├─ dense_1
              │   └─ 0: shape=(2, 1), dtype=float32
              └─ dense
                  ├─ 0: shape=(2, 2), dtype=float64
                  └─ 1: shape=(2,), dtype=float64
        >>> editor.save("new.weights.h5")
    """

    def __init__(self, filepath):
        from torchkeras.saving import h5_file, keras_file, weights_h5

        self.filepath = os.fspath(filepath)
        self.metadata = self.config = self.model = None
        if self.filepath.endswith(".keras"):
            with keras_file.opened(self.filepath) as parts, parts.weights() as reader:
                self.config, self.metadata = parts.json(keras_file.CONFIG), parts.json(keras_file.METADATA)
                self._read(reader)
        elif self.filepath.endswith(_ENDING):
            with h5_file.open_weights(self.filepath) as reader:
                if not isinstance(reader, weights_h5.Reader):
                    raise ValueError(f"{self.filepath} has Keras 2's layout: load it into its model and save it again.")
                self._read(reader)
        else:
            raise ValueError(f"The file must end in `.keras` or `{_ENDING}`, got {self.filepath!r}.")
        print(f"Keras model file {self.filepath!r}")
        if isinstance(self.metadata, dict):
            version, date = self.metadata.get("keras_version"), self.metadata.get("date_saved")
            print(f"Saved with Keras {version} - date: {date}")

    def _read(self, reader):
        self.weights_dict, self.object_metadata = OrderedDict(), {}
        for path in sorted(reader.paths(), key=lambda path: path.split("/")):
            target = self.weights_dict
            for part in path.split("/") if path else ():
                target = target.setdefault(part, OrderedDict())
            target.update(reader.store(path))
            facts = reader.attributes(path)
            if facts:
                self.object_metadata[f"/{path}"] = facts

    # -- looking ------------------------------------------------------------------------------------------------------

    def summary(self):
        """Prints the objects and their weights as a tree."""
        print("Weights structure")
        self._print_tree(self.weights_dict, "  ", "", first=True)

    def _print_tree(self, objects, prefix, path, first=False):
        for place, (key, value) in enumerate(objects.items()):
            last = place == len(objects) - 1
            branch = "> " if first and not place else "└─ " if last else "├─ "
            if not isinstance(value, dict):
                print(f"{prefix}{branch}{key}: shape={np.shape(value)}, dtype={getattr(value, 'dtype', None)}")
                continue
            name = self.object_metadata.get(f"{path}/{key}", {}).get("name")
            print(f"{prefix}{branch}{key}" + (f" ({name!r})" if name not in (None, key) else ""))
            self._print_tree(value, prefix + ("    " if last else "│   "), f"{path}/{key}")

    def compare(self, reference_model):
        """Prints where the file does not fit a model.

        Returns a dict: `status` ("success" or "error"), `error_count`, and `match_count`, the number of weights that
        fit.
        """
        print("Running comparison")
        errors, matches = _compare(self.weights_dict, _specification(reference_model), "")
        print("─" * 21)
        if errors:
            print(f"Found {errors} error{'s' * (errors > 1)}: saved file is not compatible with the reference model")
        else:
            print("Comparison successful: saved file is compatible with the reference model")
            print(f"    Found {matches} matching weight{'s' * (matches != 1)}")
        return {"status": "error" if errors else "success", "error_count": errors, "match_count": matches}

    # -- changing -----------------------------------------------------------------------------------------------------

    def rename_object(self, object_name, new_name):
        """Gives an object (a layer, say) another name.

        Args:
            object_name: its path (`"layers/dense_2"`), or its name alone where only one has it.
            new_name: the new name, without slashes.
        """
        if "/" in new_name:
            raise ValueError(f"The new name must be one name and not a path, got {new_name!r}.")
        parent, name = self._find(object_name)
        parent[new_name] = parent.pop(name)

    def delete_object(self, object_name):
        """Takes an object out, with all below it; `object_name` is as for `rename_object`."""
        parent, name = self._find(object_name)
        del parent[name]

    def add_object(self, object_path, weights):
        """Puts in an object.

        Args:
            object_path: its path. What it stands in must be there.
            weights: dict of arrays, `{"0": kernel, "1": bias}`.
        """
        _require_dict(weights)
        *above, name = object_path.split("/")
        target = self.weights_dict
        for part in above:
            target = target.get(part)
            if not isinstance(target, dict):
                raise ValueError(f"There is no {'/'.join(above)!r} in the file.")
        target[name] = weights

    def delete_weight(self, object_name, weight_name):
        """Takes the weight `weight_name` (`"0"`) out of an object."""
        weights = self._object(object_name)
        if weight_name not in weights:
            raise ValueError(f"{object_name!r} has no weight {weight_name!r}, it has {list(weights)}.")
        del weights[weight_name]

    def add_weights(self, object_name, weights):
        """Puts arrays, a dict of them, into an object. Those of the same names are replaced."""
        _require_dict(weights)
        self._object(object_name).update(weights)

    def _object(self, object_name):
        parent, name = self._find(object_name)
        if not isinstance(parent[name], dict):
            raise ValueError(f"{object_name!r} is a weight and not an object.")
        return parent[name]

    def _find(self, path):
        """`(the dict that it stands in, its name)`."""
        if "/" not in path:
            found = [holder for holder in _all_dicts(self.weights_dict) if path in holder]
            if len(found) > 1:
                raise ValueError(f"{path!r} occurs more than once in the file: give its whole path.")
            if not found:
                raise ValueError(f"{path!r} does not occur in the file: editor.summary() lists what does.")
            return found[0], path
        *above, name = path.split("/")
        holder = self.weights_dict
        for part in above:
            holder = holder.get(part) if isinstance(holder, dict) else None
        if not isinstance(holder, dict) or name not in holder:
            raise ValueError(f"There is no {path!r} in the file.")
        return holder, name

    # -- writing ------------------------------------------------------------------------------------------------------

    def save(self, filepath):
        """Writes the weights as they are now into a `.weights.h5` file."""
        from torchkeras.saving import weights_h5

        path = os.fspath(filepath)
        if not path.endswith(_ENDING):
            raise ValueError(f"The path must end in `{_ENDING}`, got {path!r}.")
        objects = {}
        _collect(self.weights_dict, "", objects)
        for name in objects:
            if name:
                guards.require_inner_path(name, path)
        with replacing(path) as file:
            weights_h5.write_objects(file, objects, {key.strip("/"): v for key, v in self.object_metadata.items()})

    def resave_weights(self, filepath):
        """The same as `save`."""
        self.save(filepath)


def _require_dict(weights):
    if not isinstance(weights, dict):
        raise ValueError(
            f"`weights` must be a dict from names of weights ('0', '1'…) to arrays, got {type(weights).__name__}."
        )


def _all_dicts(objects):
    yield objects
    for value in objects.values():
        if isinstance(value, dict):
            yield from _all_dicts(value)


def _collect(objects, path, found):
    """`{path: {key: array}}` of every object with weights."""
    arrays = {key: value for key, value in objects.items() if not isinstance(value, dict)}
    if arrays:
        found[path] = arrays
    for key, value in objects.items():
        if isinstance(value, dict):
            _collect(value, f"{path}/{key}" if path else key, found)


# -- comparing --------------------------------------------------------------------------------------------------------


def _specification(model):
    """What a file of the model would have, with shapes in place of arrays."""
    found = OrderedDict()
    for path, obj in walk(model):
        store = {}
        save_variables(obj, store)
        target = found
        for part in path.split("/") if path and store else ():
            target = target.setdefault(part, OrderedDict())
        target.update({key: KerasTensor(tuple(value.shape), str(value.dtype).removeprefix("torch."))
                       for key, value in store.items()})  # fmt: skip
    return found


def _compare(saved, reference, path):
    """`(errors, matches)` below a path, each error printed."""
    errors = matches = 0
    for key in dict.fromkeys((*reference, *saved)):
        inner = f"{path}/{key}"
        if key not in saved or key not in reference:
            here, there = ("reference model", "saved file") if key in reference else ("saved file", "reference model")
            _tell_missing(inner, reference.get(key, saved.get(key)), here, there)
            errors += 1
        elif isinstance(saved[key], dict) and isinstance(reference[key], dict):
            more, fit = _compare(saved[key], reference[key], inner)
            errors, matches = errors + more, matches + fit
        elif np.shape(saved[key]) != tuple(getattr(reference[key], "shape", ())):
            print(f"...Weight shape mismatch for {inner}")
            print(f"    In reference model: shape={tuple(reference[key].shape)}")
            print(f"    In saved file: shape={np.shape(saved[key])}")
            errors += 1
        else:
            matches += 1
    return errors, matches


def _tell_missing(path, value, here, there):
    if isinstance(value, dict):
        print(f"...Object {path} present in {here}, missing from {there}")
        print(f"    In {here}, {path} contains the following keys: {list(value)}")
    else:
        print(f"...Weight {path} present in {here}, missing from {there}")
