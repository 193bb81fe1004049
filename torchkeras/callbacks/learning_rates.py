"""The learning rates of a model's optimizer: where callbacks read and set them, and under which names they log them.

Imports nothing of the package. Knows of optimizers only `learning_rate`, `optimizers` and `name`.
"""


def optimizers_by_log_name(model):
    """The optimizers that have a rate, under the names of their rates in the logs.

    One optimizer logs `learning_rate`; the parts of a MultiOptimizer log `learning_rate_<name of the part>`.
    """
    optimizer = getattr(model, "optimizer", None)
    parts = getattr(optimizer, "optimizers", None)
    if parts is None:
        return {"learning_rate": optimizer}
    return {f"learning_rate_{part.name}": part for part in parts}


def rate_of(optimizer):
    """The rate of the coming step as a float."""
    return float(optimizer.learning_rate)


def log_rates(model, logs):
    """Adds the present rates to the logs."""
    for name, optimizer in optimizers_by_log_name(model).items():
        logs[name] = rate_of(optimizer)
