"""Keras 2's spellings of regularizer arguments: `l1(l=...)`, `l2(l=...)`.

May import core. Registers rules with the fields; no regularizer knows of them.
"""

from torchkeras.core.fields import add_rule


def _renamed(new):
    def rule(fields, args, kwargs):
        if "l" in kwargs:
            kwargs[new] = kwargs.pop("l")
        return args

    return rule


add_rule("L1", _renamed("l1"))
add_rule("L2", _renamed("l2"))
