"""Function: a graph between symbolic tensors as a callable without state of its own.

May import core and this room's graph.
"""

from torchkeras.core import scopes, tree
from torchkeras.core.keras_tensor import KerasTensor, any_symbolic
from torchkeras.core.symbolic import Operation, Source
from torchkeras.models.graph import Graph
from torchkeras.tree import assert_same_structure, map_shape_structure


class Function(Operation):
    """The computation that leads from input tensors to output tensors, to be run on other inputs.

    It is like a functional model without being a layer: it holds no weights and cannot be trained or saved.

    Args:
        inputs: KerasTensor, or a structure of them.
        outputs: KerasTensor, or a structure of them, to be computed from the inputs alone.

    Raises `ValueError` for empty structures and where an output needs something that is not among the inputs.

    Example:
        >>> a, b = KerasTensor((None, 3)), KerasTensor((None, 3))
        >>> both = Function([a, b], {"sum": a + b})
        >>> both([torch.ones(1, 3), torch.ones(1, 3)])["sum"]
        tensor([[2., 2., 2.]])
    """

    def __init__(self, inputs, outputs, name=None):
        self.name = name or scopes.unique_name(scopes.snake_case(type(self).__name__))
        self._inbound_nodes, self._outbound_nodes = [], []
        for what, structure in (("inputs", inputs), ("outputs", outputs)):
            if not tree.flatten(structure):
                raise ValueError(f"A Function needs {what}, got an empty {type(structure).__name__}.")
            wrong = [leaf for leaf in tree.flatten(structure) if not isinstance(leaf, KerasTensor)]
            if wrong:
                raise ValueError(f"The {what} of a Function must be KerasTensors, got {wrong[0]!r}.")
        self._input_structure, self._output_structure = inputs, outputs
        for tensor in tree.flatten(inputs):
            if getattr(tensor, "_keras_history", None) is None:
                Source(tensor)
        self._graph = Graph(tree.flatten(inputs), tree.flatten(outputs))

    inputs = property(lambda self: list(self._graph.inputs))
    outputs = property(lambda self: list(self._graph.outputs))
    operations = property(lambda self: list(self._graph.operations))

    def __call__(self, *args, **kwargs):
        if any_symbolic(args, kwargs):
            return self.symbolic_call(*args, **kwargs)
        return self.call(*args, **kwargs)

    def call(self, inputs):
        """The outputs for tensors in the structure of the inputs."""
        self._require_fitting(inputs)
        return tree.pack_sequence_as(self._output_structure, self._graph.run(tree.flatten(inputs)))

    def compute_output_spec(self, inputs):
        """The outputs as KerasTensors, for inputs that may have other sizes where the Function's have None."""
        self._require_fitting(inputs)
        specs = self._graph.replay(
            tree.flatten(inputs), lambda operation, args, kwargs: operation.compute_output_spec(*args, **kwargs)
        )
        return tree.pack_sequence_as(self._output_structure, specs)

    def compute_output_shape(self, input_shape):
        """The output shapes for a structure of input shapes."""
        shapes = tree.flatten(map_shape_structure(KerasTensor, input_shape))
        inputs = [KerasTensor(spec.shape, ours.dtype) for spec, ours in zip(shapes, self._graph.inputs, strict=True)]
        outputs = self.compute_output_spec(tree.pack_sequence_as(self._input_structure, inputs))
        return tree.map_structure(lambda out: out.shape, outputs)

    def _require_fitting(self, inputs):
        """Raises `ValueError` where the structure, a rank or a known size differs."""
        try:
            assert_same_structure(inputs, self._input_structure)
        except ValueError as error:
            raise ValueError(
                f"Function {self.name!r} was called on another structure than that of its inputs. {error}"
            ) from None
        for value, ours in zip(tree.flatten(inputs), self._graph.inputs, strict=True):
            shape = tuple(value.shape)
            if len(shape) != len(ours.shape) or any(
                None not in (size, known) and size != known for size, known in zip(shape, ours.shape, strict=True)
            ):
                raise ValueError(
                    f"Function {self.name!r}: its input {ours.name!r} has shape {tuple(ours.shape)}, got {shape}."
                )
