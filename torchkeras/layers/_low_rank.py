"""LowRank: layers whose weight may be learned through two small factors instead (LoRA, Hu et al. 2021).

May import core and the families below layers. The weight stays where it is, frozen; who reads the attribute gets the
sum (`core/weight_reads.py`).
"""

import torch

from torchkeras.core import scopes
from torchkeras.core.arguments import number, positive_int
from torchkeras.core.weight_reads import replace_read


class LowRank:
    """Stands before `Layer` among the bases; `class Dense(LowRank, Layer, low_rank="kernel")` says of which weight.

    The layer has the fields `lora_rank` and `lora_alpha` (`_slots.lora()`); with a rank, building ends in
    `enable_lora`.
    """

    lora_enabled = False
    lora_rank = lora_alpha = None
    _low_rank = None

    def __init_subclass__(cls, low_rank=None, **options):
        super().__init_subclass__(**options)
        if low_rank is not None:
            cls._low_rank = low_rank
            setattr(cls, f"_{low_rank}", property(LowRank._kept_weight))  # Keras's name for it

    def enable_lora(self, rank, lora_alpha=None, a_initializer="he_uniform", b_initializer="zeros"):
        """Freezes the weight and adds `lora_alpha / rank` times the product of two factors, which learn in its place.

        Args:
            rank: columns of the first factor, rows of the second.
            lora_alpha: the rank by default.
            a_initializer, b_initializer: of the factors.

        The factors are `lora_kernel_a` `(..., rank)` and `lora_kernel_b` `(rank, outputs)`, of an embedding
        `lora_embeddings_a` and `_b`. Files hold the sum in the weight's place. A model is compiled again afterwards.

        Raises `ValueError` for a layer that is not built, has factors already, or a constraint on the weight.

        Example:
            >>> dense = Dense(4)
            >>> dense.build((None, 3))
            >>> dense.enable_lora(rank=2)
            >>> [weight.name for weight in dense.trainable_weights]
            ['bias', 'lora_kernel_a', 'lora_kernel_b']
        """
        name = self._low_rank
        rank = positive_int("lora_rank")(rank)
        if getattr(self, f"{name}_constraint") is not None:
            raise ValueError(f"Layer {self.name!r}: factors know no {name}_constraint: make the layer without it.")
        if not self.built:
            raise ValueError(f"enable_lora() needs the weights of {self.name!r}: call build(input_shape) first.")
        if self.lora_enabled:
            raise ValueError(f"Layer {self.name!r} has its factors already: enable_lora() serves once.")
        shape, parent = self._kept_weight().shape, self.path.rpartition("/")[0]
        options = {"dtype": "float32", "regularizer": getattr(self, f"{name}_regularizer")}
        parts = {"a": ((*shape[:-1], rank), a_initializer), "b": ((rank, shape[-1]), b_initializer)}
        with scopes.name_scope(self.name, caller=self, override_parent=parent):
            for part, (size, initializer) in parts.items():
                factor = f"lora_{name}_{part}"
                setattr(self, factor, self.add_weight(name=factor, shape=size, initializer=initializer, **options))
        self._kept_weight().trainable = False
        replace_read(self, name, _with_factors)
        alpha = rank if lora_alpha is None else number("lora_alpha")(lora_alpha)
        self._keep(lora_enabled=True, lora_rank=rank, lora_alpha=alpha)

    def _finish_build(self, args, kwargs):
        super()._finish_build(args, kwargs)
        if self.lora_rank and not self.lora_enabled:
            self.enable_lora(self.lora_rank, self.lora_alpha)

    def _kept_weight(self):
        """The weight without the factors; None where there is none yet."""
        name = self._low_rank
        return self._parameters.get(f"{name}_kept") if self.lora_enabled else self._parameters.get(name)

    def _factors(self):
        return [getattr(self, f"lora_{self._low_rank}_{part}") for part in "ab"]

    # -- configs and files --------------------------------------------------------------------------------------------

    def get_config(self):
        config = super().get_config()
        if self.lora_rank:
            alpha = self.lora_rank if self.lora_alpha is None else self.lora_alpha
            config.update(lora_rank=self.lora_rank, lora_alpha=alpha)
        return config

    def _variables_to_save(self):
        found = super()._variables_to_save()
        if not self.lora_enabled:
            return found
        factors = set(map(id, self._factors()))
        kept = [(key, value) for key, value in found.items() if id(value) not in factors]
        return {str(place) if key.isdigit() else key: value for place, (key, value) in enumerate(kept)}

    def save_own_variables(self, store):
        """Writes the sum in the weight's place, and no factors: who reads the file knows nothing of them."""
        kept = self._kept_weight()
        for key, value in self._variables_to_save().items():
            store[key] = getattr(self, self._low_rank).detach() if self.lora_enabled and value is kept else value

    def _take(self, store):
        """The product of the factors becomes zero. The first one stays: from two zeros nothing is learned."""
        super()._take(store)
        if self.lora_enabled:
            second = self._factors()[1]
            second.assign(torch.zeros(second.shape, dtype=second.dtype))


def _with_factors(layer, weight):
    a, b = layer._factors()
    return weight + (layer.lora_alpha / layer.lora_rank * (a @ b)).to(weight.dtype)
