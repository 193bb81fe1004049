"""`tensorflow.python`: a private path that older programs import Keras through.

Lives here: its one name, `keras`. May import: missing. Must not know: anything else of TensorFlow.
"""

import sys

from torchkeras.shim.tf.missing import explain_missing

keras = sys.modules[__name__.partition(".")[0]]

__getattr__ = explain_missing("tensorflow.python")
