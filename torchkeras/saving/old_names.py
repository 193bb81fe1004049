"""How older generations of Keras spelled configs: one table, and the function that brings a config up to date.

May import core and this room's graphs. Works on JSON values alone: nothing is looked up but names, nothing is made or
called. Spellings of arguments that constructors took (`alpha`, `nb_filter`, `dim_ordering`) stay as they are, because
the constructors still take them (keras2/layers.py); what stands here are the spellings that only files have.
"""

from torchkeras.core import registry, serialization
from torchkeras.errors import UnknownObjectError
from torchkeras.saving import old_graphs, tf_functions

# -- the table --------------------------------------------------------------------------------------------------------

# Class names of old files, and today's.
CLASSES = {
    **{f"Convolution{rank}D": f"Conv{rank}D" for rank in (1, 2, 3)},
    **{f"AtrousConvolution{rank}D": f"Conv{rank}D" for rank in (1, 2)},
    **{f"AtrousConv{rank}D": f"Conv{rank}D" for rank in (1, 2)},
    **{f"{kind}{rank}D": f"Conv{rank}DTranspose" for kind in ("Deconvolution", "Deconv") for rank in (2, 3)},
    **{f"SeparableConvolution{rank}D": f"SeparableConv{rank}D" for rank in (1, 2)},
    **{f"{name}V{number}": name for name in ("BatchNormalization", "LSTM", "GRU", "Dropout") for number in (1, 2)},
    **{f"{name}V{number}": name for name in ("LSTMCell", "GRUCell", "Policy") for number in (1, 2)},
    "SyncBatchNormalization": "BatchNormalization",
    "CuDNNLSTM": "LSTM",
    "CuDNNGRU": "GRU",
    "ThresholdedReLU": "ReLU",
    "Model": "Functional",
    "Container": "Functional",
    "Network": "Functional",
}

# Classes of old files that have no successor, and what to do instead.
GONE = {
    "Graph": "the Graph model of Keras 0.3 has no successor; rebuild it with the functional API",
    "Highway": "Keras 2 dropped the Highway layer; write it as a Layer and pass it in custom_objects",
    "MaxoutDense": "Keras 2 dropped MaxoutDense; write it as a Layer and pass it in custom_objects",
    "SReLU": "Keras 2 dropped SReLU; write it as a Layer and pass it in custom_objects",
    "ParametricSoftplus": "Keras 2 dropped ParametricSoftplus; write it as a Layer and pass it in custom_objects",
    "DenseFeatures": "feature columns belong to TensorFlow; compute the features before the model",
}

# Keys that old files hold and that mean nothing here: class -> keys. "*" stands for every layer.
DROPPED = {
    "*": ("input_dtype", "dynamic", "consume_less", "query_shape", "key_shape", "value_shape"),
    **{
        f"SeparableConv{rank}D": ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint")
        for rank in (1, 2)
    },
    **{
        f"DepthwiseConv{rank}D": ("groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint")
        for rank in (1, 2)
    },
    **{f"Conv{rank}DTranspose": ("groups",) for rank in (1, 2, 3)},
    **{f"ConvLSTM{rank}D{kind}": ("groups", "implementation") for rank in (1, 2, 3) for kind in ("", "Cell")},
}

# Keys that other files spell otherwise and no constructor takes: class -> old -> new.
RENAMED = {
    "PReLU": {"init": "alpha_initializer"},
    "ReLU": {"theta": "threshold"},
    **{f"Conv{rank}D": {"atrous_rate": "dilation_rate"} for rank in (1, 2)},
    "Embedding": {"W_constraint": "embeddings_constraint"},
}

# What Keras 1 wrote for regularizers and constraints: `{"name": "MaxNorm", "m": 2}`.
NAMED = {
    "WeightRegularizer": ("L1L2", {}),
    "L1L2Regularizer": ("L1L2", {}),
    "ActivityRegularizer": ("L1L2", {}),
    "MaxNorm": ("MaxNorm", {"m": "max_value"}),
    "NonNeg": ("NonNeg", {}),
    "UnitNorm": ("UnitNorm", {}),
}

