"""Files that other generations of Keras wrote, and what their models did: read by the tests of reading them.

`tf_keras/NAME.tar.xz` is what `write_with_tf_keras.py` wrote for one model.
"""

import tarfile
from pathlib import Path

import numpy as np

_FOLDER = Path(__file__).parent / "tf_keras"


def names(prefix=""):
    """The models of tf.keras 2 whose names begin so."""
    return sorted(path.name.removesuffix(".tar.xz") for path in _FOLDER.glob(f"{prefix}*.tar.xz"))


class Written:
    """What tf.keras 2 wrote for one model, unpacked into a folder.

    `x`, `y`, `p` (inputs, targets, predictions; lists and dicts where the model takes or gives such), `losses` (of four
    steps of training, from where the files stop, on `x` and `y`). Untrained models have neither `y` nor `losses`.
    """

    def __init__(self, name, folder):
        self.name, self.folder = name, Path(folder)
        with tarfile.open(_FOLDER / f"{name}.tar.xz") as archive:
            archive.extractall(folder, filter="data")
        with np.load(self.folder / "arrays.npz") as stored:
            arrays = dict(stored)
        self.losses = arrays.pop("losses", None)
        self.x, self.y, self.p = (_member(arrays, key) for key in "xyp")

    def path(self, file):
        """Where one of the files is: `model.h5`, `model.keras`, `weights.h5`, `new.weights.h5`, `model.json`; None for
        one that tf.keras could not write."""
        path = self.folder / file
        return path if path.exists() else None


def _member(arrays, key):
    if key in arrays:
        return arrays[key]
    parts = {name.removeprefix(f"{key}/"): value for name, value in arrays.items() if name.startswith(f"{key}/")}
    if all(name.isdigit() for name in parts):
        return [parts[name] for name in sorted(parts, key=int)] or None
    return parts
