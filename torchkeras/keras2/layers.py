"""Keras 2's and Keras 1's spellings of layer arguments, as tables.

May import core and layers. Adds rules to the layers' fields; no layer knows of them.
"""

from torchkeras import layers
from torchkeras.core.dtypes import standardize_dtype
from torchkeras.core.fields import add_rule

# Arguments that tuned TensorFlow and mean nothing here.
IGNORED = {
    "Layer": ("dynamic", "implementation"),
    "BatchNormalization": ("fused",),
    "Softmax": ("robust_masking",),
    "MultiHeadAttention": ("softmax_robust_masking",),
    "Embedding": ("sparse",),  # gradients: dense ones are the same numbers
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU"), ("consume_less",)),
}

# Arguments that meant something which is not offered: only their default passes.
REFUSED = {
    "BatchNormalization": {
        "virtual_batch_size": "split the batch yourself, or leave it out to normalize over the whole batch",
    },
}

# Keras 1's names (standalone Keras took them until 2.3).
_COMMON = {
    "init": "kernel_initializer",
    "W_regularizer": "kernel_regularizer",
    "b_regularizer": "bias_regularizer",
    "W_constraint": "kernel_constraint",
    "b_constraint": "bias_constraint",
    "bias": "use_bias",
}
_CONV = {
    **_COMMON,
    "nb_filter": "filters",
    "border_mode": "padding",
    "subsample": "strides",
    "filter_length": "kernel_size",
    "subsample_length": "strides",
}
_POOL = {"border_mode": "padding", "pool_length": "pool_size", "stride": "strides"}
_RNN = {
    **_COMMON,
    "output_dim": "units",
    "inner_init": "recurrent_initializer",
    "inner_activation": "recurrent_activation",
    "U_regularizer": "recurrent_regularizer",
    "dropout_W": "dropout",
    "dropout_U": "recurrent_dropout",
}
RENAMED = {
    "Dense": {**_COMMON, "output_dim": "units"},
    **{f"Conv{rank}D{kind}": _CONV for rank in (1, 2, 3) for kind in ("", "Transpose")},
    **{f"SeparableConv{rank}D": _CONV for rank in (1, 2)},
    **{f"{kind}Pooling{rank}D": _POOL for kind in ("Max", "Average") for rank in (1, 2, 3)},
    **dict.fromkeys(("SimpleRNN", "LSTM", "GRU"), _RNN),
    "ConvLSTM2D": {**_RNN, **_CONV},
    **{f"{kind}{rank}D": {} for kind in ("Cropping", "ZeroPadding", "UpSampling") for rank in (2, 3)},
    **{f"Global{kind}Pooling{rank}D": {} for kind in ("Max", "Average") for rank in (2, 3)},
    "UpSampling1D": {"length": "size"},
    "Dropout": {"p": "rate"},
    "SpatialDropout1D": {"p": "rate"},
    "GaussianDropout": {"p": "rate"},
    "GaussianNoise": {"sigma": "stddev"},
    "RepeatVector": {"nb": "n"},
    "LeakyReLU": {"alpha": "negative_slope"},  # Keras 3 itself still takes the old name here
    "Embedding": {"init": "embeddings_initializer", "W_regularizer": "embeddings_regularizer"},
    "BatchNormalization": {"beta_init": "beta_initializer", "gamma_init": "gamma_initializer"},
    "CategoryEncoding": {"max_tokens": "num_tokens"},
    "IntegerLookup": {"max_values": "max_tokens", "mask_value": "mask_token", "oov_value": "oov_token"},
    "Attention": {"causal": "use_causal_mask"},  # AdditiveAttention follows its parent's rules
}
_ORDERINGS = {"tf": "channels_last", "th": "channels_first"}


def _ignore(names):
    def rule(fields, args, kwargs):
        for name in names:
            kwargs.pop(name, None)
        return args

    return rule


def _refuse(owner, advice):
    def rule(fields, args, kwargs):
        for name, text in advice.items():
            if kwargs.pop(name, None) is not None:
                raise ValueError(f"{owner}: `{name}` is not supported on torch: {text}.")
        return args

    return rule


def _rename(owner, names):
    def rule(fields, args, kwargs):
        for old, new in names.items():
            if old in kwargs and old not in fields and new in fields:
                if new in kwargs:
                    raise TypeError(f"{owner} got both `{new}` and its old name `{old}`: keep one.")
                kwargs[new] = kwargs.pop(old)
        ordering = kwargs.pop("dim_ordering", None) if "data_format" in fields else None
        if ordering is not None:
            kwargs["data_format"] = _ORDERINGS.get(ordering, ordering)
        return args

    return rule


