"""A graph between input and output tensors, compiled once into a flat plan.

May import core. Knows no model: it finds the nodes, orders them as Keras orders layers, and runs them.

The plan holds operations and places only, no KerasTensors, so it copies and pickles without recursion however deep
the model; the symbolic side is wired again from it.
"""

import functools

import torch

from torchkeras.core import tree
from torchkeras.core.keras_tensor import KerasTensor
from torchkeras.core.layer_state import LayerState
from torchkeras.core.symbolic import Node
from torchkeras.models.work import rows_apart, work_of


class Place:
    """The place of a tensor in a run."""

    __slots__ = ("index",)

    def __init__(self, index):
        self.index = index

    def __repr__(self):
        return f"Place({self.index})"


class Step:
    """One node of the plan: which operation, from which places, into which places, and which places it is the last to
    read."""

    __slots__ = ("args", "finished", "kwargs", "operation", "outputs", "single", "structure")

    def __init__(self, operation, args, kwargs, outputs, structure):
        self.operation, self.args, self.kwargs = operation, args, kwargs
        self.outputs, self.structure = outputs, structure
        simple = len(args) == 1 and isinstance(args[0], Place) and not kwargs and isinstance(structure, Place)
        self.single = args[0].index if simple else None
        self.finished = ()

    def places_read(self):
        return {leaf.index for leaf in tree.flatten((self.args, self.kwargs)) if isinstance(leaf, Place)}

    def __getstate__(self):
        return {name: getattr(self, name) for name in self.__slots__}

    def __setstate__(self, contents):
        for name, value in contents.items():
            setattr(self, name, value)


class Graph:
    """Nodes between inputs and outputs.

    Attributes:
        inputs, outputs: flat lists of KerasTensors.
        nodes: in running order, the inputs' nodes first.
        operations: each operation once, in Keras's layer order (by depth, then by first visit).
        steps: the plan; `specs` holds `(shape, dtype, name)` of every place.
        constants: place -> tensor, for what stands in the graph as a plain argument (`x @ w`). A run takes their values
            as an argument, so that the model's owner can register, move and swap them.

    Raises `ValueError` if an output needs an input that is not listed.
    """

    def __init__(self, inputs, outputs):
        self.inputs, self.outputs = list(inputs), list(outputs)
        self.nodes, self.operations, self._depths = _sort(self.inputs, self.outputs)
        self._compile()

    def _compile(self):
        places, specs, steps = {}, [], []
        self.constants = {}

        def place_of(value):
            if not isinstance(value, (KerasTensor, torch.Tensor)):
                return value
            if id(value) not in places:
                places[id(value)] = len(specs)
                if isinstance(value, torch.Tensor):
                    self.constants[len(specs)] = value
                    specs.append(None)
                else:
                    specs.append((value.shape, value.dtype, value.name))
            return Place(places[id(value)])

        self.input_places = [place_of(tensor).index for tensor in self.inputs]
        given = {id(tensor) for tensor in self.inputs}
        for node in self.nodes:
            if node.is_input or all(id(out) in given for out in node.outputs):
                continue
            args, kwargs = tree.map_structure(place_of, (node.arguments.args, node.arguments.kwargs))
            structure = tree.map_structure(place_of, node.output_structure)
            outputs = [place_of(out).index for out in node.outputs]
            steps.append(Step(node.operation, args, kwargs, outputs, structure))
        self.output_places = [place_of(tensor).index for tensor in self.outputs]
        self.steps, self.specs = tuple(steps), specs
        self._mark_last_readers()

    def _mark_last_readers(self):
        """So that a run can drop intermediate tensors as soon as nothing needs them."""
        seen = set(self.output_places)
        for step in reversed(self.steps):
            step.finished = tuple(sorted(step.places_read() - seen))
            seen |= step.places_read()

    def _values(self, inputs, constants):
        values = [None] * len(self.specs)
        for place, value in zip(self.input_places, inputs, strict=True):
            values[place] = value
        if self.constants:
            for place, value in zip(self.constants, constants, strict=True):
                values[place] = value
        return values

    def run(self, inputs, constants=()):
        """Outputs (flat) for inputs (flat) and values of the constants, by calling the operations in order."""
        values = self._values(inputs, constants)
        for step in self.steps:
            if step.single is not None:
                values[step.outputs[0]] = step.operation(values[step.single])
            else:
                self._run_general(step, values)
            for place in step.finished:
                values[place] = None
        return [values[place] for place in self.output_places]

    def _run_general(self, step, values):
        args, kwargs = _fill((step.args, step.kwargs), values)
        result = step.operation(*args, **kwargs)
        leaves = [result] if len(step.outputs) == 1 and not tree.is_nested(result) else _tensors_in(result)
        for place, value in zip(step.outputs, leaves, strict=True):
            values[place] = value

    def replay(self, inputs, call):
        """Runs the plan with `call(operation, args, kwargs)` in place of the operations: cloning, shape inference."""
        values = self._values(inputs, self.constants.values())
        for step in self.steps:
            args, kwargs = _fill((step.args, step.kwargs), values)
            leaves = [out for out in tree.flatten(call(step.operation, args, kwargs)) if out is not None]
            for place, value in zip(step.outputs, leaves, strict=True):
                values[place] = value
        return [values[place] for place in self.output_places]

    @functools.cached_property
    def work(self):
        """Multiplications of a run per sample, or None (models/work.py)."""
        return work_of(self)

    @functools.cached_property
    def rows_apart(self):
        """Whether each sample is taken by itself (models/work.py)."""
        return rows_apart(self)

    @property
    def layers(self):
        """The operations that are layers."""
        return [operation for operation in self.operations if isinstance(operation, LayerState)]

    def nodes_by_depth(self):
        """Depth -> the nodes at that distance from the outputs."""
        found = {}
        for node in self.nodes:
            found.setdefault(self._depths[node], []).append(node)
        return found

    def __getstate__(self):
        names = ("steps", "specs", "constants", "input_places", "output_places", "operations")
        sources = [tensor._keras_history.operation for tensor in self.inputs]
        return {**{name: getattr(self, name) for name in names}, "sources": sources}

    def __setstate__(self, contents):
        """Wires the symbolic side again: the copied operations get their nodes."""
        sources = contents.pop("sources")
        self.__dict__.update(contents)
        tensors = [self.constants.get(place) for place in range(len(self.specs))]

        def tensor_of(place):
            if tensors[place.index] is None:
                shape, dtype, name = self.specs[place.index]
                tensors[place.index] = KerasTensor(shape, dtype=dtype, name=name)
            return tensors[place.index]

        def symbolic(template):
            return tree.map_structure(lambda v: tensor_of(v) if isinstance(v, Place) else v, template)

        for source, place in zip(sources, self.input_places, strict=True):
            Node(source, (), {}, tensor_of(Place(place)))
        for step in self.steps:
            args, kwargs = symbolic((step.args, step.kwargs))
            Node(step.operation, args, kwargs, symbolic(step.structure))
        self.inputs = [tensors[place] for place in self.input_places]
        self.outputs = [tensors[place] for place in self.output_places]
        self.nodes, self.operations, self._depths = _sort(self.inputs, self.outputs)


