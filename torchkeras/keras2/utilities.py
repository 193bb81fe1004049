"""Keras 2's spellings of arguments of `keras.utils`.

May import core and utils. Adds rules to the functions; none knows of them.
"""

import warnings

from torchkeras import utils
from torchkeras.core.fields import add_rule


def _grey_by_a_bool(parameters, args, kwargs):
    """`load_img(path, grayscale=True)`; by position it stood before `color_mode`, which is a word."""
    grey = kwargs.pop("grayscale", False)
    if len(args) > 1 and isinstance(args[1], bool):
        grey, args = args[1], (args[0], *args[2:])
    if grey:
        warnings.warn('`grayscale` of load_img is `color_mode="grayscale"` today.', DeprecationWarning, stacklevel=3)
        if len(args) > 1:
            args = (args[0], "grayscale", *args[2:])
        else:
            kwargs["color_mode"] = "grayscale"
    return args


add_rule(utils.load_img, _grey_by_a_bool)