# Functions of TensorFlow's that stood for activations.
OLD_HARD_SIGMOID = "hard_sigmoid_keras2"  # keras2/activations.py: the curve of Keras 1 and 2
_RECURRENT = ("LSTM", "GRU")
_KERAS = ("keras", "tf_keras", "torchkeras", "tensorflow", "builtins")


def modernized(config, version=None):
    """A config of any generation, as Keras 3 writes it; one of Keras 3 comes back as it is, after one look.

    Args:
        config: the description of an object (`{"class_name", "config"}`), what a model's `get_config` gave, or the bare
            list of layers that was Keras 1's Sequential.
        version: the Keras that wrote it, such as "2.2.4", where the file says so; else the config itself shows it.

    Raises `UnknownObjectError` (a `ValueError`) for layers that are gone, and for functions of TensorFlow's that have
    no operation here.
    """
    if isinstance(config, dict):
        version = version or config.get("keras_version")
    if not is_old(config, version):
        return config
    return _Reader(version, whole=version is not None or "class_name" not in config or _is_model(config)).read(config)


def compile_arguments(config):
    """The arguments of `compile` from what older files hold: a `compile_config`, or the `training_config` of HDF5.

    None meant the default for each of them. Optimizers come under "optimizer", as a config or a name.
    """
    if not isinstance(config, dict):
        return config
    config = {_COMPILE.get(key, key): value for key, value in config.items() if value is not None}
    for key in ("sample_weight_mode", "from_serialized"):
        config.pop(key, None)
    if "optimizer" in config:
        config["optimizer"] = _optimizer(config["optimizer"])
    return config


_COMPILE = {"optimizer_config": "optimizer"}


def _optimizer(described):
    """An optimizer as its class takes it."""
    if not isinstance(described, dict) or not isinstance(described.get("config"), dict):
        return described
    config = dict(described["config"])
    if described.get("class_name", "").startswith("LossScaleOptimizer"):
        config = {"inner_optimizer" if key == "optimizer" else key: value for key, value in config.items()}
        config = {key: value for key, value in config.items() if key not in ("dynamic", "loss_scale", "name")}
        config["inner_optimizer"] = _optimizer(config.get("inner_optimizer"))
        return {"module": "keras.optimizers", "class_name": "LossScaleOptimizer", "config": config}
    return {**described, "config": config}


def is_old(config, version=None):
    """Whether a config was written before Keras 3."""
    if isinstance(version, str) and version[:1].isdigit():
        return int(version.split(".")[0]) < 3
    if isinstance(config, list):
        return bool(config) and is_old(config[0])
    if not isinstance(config, dict):
        return False
    if "class_name" in config:
        module = config.get("module", "")
        if module is None:  # of the user's script, in a file of Keras 3
            return False
        return not module or ".engine." in module or module.startswith("tf_keras") or is_old(config.get("config"))
    layers = config.get("layers")
    if not isinstance(layers, list) or not layers or not isinstance(layers[0], dict):
        return False
    first = layers[0].get("config")
    return "module" not in layers[0] or (isinstance(first, dict) and "batch_input_shape" in first)


def _is_model(config):
    return isinstance(config.get("config"), list) or "layers" in (config.get("config") or ())


