"""Writes the manifest of Keras's public names: `python -m compat.manifests.make` in an environment with keras 3.15.1.

Lives here: walking the public modules and describing what they hold. The result, `keras-3.15.1.json`, is checked in
and drives the compatibility tests, so that nobody keeps a list by hand.
"""

import inspect
import json
import os
import pathlib
import types

HERE = pathlib.Path(__file__).parent


def describe(value):
    """Kind, signature and canonical name of one public object."""
    if inspect.isclass(value):
        kind = "class"
    elif callable(value):
        kind = "function"
    else:
        return {"kind": "value", "type": type(value).__name__}
    entry = {"kind": kind, "canonical": f"{value.__module__}.{value.__qualname__}"}
    try:
        entry["signature"] = str(inspect.signature(value.__init__ if kind == "class" else value))
    except (TypeError, ValueError):
        entry["signature"] = None
    return entry


def walk(module, name, seen, names):
    """Public names of a module and of the public modules below it."""
    if name in seen:
        return
    seen.add(name)
    for key in sorted(vars(module)):
        if key.startswith("_"):
            continue
        value = vars(module)[key]
        path = f"{name}.{key}"
        if isinstance(value, types.ModuleType):
            if value.__name__.startswith(("keras.", "keras._tf_keras")) and ".src" not in value.__name__:
                walk(value, path, seen, names)
        else:
            names[path] = describe(value)


def main():
    os.environ["KERAS_BACKEND"] = "torch"
    import keras

    names = {}
    walk(keras, "keras", set(), names)
    manifest = {"release": keras.__version__, "names": dict(sorted(names.items()))}
    path = HERE / f"keras-{keras.__version__}.json"
    path.write_text(json.dumps(manifest, indent=0, ensure_ascii=False) + "\n")
    print(f"{len(names)} names -> {path.name}")


if __name__ == "__main__":
    main()
