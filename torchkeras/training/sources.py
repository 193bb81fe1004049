"""Sources: what the loops take their batches from. `source_of` alone knows which kinds of data there are.

May import this room. Another kind is one more class with the members of `Source`, listed in `_KINDS`.
"""

from torch.utils.data import DataLoader, Dataset, IterableDataset, TensorDataset

from torchkeras.training.arguments import positive_number
from torchkeras.training.array_source import ArraySource
from torchkeras.training.loaders import IterableSource, IteratorSource, LoaderSource
from torchkeras.training.py_dataset import PyDatasetSource

_KINDS = (LoaderSource, PyDatasetSource, IteratorSource, IterableSource, ArraySource)


def source_of(x, y=None, sample_weight=None, **options):
    """The source for whatever is given as `x`. `options` are those of `Source`."""
    if isinstance(x, Dataset):
        x, y, sample_weight = _of_dataset(x, y, sample_weight, **options)
    return kind_of(x)(x, y, sample_weight, **options)


def kind_of(x):
    """The class of sources for `x`."""
    return next(kind for kind in _KINDS if kind.accepts(x))


def _of_dataset(dataset, y, sample_weight, batch_size=None, shuffle=False, **options):
    """torch's data set of single samples as what makes batches of it: its tensors, or a loader."""
    if type(dataset) is TensorDataset and y is None and sample_weight is None and len(dataset.tensors) <= 3:
        return (*dataset.tensors, None, None)[:3]
    size = 32 if batch_size is None else positive_number("`batch_size`", batch_size)
    order = {} if isinstance(dataset, IterableDataset) else {"shuffle": bool(shuffle)}
    return DataLoader(dataset, size, **order), y, sample_weight
