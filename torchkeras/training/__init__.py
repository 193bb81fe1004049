"""The training room: compile arguments, data sources, the step, the loops.

May import core, the families (losses, metrics, optimizers, callbacks) and layers. Knows no model: `Trainer` is a
mixin that needs a layer with `call`, and the models room inherits it.
"""