def _window_from_rows_and_columns(fields, args, kwargs):
    """`Conv2D(nb_filter, nb_row=3, nb_col=3)`."""
    if "nb_row" in kwargs and "nb_col" in kwargs:
        kwargs["kernel_size"] = (kwargs.pop("nb_row"), kwargs.pop("nb_col"))
    return args


def _one_initializer_for_both(fields, args, kwargs):
    """`SeparableConv2D(init=)` was that of both kernels."""
    if "init" in kwargs:
        init = kwargs.pop("init")
        for name in ("depthwise_initializer", "pointwise_initializer"):
            if name in kwargs:
                raise TypeError(f"A separable convolution got both `{name}` and the old `init`: keep one.")
            kwargs[name] = init
    return args


def _encoding_seventh(fields, args, kwargs):
    """`StringLookup(…, idf_weights, encoding, invert, output_mode, sparse, pad_to_max_tokens)`; Keras 3 has `invert` in
    the seventh place, and a string there tells which is meant."""
    if len(args) > 6 and isinstance(args[6], str):
        names = ("encoding", "invert", "output_mode", "sparse", "pad_to_max_tokens")
        kwargs.update(zip(names, args[6:], strict=False))
        return args[:6]
    return args


def _bins_or_their_boundaries(fields, args, kwargs):
    """`Discretization(bins=)`: a number of them, or where they meet."""
    if "bins" in kwargs:
        bins = kwargs.pop("bins")
        name = "num_bins" if isinstance(bins, int) else "bin_boundaries"
        if kwargs.get(name) is not None:
            raise TypeError(f"Discretization got both `{name}` and its old name `bins`: keep one.")
        kwargs[name] = bins
    return args


def _output_padding_fifth(fields, args, kwargs):
    """`Conv3DTranspose(filters, kernel_size, strides, padding, output_padding, data_format)`; Keras 3 turned them
    round, and a string or None tells which is meant."""
    if len(args) > 4 and (not isinstance(args[4], (str, type(None))) or (len(args) > 5 and isinstance(args[5], str))):
        return (*args[:4], args[5] if len(args) > 5 else kwargs.pop("data_format", None), args[4], *args[6:])
    return args


def _declared_input(fields, args, kwargs):
    """`input_shape`, `input_dim`, `input_length` and `batch_size` of a first layer: all say `batch_input_shape`."""
    keys = ("input_shape", "input_length", "input_dim", "batch_size")
    given = {key: kwargs.pop(key) for key in keys if key in kwargs and key not in fields}
    shape = given.get("input_shape")
    if shape is None and given.keys() & {"input_dim", "input_length"}:
        shape = tuple(given[key] for key in ("input_length", "input_dim") if key in given)
    if shape is not None and kwargs.get("batch_input_shape") is None:
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        kwargs["batch_input_shape"] = (given.get("batch_size"), *shape)
    return args


def _name_third(parameters, args, kwargs):
    """`Input(shape, batch_size, name)`."""
    if len(args) == 3 and isinstance(args[2], str) and "name" not in kwargs and not _is_dtype(args[2]):
        *args, kwargs["name"] = args
    return args


def _is_dtype(name):
    try:
        standardize_dtype(name)
    except ValueError:
        return False
    return True


add_rule(layers.Layer, _declared_input)
add_rule(layers.Input, _name_third)
for _owner, _names in IGNORED.items():
    add_rule(getattr(layers, _owner), _ignore(_names))
for _owner, _advice in REFUSED.items():
    add_rule(getattr(layers, _owner), _refuse(_owner, _advice))
for _owner, _names in RENAMED.items():
    add_rule(getattr(layers, _owner), _rename(_owner, _names))
for _owner in (layers.Conv2D, layers.Conv2DTranspose, layers.SeparableConv2D, layers.ConvLSTM2D):
    add_rule(_owner, _window_from_rows_and_columns)
for _owner in (layers.SeparableConv1D, layers.SeparableConv2D):
    add_rule(_owner, _one_initializer_for_both)
add_rule(layers.StringLookup, _encoding_seventh)
add_rule(layers.Discretization, _bins_or_their_boundaries)
add_rule(layers.Conv3DTranspose, _output_padding_fifth)