def _fill(template, values):
    if isinstance(template, Place):
        return values[template.index]
    if isinstance(template, tuple):
        return tuple(_fill(item, values) for item in template)
    if isinstance(template, list):
        return [_fill(item, values) for item in template]
    if isinstance(template, dict):
        return {key: _fill(item, values) for key, item in template.items()}
    return template


def _tensors_in(result):
    return [leaf for leaf in tree.flatten(result) if leaf is not None]


def _node_of(tensor):
    history = getattr(tensor, "_keras_history", None)
    if history is None:
        raise ValueError(f"{tensor!r} does not come from keras.Input() or an operation on one.")
    return history.operation._inbound_nodes[history.node_index]


def _sort(inputs, outputs):
    """Nodes in running order and operations in layer order."""
    stop = {id(tensor) for tensor in inputs}
    order, finished, first_visit = [], set(), {}
    for output in outputs:
        _visit(output, stop, order, finished, first_visit)
    depths, operation_depths = {}, {}
    for node in reversed(order):
        depth = max(depths.get(node, 0), operation_depths.get(node.operation, 0))  # shared layers: as Keras, by order
        depths[node] = operation_depths[node.operation] = depth
        if all(id(out) in stop for out in node.outputs):
            continue
        for parent in node.parent_nodes:
            depths[parent] = max(depth + 1, depths.get(parent, 0))
    for tensor in inputs:  # inputs that no output needs
        node = _node_of(tensor)
        depths.setdefault(node, 1)
        operation_depths.setdefault(node.operation, 1)
        first_visit.setdefault(node.operation, len(first_visit))
    nodes = sorted(depths, key=lambda node: -depths[node])
    operations = sorted(operation_depths, key=lambda op: (-operation_depths[op], first_visit[op]))
    return nodes, operations, depths


def _visit(output, stop, order, finished, first_visit):
    """Depth first from one output, without recursion; appends nodes once their parents are done."""
    stack = [(output, _node_of(output), False)]
    while stack:
        tensor, node, leaving = stack.pop()
        if leaving:
            finished.add(node)
            order.append(node)
            continue
        if node in finished:
            continue
        first_visit.setdefault(node.operation, len(first_visit))
        if node.is_input and id(tensor) not in stop:
            raise ValueError(
                f"The output needs the input {tensor.name!r} (of layer {node.operation.name!r}), which is not among "
                "the model's inputs: add it to `inputs`."
            )
        stack.append((tensor, node, True))
        if id(tensor) not in stop:
            for parent in reversed(node.input_tensors):
                stack.append((parent, _node_of(parent), False))
