"""A deep model as a structure: what making, showing, describing and copying it costs. No data, no arithmetic.

Each maker takes the ``keras`` module and a workload, and returns a function of no arguments that does the thing once.
Hand-written torch has no counterpart, so these are measured against Keras. Runs inside a worker only.
"""

import copy
import json


def build(keras, workload):
    return lambda: workload.in_keras(keras)


def summary(keras, workload):
    model = workload.in_keras(keras)
    return lambda: model.summary(print_fn=lambda text, line_break=False: None)


def config(keras, workload):
    model = workload.in_keras(keras)
    return model.get_config


def from_config(keras, workload):
    text = json.dumps(workload.in_keras(keras).get_config())
    return lambda: keras.Model.from_config(json.loads(text))  # Keras takes a config apart while it reads it


def clone(keras, workload):
    model = workload.in_keras(keras)
    return lambda: keras.models.clone_model(model)


def deepcopy(keras, workload):
    model = workload.in_keras(keras)
    return lambda: copy.deepcopy(model)


STRUCTURE = {each.__name__: each for each in (build, summary, config, from_config, clone, deepcopy)}


def repeated(kind, workload, steps, keras):
    """The thing called ``kind``, ``steps`` times."""
    once = STRUCTURE[kind](keras, workload)

    def run():
        for _ in range(steps):
            once()

    return run
