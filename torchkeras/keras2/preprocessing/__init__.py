"""`keras.preprocessing` of Keras 2, which Keras 3 keeps to itself: attached to the public room of that name.

May import core, errors, training, utils and the room `preprocessing`, which knows nothing of it.
"""

from torchkeras import preprocessing
from torchkeras.keras2.modules import add_module
from torchkeras.keras2.preprocessing import sequence, text


def _contents(module):
    return {name: getattr(module, name) for name in module.__all__}


vars(preprocessing.sequence).update(_contents(sequence))
add_module(preprocessing, "text", "Keras 2's words as numbers.", _contents(text))
