"""`keras.preprocessing` of Keras 2, which Keras 3 keeps to itself: attached to the public room of that name.

May import core, errors, training, callbacks' console, utils and the room `preprocessing`, which knows nothing of it.
"""

from torchkeras import preprocessing
from torchkeras.keras2.modules import add_module
from torchkeras.keras2.preprocessing import sequence, text, transforms
from torchkeras.keras2.preprocessing.file_iterators import DataFrameIterator, DirectoryIterator
from torchkeras.keras2.preprocessing.image_data_generator import ImageDataGenerator
from torchkeras.keras2.preprocessing.iterators import Iterator, NumpyArrayIterator

_CLASSES = (DataFrameIterator, DirectoryIterator, ImageDataGenerator, Iterator, NumpyArrayIterator)


def _contents(module):
    return {name: getattr(module, name) for name in module.__all__}


vars(preprocessing.image).update(_contents(transforms), **{each.__name__: each for each in _CLASSES})
vars(preprocessing.sequence).update(_contents(sequence))
add_module(preprocessing, "text", "Keras 2's words as numbers.", _contents(text))
