"""Discretization: numbers to the bins that they fall into.

May import core, ops and this room.
"""

import warnings

import numpy as np
import torch

from torchkeras.core.arguments import as_number
from torchkeras.core.conversion import as_array, as_tensor, is_number_list
from torchkeras.core.fields import field
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.registry import published
from torchkeras.core.scopes import settings
from torchkeras.errors import InvalidArgumentError
from torchkeras.layers import _slots
from torchkeras.layers.preprocessing import quantiles
from torchkeras.layers.preprocessing.adapting import AdaptingLayer
from torchkeras.layers.preprocessing.encoded import encoded, encoded_shape
from torchkeras.ops.counting import digitize

_MODES = ("int", "one_hot", "multi_hot", "count")


def _boundaries(value):
    found = as_array(value, "`bin_boundaries`")
    if found.ndim != 1:
        raise InvalidArgumentError(f"`bin_boundaries` must be a list of numbers, got {value!r}.")
    return found.tolist()


def _num_bins(value):
    found = as_number(value)
    if found is None or found < 0 or int(found) != found:
        raise InvalidArgumentError(f"`num_bins` must be a whole number of bins, got {value!r}.")
    return int(found)


def _output_mode(value):
    if value not in _MODES:
        raise InvalidArgumentError(f"`output_mode` must be one of {', '.join(map(repr, _MODES))}; got {value!r}.")
    return value


_FIELDS = {
    "bin_boundaries": field(None, convert=_boundaries, optional=True, attribute="_boundaries"),
    "num_bins": field(None, convert=_num_bins, optional=True),
    "epsilon": field(0.01),
    "output_mode": field("int", convert=_output_mode),
    "sparse": field(False),
    "dtype": _slots.base(),
    "name": _slots.base(),
}


