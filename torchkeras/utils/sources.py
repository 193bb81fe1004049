"""get_source_inputs: the Inputs behind a symbolic tensor.

May import core.
"""


def get_source_inputs(tensor):
    """The inputs that are needed to compute a symbolic tensor.

    Args:
        tensor: KerasTensor.

    Returns a list of KerasTensors, each once, in the order in which the way back meets them. What is no symbolic tensor
    comes back as it is.

    Example:
        >>> a, b = Input((2,), name="a"), Input((2,), name="b")
        >>> [each.name for each in get_source_inputs(Dense(1)(a + b))]
        ['a', 'b']
    """
    history = getattr(tensor, "_keras_history", None)
    if history is None:
        return tensor
    found, seen, waiting = [], set(), [_node(history)]
    while waiting:
        node = waiting.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.is_input:
            found += node.output_tensors
        waiting += [_node(each._keras_history) for each in reversed(node.input_tensors)]
    return found


def _node(history):
    return history.operation._inbound_nodes[history.node_index]
