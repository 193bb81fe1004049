"""Keras 2's spellings of regularizer arguments: `l1(l=...)`, `l2(l=...)`.

May import core and regularizers. Adds rules to their fields; no regularizer knows of them.
"""

from torchkeras import regularizers
from torchkeras.core.fields import add_rule


def _renamed(new):
    def rule(fields, args, kwargs):
        if "l" in kwargs:
            kwargs[new] = kwargs.pop("l")
        return args

    return rule


add_rule(regularizers.L1, _renamed("l1"))
add_rule(regularizers.L2, _renamed("l2"))
