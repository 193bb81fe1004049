"""FeatureSpace: the columns of a table, each through a preprocessing layer of its own, side by side in one vector.

May import core, data, layers and saving. Configs and files are Keras's, in which features, crosses and two small
layers have names of their own.
"""

import numpy as np
import torch

from torchkeras import layers
from torchkeras.core import scopes
from torchkeras.core.arguments import one_of, positive_int
from torchkeras.core.array_likes import as_ndarray
from torchkeras.core.conversion import as_tensor
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.layer import Layer
from torchkeras.core.registry import published
from torchkeras.core.serialization import deserialize_keras_object, serialize_keras_object
from torchkeras.data import Dataset
from torchkeras.errors import InvalidArgumentError, NotAdaptedError, UnfitInputError, UnsupportedInputError
from torchkeras.layers.preprocessing.strings import as_strings
from torchkeras.saving import formats

_MODULE = "keras.src.layers.preprocessing.feature_space"  # Keras publishes these classes nowhere, but files name them
_ROWS = 1024  # that are looked at together, of a dataset of single rows


@published("feature", _MODULE)
class Cross:
    """A combination of features; `FeatureSpace.cross` makes one."""

    def __init__(self, feature_names, crossing_dim, output_mode="one_hot"):
        self.feature_names = tuple(feature_names)
        self.crossing_dim = positive_int("crossing_dim")(crossing_dim)
        self.output_mode = one_of("output_mode", "int", "one_hot")(output_mode)

    @property
    def name(self):
        return "_X_".join(self.feature_names)

    def get_config(self):
        return {
            "feature_names": self.feature_names,
            "crossing_dim": self.crossing_dim,
            "output_mode": self.output_mode,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@published("feature", _MODULE)
class Feature:
    """A column: its dtype, its layer, and what becomes of the layer's numbers; `FeatureSpace.feature` makes one."""

    def __init__(self, dtype, preprocessor, output_mode):
        self.dtype = dtype
        if isinstance(preprocessor, dict):
            preprocessor = deserialize_keras_object(
                preprocessor, kinds=("layer", "model"), printable_name="preprocessor"
            )
        self.preprocessor = preprocessor
        self.output_mode = one_of("output_mode", "int", "one_hot", "float")(output_mode)

    def get_config(self):
        layer = serialize_keras_object(self.preprocessor)
        return {"dtype": self.dtype, "preprocessor": layer, "output_mode": self.output_mode}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


@published("layer", _MODULE)
class TFDIdentity(Layer):
    """What it is given, in the dtype of the layer."""

    def call(self, x):
        return x.to(self.dtype_policy.torch_compute)

    def compute_output_shape(self, input_shape):
        return input_shape


@published("layer", _MODULE)
class TFDConcat(Layer):
    """Tensors side by side."""

    _takes_several = True

    def __init__(self, axis, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def call(self, xs):
        return torch.cat(xs, self.axis)

    def get_config(self):
        return {**super().get_config(), "axis": self.axis}


@published("layer", "keras.utils")
class FeatureSpace(Layer):
    """The columns of a table as one vector for each row, or as a dict of what each becomes.

    Args:
        features: dict of column names to kinds: the name of a method below, such as `"float_normalized"`, or what it
            gives.
        output_mode: `"concat"` for one vector, features in the order of their names, crosses behind them; `"dict"`.
        crosses: list of tuples of names, or of what `cross` gives: combinations that get bins of their own.
        crossing_dim: bins of crosses that do not say it.
        hashing_dim: bins of features `"integer_hashed"` and `"string_hashed"`.
        num_discretization_bins: bins of features `"float_discretized"`.
        name: of the layer.

    Attributes:
        features, preprocessors, crossers: by name the features, their layers, and the layers of crosses.

    `adapt` it to data, then call it on a dict of columns (or a data frame), or of the values of one row. It serves in
    `dataset.map(feature_space)`; `get_inputs()` and `get_encoded_features()` are the ends of a graph for a model.

    Raises `ValueError` when used before `adapt`, and for features that cannot be put into one vector.

    Example:
        >>> rows = {"size": [1.0, 2.0, 6.0], "colour": ["red", "blue", "red"]}
        >>> space = FeatureSpace({"size": "float_normalized", "colour": "string_categorical"})
        >>> space.adapt(rows)
        >>> space(rows)
        tensor([[ 0.0000,  1.0000,  0.0000, -0.9258],
                [ 0.0000,  0.0000,  1.0000, -0.4629],
                [ 0.0000,  1.0000,  0.0000,  1.3887]])
    """

    def __init__(
        self,
        features,
        output_mode="concat",
        crosses=None,
        crossing_dim=32,
        hashing_dim=32,
        num_discretization_bins=32,
        name=None,
    ):
        super().__init__(name=name)
        if not features:
            raise InvalidArgumentError(f"`features` must be a dict of names to kinds, got {features!r}.")
        self.output_mode = one_of("output_mode", "concat", "dict")(output_mode)
        self.crossing_dim, self.hashing_dim = crossing_dim, hashing_dim
        self.num_discretization_bins = num_discretization_bins
        self._keep(
            features={name: self._feature_of(name, kind) for name, kind in features.items()}, inputs=None,
            encoded_features=None, _is_adapted=False,
        )  # fmt: skip
        self._keep(crosses=[self._cross_of(cross) for cross in crosses or ()])
        self._keep(crosses_by_name={cross.name: cross for cross in self.crosses})
        self.preprocessors = {name: feature.preprocessor for name, feature in self.features.items()}
        self.crossers = {each.name: layers.HashedCrossing(each.crossing_dim, name=each.name) for each in self.crosses}
        self.one_hot_encoders = {}
        self.concat = None
        self._keep(
            inputs={
                name: layers.Input(shape=(1,), dtype=feature.dtype, name=name)
                for name, feature in self.features.items()
            }
        )

    # -- kinds of features --------------------------------------------------------------------------------------------

    @classmethod
    def cross(cls, feature_names, crossing_dim, output_mode="one_hot"):
        """A combination of features in `crossing_dim` bins, as vectors or (`"int"`) numbers."""
        return Cross(feature_names, crossing_dim, output_mode)

    @classmethod
    def feature(cls, dtype, preprocessor, output_mode):
        """A column of a dtype through any layer, whose outputs stay (`"float"`, `"int"`) or become `"one_hot"`."""
        return Feature(dtype, preprocessor, output_mode)

    @classmethod
    def float(cls, name=None):
        """Numbers as they are."""
        return Feature("float32", TFDIdentity(dtype="float32", name=_layer_name(name, "float")), "float")

    @classmethod
    def float_rescaled(cls, scale=1.0, offset=0.0, name=None):
        """Numbers times `scale` plus `offset`."""
        return Feature("float32", layers.Rescaling(scale, offset, name=_layer_name(name, "float_rescaled")), "float")

    @classmethod
    def float_normalized(cls, name=None):
        """Numbers minus their mean, divided by their deviation."""
        return Feature("float32", layers.Normalization(axis=-1, name=_layer_name(name, "float_normalized")), "float")

    @classmethod
    def float_discretized(cls, num_bins, bin_boundaries=None, output_mode="one_hot", name=None):
        """Numbers by bins, with boundaries that are given or learned."""
        layer = layers.Discretization(
            num_bins=num_bins, bin_boundaries=bin_boundaries, name=_layer_name(name, "float_discretized")
        )
        return Feature("float32", layer, output_mode)

    @classmethod
    def integer_categorical(cls, max_tokens=None, num_oov_indices=1, output_mode="one_hot", name=None):
        """Whole numbers by a vocabulary."""
        name = _layer_name(name, "integer_categorical")
        layer = layers.IntegerLookup(name=name, max_tokens=max_tokens, num_oov_indices=num_oov_indices)
        return Feature("int32", layer, output_mode)

    @classmethod
    def string_categorical(cls, max_tokens=None, num_oov_indices=1, output_mode="one_hot", name=None):
        """Strings by a vocabulary."""
        name = _layer_name(name, "string_categorical")
        layer = layers.StringLookup(name=name, max_tokens=max_tokens, num_oov_indices=num_oov_indices)
        return Feature("string", layer, output_mode)

    @classmethod
    def string_hashed(cls, num_bins, output_mode="one_hot", name=None):
        """Strings by their hashes."""
        return Feature("string", layers.Hashing(num_bins, name=_layer_name(name, "string_hashed")), output_mode)

    @classmethod
    def integer_hashed(cls, num_bins, output_mode="one_hot", name=None):
        """Whole numbers by their hashes."""
        return Feature("int32", layers.Hashing(num_bins, name=_layer_name(name, "integer_hashed")), output_mode)

    def _feature_of(self, name, kind):
        if isinstance(kind, Feature):
            return kind
        if isinstance(kind, dict):
            return deserialize_keras_object(kind, kinds=("feature",), printable_name=f"feature {name!r}")
        sizes = {
            "float_discretized": self.num_discretization_bins,
            "integer_hashed": self.hashing_dim,
            "string_hashed": self.hashing_dim,
        }
        if kind not in _KINDS:
            raise InvalidArgumentError(
                f"The kind of feature {name!r} in `features` must be one of {', '.join(_KINDS)}, or what a method of "
                f"FeatureSpace gave, got {kind!r}."
            )
        make = getattr(type(self), kind)
        return make(sizes[kind], name=name) if kind in sizes else make(name=name)

    def _cross_of(self, cross):
        if isinstance(cross, dict):
            cross = deserialize_keras_object(cross, kinds=("feature",), printable_name="a cross")
        if not isinstance(cross, Cross):
            if not self.crossing_dim:
                raise InvalidArgumentError(f"`crossing_dim` must be given with `crosses`, got {self.crossing_dim!r}.")
            cross = Cross(cross, self.crossing_dim)
        unknown = [name for name in cross.feature_names if name not in self.features]
        if unknown:
            raise InvalidArgumentError(
                f"`crosses` names {unknown}, which are not in `features`: {list(self.features)}."
            )
        return cross

    # -- learning -----------------------------------------------------------------------------------------------------

    def adapt(self, dataset):
        """Lets the layers of all features learn.

        Args:
            dataset: a dict of columns, a data frame, or a Dataset of dicts, of single rows or of batches.
        """
        columns = _columns_of(dataset)
        if columns is None and not isinstance(dataset, Dataset):
            raise UnsupportedInputError(
                "adapt() of a FeatureSpace takes a dict of columns, a data frame or a Dataset of dicts, got "
                f"{dataset!r:.80} of type {type(dataset).__name__}."
            )
        names = self._list_adaptable_preprocessors()
        if columns is not None:
            for name in names:
                self.preprocessors[name].adapt(_upright(self._value(columns[name], name)))
        elif names:
            self._adapt_to_dataset(dataset, names)
        self._keep(_is_adapted=True, encoded_features=None)
        self.get_encoded_features()
        self.built = True

    def _adapt_to_dataset(self, dataset, names):
        first = next(iter(dataset), None)
        if not isinstance(first, dict):
            raise UnsupportedInputError(
                f"adapt() of a FeatureSpace takes a Dataset of dicts, got one of {type(first).__name__}: leave labels "
                "out by dataset.map(lambda x, y: x)."
            )
        if np.ndim(first[names[0]]) == 0:
            dataset = dataset.batch(_ROWS)
        for name in names:
            self.preprocessors[name].adapt(_upright(self._value(rows[name], name)) for rows in dataset)

    def _list_adaptable_preprocessors(self):
        """The names of features whose layers have something to learn."""
        return [name for name, layer in self.preprocessors.items() if hasattr(layer, "adapt") and not _is_given(layer)]

    # -- calling ------------------------------------------------------------------------------------------------------

    def get_inputs(self):
        """Symbolic inputs by name, the beginning of a model."""
        self._require_adapted()
        return self.inputs

    def get_encoded_features(self):
        """What becomes of `get_inputs()`."""
        self._require_adapted()
        if self.encoded_features is None:
            self._keep(encoded_features=self._encoded(self.inputs))
        return self.encoded_features

    def _require_adapted(self):
        if not self._is_adapted and self._list_adaptable_preprocessors():
            raise NotAdaptedError(f"{self.name!r} has learned nothing yet: call adapt(data) before you use it.")

    def forward(self, data):
        self._require_adapted()
        columns = _columns_of(data)
        if columns is None:
            raise UnsupportedInputError(
                f"A FeatureSpace is called on a dict of columns or a data frame, got {data!r:.80} of type "
                f"{type(data).__name__}."
            )
        unknown, missing = set(columns) - set(self.features), set(self.features) - set(columns)
        if unknown or missing:
            what = f"has no features {sorted(unknown)}" if unknown else f"misses the columns {sorted(missing)}"
            raise UnfitInputError.like(
                KeyError(), f"FeatureSpace {self.name!r} {what}: it takes {list(self.features)}."
            )
        self.get_encoded_features()
        values = {name: self._value(value, name) for name, value in columns.items()}
        single = any(len(value.shape) == 0 for value in values.values())
        outputs = self._encoded({name: _upright(value) for name, value in values.items()})
        if not single:
            return outputs
        if self.output_mode == "concat":
            return outputs.squeeze(0)
        return {name: x.squeeze(0) if x.dim() == 2 and len(x) == 1 else x for name, x in outputs.items()}

    def _value(self, value, name):
        """A column as a tensor, or as an array of strings."""
        if isinstance(value, (KerasTensor, torch.Tensor)):
            return value
        what = f"column {name!r}"
        if self.features[name].dtype == "string":
            return as_strings(value, what)
        return as_tensor(value if isinstance(value, (list, tuple)) else as_ndarray(value, what), what=what)

    def _encoded(self, values):
        found = {name: self.preprocessors[name](value) for name, value in values.items()}
        crossed = {each.name: self.crossers[each.name]([found[n] for n in each.feature_names]) for each in self.crosses}
        encoded = {name: self._finished(name, self.features[name], found[name]) for name in sorted(found)}
        encoded.update(
            {name: self._finished(name, self.crosses_by_name[name], crossed[name]) for name in sorted(crossed)}
        )
        if self.output_mode == "dict":
            return encoded
        if self.concat is None:
            self.concat = TFDConcat(axis=-1)
        return self.concat(list(encoded.values()))

    def _finished(self, name, spec, x):
        """What a layer gave, as a vector where that is wanted."""
        dtype = x.dtype if isinstance(x.dtype, str) else str(x.dtype).removeprefix("torch.")
        if spec.output_mode == "one_hot":
            if name not in self.one_hot_encoders:
                if not dtype.startswith("int"):
                    raise InvalidArgumentError(
                        f"Feature {name!r} has output_mode='one_hot', so its layer must give integers, not {dtype}."
                    )
                size = self._size_of(name)
                self.one_hot_encoders[name] = layers.CategoryEncoding(num_tokens=size, output_mode="multi_hot")
            return self.one_hot_encoders[name](x)
        if self.output_mode == "concat" and (dtype.startswith("int") or dtype == "string"):
            raise InvalidArgumentError(
                f"Feature {name!r} gives {dtype}, which cannot stand in one vector with others: use "
                "output_mode='one_hot' for it, or output_mode='dict' for all."
            )
        return x

    def _size_of(self, name):
        """How many numbers a layer may give."""
        layer = self.preprocessors.get(name) or self.crossers[name]
        if isinstance(layer, (layers.IntegerLookup, layers.StringLookup)):
            return layer.vocabulary_size()
        if isinstance(layer, layers.CategoryEncoding):
            return layer.num_tokens
        if isinstance(layer, layers.Discretization):
            return layer.num_bins or len(layer.bin_boundaries) + 1
        if isinstance(layer, (layers.Hashing, layers.HashedCrossing)):
            return layer.num_bins
        raise InvalidArgumentError(
            f"Feature {name!r} has output_mode='one_hot', but how many numbers {layer.name!r} can give is not known: "
            "use output_mode='int'."
        )

    # -- files --------------------------------------------------------------------------------------------------------

    def get_config(self):
        return {
            "features": {name: serialize_keras_object(feature) for name, feature in self.features.items()},
            "output_mode": self.output_mode,
            "crosses": [serialize_keras_object(cross) for cross in self.crosses],
            "crossing_dim": self.crossing_dim,
            "hashing_dim": self.hashing_dim,
            "num_discretization_bins": self.num_discretization_bins,
        }

    @classmethod
    def from_config(cls, config):
        return cls(**config)

    def get_build_config(self):
        return {name: layer.get_build_config() for name, layer in self.preprocessors.items()}

    def build_from_config(self, config):
        for name, layer in self.preprocessors.items():
            if not layer.built and config.get(name):
                layer.build_from_config(config[name])
        self._keep(_is_adapted=True)

    def save(self, filepath):
        """Writes a `.keras` file, which `keras.models.load_model` reads."""
        formats.save_model(self, filepath)

    def save_own_variables(self, store):
        """It has none of its own."""

    def load_own_variables(self, store):
        """It has none of its own."""


_KINDS = (
    "float",
    "float_normalized",
    "float_rescaled",
    "float_discretized",
    "integer_categorical",
    "string_categorical",
    "integer_hashed",
    "string_hashed",
)


def _layer_name(name, kind):
    return f"{name or scopes.unique_name(kind)}_preprocessor"


def _is_given(layer):
    """Whether a layer was made with what it would learn."""
    if isinstance(layer, layers.Normalization):
        return layer.input_mean is not None
    if isinstance(layer, layers.Discretization):
        return layer.num_bins is None
    if isinstance(layer, layers.TextVectorization):
        return layer._has_input_vocabulary
    return getattr(layer, "_fixed", False)


def _columns_of(data):
    """A dict of columns from one, or from a data frame; None for everything else."""
    if isinstance(data, dict):
        return data
    names = getattr(data, "column_names", None) or getattr(data, "columns", None)
    return None if names is None or not hasattr(data, "__getitem__") else {name: data[name] for name in names}


def _upright(value):
    """A column `(rows, 1)` of a scalar or vector."""
    if len(value.shape) == 0:
        return value.reshape(1, 1)
    return value[:, None] if len(value.shape) == 1 else value
