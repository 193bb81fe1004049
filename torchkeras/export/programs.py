"""Programs of `torch.export` from modules, and the files they go to.

May import core, saving and this room. `torch.export` and `torch.onnx` are loaded when something is exported.
"""

import contextlib
import importlib.util
import inspect
import os
import warnings

import torch

from torchkeras.core import scopes
from torchkeras.export import signatures
from torchkeras.saving.replacing import replacing

FORMATS = ("tf_saved_model", "onnx", "openvino", "litert", "torch")  # of Keras
_ENDINGS = {".pt2": "torch", ".onnx": "onnx"}
_FAILURES = (RuntimeError, ValueError, TypeError, AssertionError, AttributeError, LookupError, NotImplementedError)
_NEEDS = {
    "tf_saved_model": "A SavedModel is written by TensorFlow, which is not used here",
    "litert": "LiteRT is written by the package litert-torch, from the torch module that this model is: "
    "litert_torch.convert(model.eval(), (example,)).export(path)",
    "openvino": "OpenVINO's own converter reads what is exported as ONNX: openvino.convert_model('model.onnx')",
}


def export(model, filepath, format="tf_saved_model", verbose=None, input_signature=None, **kwargs):
    """Writes what a model computes in inference; see `Model.export`."""
    path = os.fspath(filepath)
    form = _format(path, format)
    signature = signatures.signature_of(model, input_signature)
    if form == "onnx":
        write_onnx(model, path, signature, **kwargs)
        text = f"Saved ONNX program at {path!r}."
    else:
        write(captured(model, signature, **kwargs), path)
        text = f"Saved PyTorch ExportedProgram at {path!r}."
    if verbose is None or verbose:
        print(text)


def _format(path, word):
    """`"torch"` or `"onnx"`. The default of Keras, a SavedModel, gives way to an ending that means something else."""
    form = "torch" if word == "pt2" else word
    if form not in FORMATS:
        raise ValueError(f"format={word!r} is not known; Keras has {', '.join(map(repr, FORMATS))}.")
    if form == "tf_saved_model":
        form = _ENDINGS.get(os.path.splitext(path)[1], form)
    if form in _NEEDS:
        raise NotImplementedError(
            f'{_NEEDS[form]}. Written here are model.export("model.pt2") for torch.export.load, and '
            'model.export("model.onnx", format="onnx").'
        )
    if form == "torch" and not path.endswith(".pt2"):
        raise ValueError(f"A program of torch.export goes into a file that ends in `.pt2`, got {path!r}.")
    return form


# -- torch.export -----------------------------------------------------------------------------------------------------


def captured(module, signature, **kwargs):
    """The `torch.export.ExportedProgram` of a module in inference, for every size that the signature leaves open.

    `kwargs` are those of `torch.export.export`. Raises `RuntimeError` where torch cannot follow the computation.
    """
    known = set(inspect.signature(torch.export.export).parameters) - {"mod", "args", "kwargs"}
    if set(kwargs) - known:
        raise ValueError(
            f"torch.export.export does not know {sorted(set(kwargs) - known)}; it takes {', '.join(sorted(known))}."
        )
    given = kwargs.pop("dynamic_shapes", None)
    shapes = {"args": signatures.dynamic(signature)} if given is None else _as_arguments(given, len(signature))
    options = {"strict": False, **kwargs}
    first = None
    with _in_inference(module), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not properly registered as a submodule.*")
        for arguments in signatures.examples(signature, _device(module)):
            try:
                return torch.export.export(module, arguments, dynamic_shapes=shapes, **options)
            except _FAILURES as error:
                first = first or error
    raise RuntimeError(_explained(module, first)) from first


def _as_arguments(shapes, count):
    """What a user gives for the arguments of the call, as torch wants it of a `forward(*args)`."""
    if isinstance(shapes, dict):
        return shapes if "args" in shapes or "kwargs" in shapes or count > 1 else {"args": (shapes,)}
    if len(shapes) == 1 and isinstance(shapes[0], (list, tuple)):
        return {"args": tuple(shapes[0])}
    return {"args": tuple(shapes)}


@contextlib.contextmanager
def _in_inference(module):
    modes = [(each, each.training) for each in module.modules()]
    module.eval()
    try:
        with scopes.override(training=False):  # layers that augment images train unless they are told
            yield
    finally:
        for each, mode in modes:
            each.training = mode


def _device(module):
    return next((weight.device for weight in module.parameters()), torch.device("cpu"))


def _explained(module, error):
    text = str(error)
    hint = ""
    if "specialized" in text or "dynamic" in text or "Guard" in text:
        hint = (
            " An input has an unknown size that the computation fixes: recurrent layers, for instance, count their "
            "steps while they are traced. Give that size: input_signature=[keras.InputSpec(shape=(None, 10, 8))]."
        )
    name = getattr(module, "name", type(module).__name__)
    return f"torch.export cannot follow {name!r}.{hint} torch says: {text}"


def write(program, path):
    """Writes a program to a `.pt2` file, whole or not at all."""
    with replacing(path) as file:
        torch.export.save(program, file)


# -- ONNX -------------------------------------------------------------------------------------------------------------


def write_onnx(module, path, signature, opset_version=None, **kwargs):
    """Writes the ONNX program of a module. Needs the packages onnx and onnxscript."""
    missing = [name for name in ("onnx", "onnxscript") if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"ONNX needs the packages onnx and onnxscript: pip install {' '.join(missing)}")
    program = captured(_Plain(module, signature), _flattened(signature), **kwargs)
    names = [name or f"input_{place}" for place, (name, _) in enumerate(_named(signature))]
    names = [name if names.count(name) == 1 else f"{name}_{place}" for place, name in enumerate(names)]
    onnx = torch.onnx.export(program, input_names=names, opset_version=opset_version, dynamo=True, verbose=False)
    content = onnx.model_proto.SerializeToString()
    with replacing(path) as file:
        file.write(content)


class _Plain(torch.nn.Module):
    """A module whose inputs come one by one, as ONNX has them."""

    def __init__(self, module, signature):
        super().__init__()
        self.module, self.signature, self.name = module, signature, getattr(module, "name", None)

    def forward(self, *args):
        remaining = iter(args)
        arguments = [signatures.mapped(lambda spec: next(remaining), each) for each in self.signature]
        return self.module(*arguments)


def _named(signature):
    return [each for structure in signature for each in signatures.flat(structure)]


def _flattened(signature):
    return [spec for _, spec in _named(signature)]