class _Reader:
    """One config being read: what its whole says about its parts.

    Args:
        version: of the Keras that wrote it, or None.
        whole: whether it is certainly of Keras 2 or before: the same words then mean what they meant there.
    """

    def __init__(self, version, whole):
        self.version, self.whole = version, whole
        number = [int(part) for part in str(version or "2.3").split("-")[0].split(".")[:2] if part.isdigit()]
        self.early = tuple(number) < (2, 3)  # defaults of recurrent layers changed then

    def read(self, value, key=""):
        """Any value, new throughout."""
        if isinstance(value, (list, tuple)):
            return type(value)(self.read(item, key) for item in value)
        if not isinstance(value, dict):
            return self._word(value, key)
        if isinstance(value.get("class_name"), str):
            return self._entry(value, key)
        if value.get("name") in NAMED and "layers" not in value:
            return _named(value)
        if isinstance(value.get("layers"), list) and ("input_layers" in value or key == ""):
            return self._model(value)
        return {name: self.read(item, name) for name, item in value.items()}

    def _word(self, value, key):
        if value == "hard_sigmoid" and self.whole and key.endswith("activation"):
            return OLD_HARD_SIGMOID
        return value

    def _entry(self, entry, key):
        """The description of one object."""
        name, inner = entry["class_name"], entry.get("config")
        if name.startswith("__"):
            return _plain(entry)
        if not _is_ours(entry):
            return self._of_the_user(entry)
        if name in GONE:
            raise UnknownObjectError(f"The file holds the layer {name!r}, which cannot be read: {GONE[name]}.")
        if name in tf_functions.CLASSES:
            return entry  # the graph around it knows what goes in
        if name == "function":
            return {**entry, "config": self._word(inner, key)}
        if name == "Sequential" and isinstance(inner, list):  # Keras 1 and 2.1
            inner = {"layers": inner}
        if name != "Merge" and isinstance(inner, dict) and isinstance(inner.get("layers"), list):
            return self._model_entry(entry, inner)
        new = CLASSES.get(name, name)
        result = {key: value for key, value in entry.items() if key != "build_config"}  # the graph says it
        result["class_name"] = new
        if "module" in entry:
            result["module"] = _module(entry["module"])
        if isinstance(inner, dict):
            result["config"] = self._config(name, new, inner, key)
        if name == "TimeDistributedDense":
            return _time_distributed(result)
        return result

    def _of_the_user(self, entry):
        result = {**entry, "config": self.read(entry.get("config"), "config")}
        if "compile_config" in entry:
            result["compile_config"] = compile_arguments(entry["compile_config"])
        return result

    def _model_entry(self, entry, inner):
        name = entry["class_name"]
        result = {**entry, "class_name": "Sequential" if name == "Sequential" else CLASSES.get(name, name)}
        if isinstance(entry.get("name"), str):  # a bare list has no name of its own
            inner = {"name": entry["name"], **inner}
        result["config"] = self._model(inner)
        if "input_layers" in result["config"] and name == "Sequential":
            result["class_name"] = "Functional"  # one that began with a Merge of others
        if "module" in entry:
            result["module"] = _module(entry["module"])
        if "compile_config" in entry:
            result["compile_config"] = compile_arguments(entry["compile_config"])
        return {key: value for key, value in result.items() if key not in ("keras_version", "backend")}

    def _model(self, config):
        layers = [self.read(layer, "layers") for layer in config["layers"]]
        rest = {key: self.read(value, key) for key, value in config.items() if key != "layers"}
        config = {**rest, "layers": layers}
        if "input_layers" in config:
            return old_graphs.modernized(config)
        return old_graphs.modernized_stack(config)

    # -- the config of one object -------------------------------------------------------------------------------------

    def _config(self, old, name, config, key):
        config = {field: self.read(value, field) for field, value in config.items()}
        if key.endswith("initializer"):
            return {field: value for field, value in config.items() if field not in ("dtype", "verify_shape")}
        if registry.find(name, ("layer",)) is None and name not in ("TimeDistributedDense", "Merge"):
            return config
        return self._layer(old, name, config)

    def _layer(self, old, name, config):
        for each in (*DROPPED["*"], *DROPPED.get(name, ())):
            if each != "input_dtype" or name != "InputLayer":
                config.pop(each, None)
        for before, after in RENAMED.get(name, {}).items():
            if before in config and after not in config:
                config[after] = config.pop(before)
        if isinstance(config.get("name"), str):
            config["name"] = old_graphs.without_slash(config["name"])
        _declared_input(name, config)
        known = getattr(registry.find(name, ("layer",)), "_fields", None)
        if known is not None:  # what is None and not known was a default
            config = {key: value for key, value in config.items() if value is not None or key in known}
        special = _SPECIAL.get(name)
        if special is not None:
            special(self, config)
        if old.startswith("CuDNN"):
            _of_cudnn(old, config)
        return config