@published("layer", "keras.layers")
class Discretization(AdaptingLayer, fields_from=[_FIELDS], extra=""):
    """For each number the index of its bin.

    Args:
        bin_boundaries: where bins meet, ascending: `[0.0, 1.0]` are the bins below 0, from 0 to below 1, and from 1 up.
        num_bins: instead of them, how many bins `adapt` shall find; each gets about as many of the numbers it sees.
        epsilon: about how far off the ranks of the boundaries may be, as a share of all numbers: less is closer, and
            keeps more numbers (`1 / epsilon`) while adapting.
        output_mode: `"int"` (the index), `"one_hot"` (a vector for each number), `"multi_hot"` (a 1 for each bin that a
            sample has numbers in) or `"count"` (how many it has in each).
        sparse: torch has no such layer: True is refused.

    Inputs of any shape; NaN lies in the last bin. Output: int32 in the shape of the inputs, or vectors of the compute
    dtype with an entry for each bin, as from `CategoryEncoding`.

    Raises `ValueError` unless one of `bin_boundaries` and `num_bins` is given, and for a call before `adapt`.

    Example:
        >>> layer = Discretization(num_bins=2)
        >>> layer.adapt([1.0, 2.0, 3.0, 4.0])
        >>> layer([0.5, 3.5])
        tensor([0, 1], dtype=torch.int32)

    In torch: `torch.bucketize(inputs, boundaries, right=True)`.
    """

    _takes_numbers = True

    def _configure(self):
        if self.sparse:
            raise InvalidArgumentError("Discretization: sparse=True is not supported on torch, leave it out.")
        if (self.num_bins is None) == (self._boundaries is None):
            raise InvalidArgumentError(
                "Discretization needs either `num_bins`, to find boundaries by adapt(), or `bin_boundaries`; got "
                f"num_bins={self.num_bins!r} and bin_boundaries={self._boundaries!r}."
            )
        self.bin_boundaries = self._boundaries

    @property
    def bin_boundaries(self):
        """Where bins meet, a list; None before `adapt`."""
        return self._boundaries

    @bin_boundaries.setter
    def bin_boundaries(self, value):
        self._keep(summary=None if self.num_bins is None else quantiles.nothing())
        self._part_at(None if value is None else _boundaries(value))

    def _part_at(self, value):
        self._keep(_boundaries=value)
        edges = as_tensor([0.0] if value is None else value, device=self._device())
        before = self._buffers.get("_edges", edges)
        self.register_buffer("_edges", edges.to(before.device), persistent=False)

    @property
    def input_dtype(self):
        return settings.floatx

    @property
    def output_dtype(self):
        return "int32" if self.output_mode == "int" else self.compute_dtype

    def call(self, inputs):
        if self._boundaries is None:
            raise ValueError(
                f"Layer {self.name!r} has no bins yet: call adapt(data) first, or give it `bin_boundaries`."
            )
        bins = digitize.compute(inputs, self._edges)
        depth = len(self._boundaries) + 1
        return encoded(bins, self.output_mode, depth, self.output_dtype, owner=f"Layer {self.name!r}")

    def compute_output_shape(self, input_shape):
        depth = self.num_bins if self._boundaries is None else len(self._boundaries) + 1
        return encoded_shape(input_shape, self.output_mode, depth)

    def compute_output_spec(self, inputs):
        return KerasTensor(self.compute_output_shape(inputs.shape), dtype=self.output_dtype)

    # -- adapting -----------------------------------------------------------------------------------------------------

    def adapt(self, data, steps=None, batch_size=None):
        """Finds the boundaries of `num_bins` bins, in place of those found before.

        Args:
            data: an array, tensor, list of numbers or column; or what gives batches: a list of arrays, a dataset, a
                DataLoader, a generator.
            steps: how many batches to take of what gives batches; by default all.
            batch_size: how many rows of an array to look at together.

        Raises `ValueError` if the boundaries were given to the layer, or there are no data.
        """
        self._require_bins("adapt")
        several = isinstance(data, (list, tuple)) and not is_number_list(data)
        super().adapt(iter(data) if several else data, steps, batch_size)

    def _require_bins(self, method):
        epsilon = as_number(self.epsilon)
        if not self.num_bins or epsilon is None or not epsilon > 0:
            raise InvalidArgumentError(
                f"{method}() of layer {self.name!r} finds boundaries of `num_bins` bins; the layer has num_bins="
                f"{self.num_bins!r} and epsilon={self.epsilon!r}."
            )

    def reset_state(self):
        if self.num_bins is not None:
            self._keep(summary=quantiles.nothing())

    def update_state(self, data):
        self._require_bins("update_state")
        data = as_array(data, "`data`").astype("float32")
        if np.isnan(data).any():
            warnings.warn(
                f"The data that layer {self.name!r} adapts to hold NaN, which count as the largest numbers: fill or "
                "drop them first.",
                stacklevel=3,
            )
        found = quantiles.summary_of(data, self.epsilon)
        self._keep(summary=quantiles.merged(found, self.summary, self.epsilon))

    def finalize_state(self):
        if self.num_bins is None:
            return
        self._require_bins("finalize_state")
        if not self.summary.size:
            raise InvalidArgumentError(f"Layer {self.name!r} has seen no numbers to adapt to.")
        self._part_at(quantiles.boundaries(self.summary, self.num_bins))

    def merge_state(self, layers):
        self._refuse_others(layers)
        for layer in layers:
            self._keep(summary=quantiles.merged(layer.summary, self.summary, self.epsilon))
        self.finalize_state()

    # -- configs and files --------------------------------------------------------------------------------------------

    def get_config(self):
        config = super().get_config()
        del config["trainable"]
        return {**config, "dtype": self.dtype}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        if config.get("bin_boundaries") is None or config.get("num_bins") is None:
            return super().from_config(config, custom_objects)
        layer = super().from_config({**config, "bin_boundaries": None}, custom_objects)  # it was adapted
        layer.bin_boundaries = config["bin_boundaries"]
        return layer

    @property
    def _old_weight(self):
        """What tf.keras calls the state that it keeps as a weight."""
        return None if self.num_bins is None else "summary"

    def get_extra_state(self):
        """What `adapt` found, for torch's `state_dict`."""
        found = None if self.summary is None else torch.from_numpy(self.summary)
        return {"bin_boundaries": self._boundaries, "summary": found}

    def set_extra_state(self, state):
        if self.num_bins is not None:
            self._keep(summary=state["summary"].numpy())
            self._part_at(state["bin_boundaries"])

    def save_own_variables(self, store):
        """The summary that `adapt` made, as Keras 2 has it: files of weights alone hold what was learned too."""
        if self.num_bins is not None and self.summary.size:
            store["0"] = self.summary

    def load_own_variables(self, store):
        if self.num_bins is None or "0" not in set(store.keys()):
            return
        summary = np.asarray(store["0"], "float32")
        if summary.ndim != 2 or len(summary) != 2:
            raise ValueError(f"Layer {self.name!r} keeps a summary of shape (2, n), the file has {summary.shape}.")
        self._keep(summary=summary)
        if summary.size:
            self.finalize_state()
