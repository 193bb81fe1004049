"""ExportArchive: several computations of one or more models, exported together.

May import core, saving and this room.
"""

import inspect
import os

import torch

from torchkeras.core.layer import Layer
from torchkeras.core.variable import Variable
from torchkeras.export import programs, signatures
from torchkeras.saving import guards, safetensors_file

_FORMATS = ("saved_model", "torch")


class ExportArchive:
    """Collects endpoints, and writes each as a program that needs no Keras.

    Args:
        format: `"saved_model"`, Keras's default, or `"torch"`: what is written are programs of `torch.export`.

    `write_out("folder")` writes `folder/<endpoint>.pt2` for each endpoint, for `torch.export.load`, and
    `folder/<collection>.safetensors` for each collection of variables. One endpoint alone may go to `"model.pt2"`.

    Example:
        >>> model = Sequential([Input((3,)), Dense(2), Dropout(0.5)])
        >>> archive = ExportArchive()
        >>> serve = archive.track_and_add_endpoint("serve", model, [InputSpec(shape=(None, 3), dtype="float32")])
        >>> total = archive.add_endpoint("total", lambda x: model(x, training=False).sum(), [(None, 3)])
        >>> archive.write_out("served", verbose=False)
        >>> program = torch.export.load("served/serve.pt2").module()
        >>> program(torch.ones(5, 3)).shape
        torch.Size([5, 2])
    """

    def __init__(self, format="saved_model", **kwargs):
        if format not in _FORMATS or kwargs:
            raise ValueError(f"ExportArchive(format={format!r}) is not known; there are {', '.join(_FORMATS)}.")
        self._resources, self._endpoints, self._collections = [], {}, {}

    # -- what is tracked ----------------------------------------------------------------------------------------------

    def track(self, resource):
        """Takes up the variables of a layer, model or torch module. Those that endpoints use are found by themselves;
        what is tracked shows in `variables` too."""
        if not isinstance(resource, torch.nn.Module):
            raise ValueError(f"A layer, model or torch module can be tracked, got {type(resource).__name__}.")
        if isinstance(resource, Layer) and not resource.built:
            raise ValueError(
                f"{resource.name!r} has not been built: build it, or call it on data, before exporting it."
            )
        if all(resource is not known for known in self._resources):
            self._resources.append(resource)

    def _listed(self, name):
        found = {}
        for resource in self._resources:
            of_module = {"trainable_variables": True, "non_trainable_variables": False}.get(name)
            weights = getattr(resource, name, None)
            if weights is None:
                weights = [each for each in resource.parameters() if of_module in (None, each.requires_grad)]
            found.update((id(weight), weight) for weight in weights)
        return list(found.values())

    @property
    def variables(self):
        """The variables of what is tracked, each once."""
        return self._listed("variables")

    @property
    def trainable_variables(self):
        """Those that are learned."""
        return self._listed("trainable_variables")

    @property
    def non_trainable_variables(self):
        """The others."""
        return self._listed("non_trainable_variables")

    # -- endpoints ----------------------------------------------------------------------------------------------------

    def add_endpoint(self, name, fn, input_signature=None, **kwargs):
        """Adds a function of tensors.

        Args:
            name: of the endpoint.
            fn: a layer or model, a method of one, or any function of tensors that uses them.
            input_signature: list with a structure of `InputSpec`, `KerasTensor`, tensors or shapes for each argument.
                None sizes stay open. A built model knows it itself.
            kwargs: for `torch.export.export`.

        Returns the exported computation, which can be called. Raises `ValueError` for a name that is taken.
        """
        self._require_free(name)
        if not callable(fn):
            raise ValueError(f"An endpoint is a callable, got {type(fn).__name__}.")
        owner = fn if isinstance(fn, torch.nn.Module) else None
        if isinstance(owner, Layer):
            signature = signatures.signature_of(owner, input_signature)
        elif input_signature is None:
            raise ValueError(f"Endpoint {name!r} needs input_signature: the shapes of what {fn!r} takes are not known.")
        else:
            signature = [signatures.specs(each) for each in input_signature]
        module = owner or _Endpoint(fn, name, [*_modules_of(fn), *self._resources])
        program = programs.captured(module, signature, **kwargs)
        self._endpoints[name] = program
        return program.module()

    def track_and_add_endpoint(self, name, resource, input_signature=None, **kwargs):
        """`track(resource)`, and its call as an endpoint; see `add_endpoint`."""
        self._require_free(name)
        if not isinstance(resource, Layer):
            raise ValueError(f"Expected a Keras layer or model, got {type(resource).__name__}.")
        self.track(resource)
        return self.add_endpoint(name, resource, input_signature, **kwargs)

    def add_variable_collection(self, name, variables):
        """Adds values, by the paths of the variables, to be written under a name of their own."""
        self._require_free(name)
        if not isinstance(variables, (list, tuple, set)):
            raise ValueError(f"`variables` must be a list, tuple or set, got {type(variables).__name__}.")
        strangers = sorted({type(each).__name__ for each in variables if not isinstance(each, Variable)})
        if strangers:
            raise ValueError(f"`variables` must hold keras.Variable only, got {', '.join(strangers)}.")
        self._collections[name] = list(variables)

    def _require_free(self, name):
        if name in self._endpoints or name in self._collections:
            raise ValueError(f"The name {name!r} is already taken.")
        guards.require_inner_path(name, "The name of an endpoint")
        if "/" in name:
            raise ValueError(f"The name of an endpoint becomes that of a file and has no slashes, got {name!r}.")

    # -- writing ------------------------------------------------------------------------------------------------------

    def write_out(self, filepath, options=None, verbose=True):
        """Writes everything into a folder, or one endpoint alone into a `.pt2` file.

        Args:
            filepath: a folder, which is made, or a path that ends in `.pt2`.
            options: TensorFlow's; must be None.
            verbose: whether the endpoints are printed.
        """
        if options is not None:
            raise ValueError("`options` are for TensorFlow's SavedModels, which are not written here.")
        if not self._endpoints:
            raise ValueError("There is no endpoint yet: add_endpoint() or track_and_add_endpoint() adds one.")
        path = os.fspath(filepath)
        if path.endswith(".pt2"):
            if len(self._endpoints) > 1 or self._collections:
                raise ValueError(f"A `.pt2` file holds one endpoint: give a folder for {sorted(self._endpoints)}.")
            programs.write(next(iter(self._endpoints.values())), path)
        else:
            self._write_folder(path)
        if verbose:
            print(f"Saved at {path!r}, for torch.export.load: {', '.join(self._endpoints)}.")

    def _write_folder(self, path):
        os.makedirs(path, exist_ok=True)
        for name, program in self._endpoints.items():
            programs.write(program, os.path.join(path, f"{name}.pt2"))
        for name, variables in self._collections.items():
            tensors = safetensors_file.by_path(variables)
            safetensors_file.write_tensors(os.path.join(path, f"{name}.safetensors"), tensors)


class _Endpoint(torch.nn.Module):
    """A function as a module that holds the modules which it uses."""

    def __init__(self, function, name, modules):
        super().__init__()
        self.function, self.name = function, name
        self.resources = torch.nn.ModuleList({id(module): module for module in modules}.values())

    def forward(self, *args):
        return self.function(*args)


def _modules_of(function):
    """Modules that a function finds around it, or whose method it is."""
    owner = getattr(function, "__self__", None)
    if isinstance(owner, torch.nn.Module):
        return [owner]
    if not inspect.isfunction(function):
        return []
    around = inspect.getclosurevars(function)
    values = (*around.nonlocals.values(), *around.globals.values())
    return [value for value in values if isinstance(value, torch.nn.Module)]