def _is_ours(entry):
    """Whether an entry names a class of Keras's, not one of the user's."""
    name, registered, module = entry["class_name"], entry.get("registered_name"), entry.get("module")
    if registry.find_custom(registered, name, f"Custom>{name}") is not None:
        return False
    return ">" not in name and (module is None or str(module).split(".")[0] in _KERAS)


def _plain(value):
    """A described value; single numbers stood as arrays without axes."""
    inner = value.get("config")
    number = inner.get("value") if value["class_name"] == "__numpy__" and isinstance(inner, dict) else None
    return number if isinstance(number, (int, float)) else value


def _module(module):
    return None if module is None or module.split(".")[0] == "tensorflow" else module


def _named(value):
    name, names = NAMED[value["name"]]
    config = {names.get(key, key): item for key, item in value.items() if key != "name"}
    return {"class_name": name, "config": config}


def _time_distributed(entry):
    config = entry["config"]
    outer = {key: config.pop(key) for key in ("name", "trainable", "batch_input_shape") if key in config}
    return {
        **entry,
        "class_name": "TimeDistributed",
        "config": {**outer, "layer": {"class_name": "Dense", "config": config}},
    }


def _declared_input(name, config):
    """`batch_input_shape` says it all; `input_dim` and `input_length` beside it are its parts."""
    if name != "Embedding":
        config.pop("input_dim", None)
    if config.get("input_length") is None or "batch_input_shape" in config or name != "Embedding":
        config.pop("input_length", None)


# -- layers with a story of their own ---------------------------------------------------------------------------------


def _input(reader, config):
    if "batch_input_shape" in config:
        config["batch_shape"] = config.pop("batch_input_shape")
    dtype = config.pop("input_dtype", None)
    if dtype is not None:
        config.setdefault("dtype", dtype)


def _embedding(reader, config):
    if config.pop("dropout", None):
        raise UnknownObjectError(
            f"Embedding {config.get('name')!r} drops words by itself, as in Keras 1: no longer offered."
        )


def _recurrent(reader, config):
    if "forget_bias_init" in config:
        config["unit_forget_bias"] = config.pop("forget_bias_init") in ("one", "ones")
    if reader.early and not {"recurrent_activation", "inner_activation"} & config.keys():
        config["recurrent_activation"] = OLD_HARD_SIGMOID
    if config.get("inner_activation") == "hard_sigmoid":
        config["inner_activation"] = OLD_HARD_SIGMOID


def _gru(reader, config):
    _recurrent(reader, config)
    if reader.whole:
        config.setdefault("reset_after", False)  # files that do not say so are from before there was a choice


def _of_cudnn(name, config):
    """CuDNN's layers had one pair of activations and wrote neither it nor their kind of GRU."""
    config.update(activation="tanh", recurrent_activation="sigmoid", use_bias=True)
    if name == "CuDNNGRU":
        config["reset_after"] = True


def _normalization(reader, config):
    mode = config.pop("mode", 0)
    if mode != 0:
        raise UnknownObjectError(
            f"BatchNormalization {config.get('name')!r} has Keras 1's mode={mode}: only mode 0, with moving averages, "
            "is offered."
        )


def _lambda(reader, config):
    """Keras 1 and 2 wrote a function as `[code, defaults, closure]`, or as the name of a class."""
    for key in ("function", "output_shape", "mask"):
        kind, value = config.pop(f"{key}_type", "lambda" if key == "mask" else None), config.get(key)
        config.pop(f"{key}_module", None)
        if kind == "function" and isinstance(value, str):
            config[key] = {
                "module": "builtins",
                "class_name": "function",
                "config": value,
                "registered_name": "function",
            }
        elif isinstance(value, list) and len(value) == 3 and isinstance(value[0], str):
            config[key] = {
                "class_name": "__lambda__",
                "config": dict(zip(("code", "defaults", "closure"), value, strict=True)),
            }
    config.pop("module", None)


_SPECIAL = {
    "InputLayer": _input,
    "Embedding": _embedding,
    "LSTM": _recurrent,
    "LSTMCell": _recurrent,
    "GRU": _gru,
    "GRUCell": _gru,
    "BatchNormalization": _normalization,
    "Lambda": _lambda,
}


serialization.read_older_forms_by(modernized)
